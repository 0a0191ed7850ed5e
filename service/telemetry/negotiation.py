"""Whether `GET /metrics` is asked by a scraper, or for the comparison."""

from service.predict.formats.accept import qualities

JSON = "application/json"

TEXT = (
    *("text/plain", "application/openmetrics-text"),
    "application/vnd.google.protobuf",
)
"""What a scraper asks for. It is answered in the first of them, which each of them takes."""


def is_scrape(accept: str) -> bool:
    """Whether an `Accept` wants metrics more than JSON. Wildcards say nothing of that.

    Prometheus names several forms of text and, in the end, everything; a browser and curl name
    neither, and get JSON as ever.
    """
    wanted = {JSON: 0.0, **dict.fromkeys(TEXT, 0.0)}
    for media_type, quality in qualities(accept):
        if media_type in wanted:
            wanted[media_type] = max(wanted[media_type], quality)
    return max(wanted[name] for name in TEXT) > wanted[JSON]
