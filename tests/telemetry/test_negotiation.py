"""Who asks `GET /metrics`: a scraper, or somebody who wants the comparison."""

import pytest

from service.telemetry.negotiation import is_scrape

# As Prometheus 3.4, 2.50, 2.49 and earlier ones ask.
OPEN = "application/openmetrics-text"
PROMETHEUS = (
    f"{OPEN};version=1.0.0;escaping=allow-utf-8;q=0.6,{OPEN};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "text/plain;version=0.0.4;q=1,*/*;q=0.1",
    f"{OPEN};version=1.0.0,{OPEN};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=2",
    f"{OPEN}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
    "encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.3",
)

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize("accept", PROMETHEUS)
def test_prometheus_gets_metrics(accept: str) -> None:
    assert is_scrape(accept)


@pytest.mark.parametrize(
    ("accept", "wants_text"),
    [
        ("", False),
        ("*/*", False),
        ("text/*", False),
        (BROWSER, False),
        ("application/json", False),
        ("text/plain", True),
        ("TEXT/PLAIN", True),
        # As much is not more.
        ("text/plain, application/json", False),
        ("application/json;q=0.5, text/plain;q=0.5", False),
        ("application/json;q=0.5, text/plain;q=0.6", True),
        ("application/json;q=0.5, text/plain;q=0.4", False),
        # The highest of each counts, wherever it stands.
        (f"text/plain;version=0.0.4;q=0.1, application/json;q=0.5, {OPEN};q=0.6", True),
        ("text/plain;version=1;q=0.1, text/plain;version=2;q=0.9, application/json;q=0.5", True),
        ("application/json;q=0.1, text/plain;q=0.5, application/json;q=0.7", False),
        # What is wanted not at all, and what is malformed.
        ("text/plain;q=0", False),
        ("text/plain;q=0.000, application/json;q=0", False),
        ("text/plain;q=2", True),
        ("text/plain;q=x, application/json;q=0.9", True),
        (";;;,,,", False),
    ],
)
def test_text_wins_only_if_it_is_wanted_more(accept: str, wants_text: bool) -> None:
    assert is_scrape(accept) == wants_text
