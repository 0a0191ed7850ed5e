"""Scrapes as tests read them."""

from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, frozenset[tuple[str, str]]]
"""The name of a sample and its labels."""


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


def samples(text: str) -> dict[Series, float]:
    """All samples of a scrape."""
    return {
        series(each.name, **each.labels): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def never_falling(text: str) -> set[str]:
    """The names of samples that never fall: those of counters and of histograms."""
    return {
        each.name
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for each in family.samples
    }
