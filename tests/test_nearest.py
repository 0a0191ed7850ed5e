"""Which name may be meant."""

import pytest

from service.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("romms", ["city", "rooms"], "rooms"),
        ("PRICE", ["prices", "price"], "price"),
        ("PRICE", ["PRICES", "price"], "price"),
        ("lunch", ["city", "rooms"], None),
        ("rooms", [], None),
    ],
)
def test_the_nearest_is_the_one_in_another_case_or_the_most_alike(
    given: str, known: list[str], meant: str | None
) -> None:
    assert nearest(given, known) == meant


def test_the_question_has_the_prefix_of_all_known_names() -> None:
    assert (
        did_you_mean("PROT", ["PORT", "HOST"], "CROSSCHECK_") == ": did you mean CROSSCHECK_PORT?"
    )
    assert did_you_mean("LUNCH", ["PORT", "HOST"], "CROSSCHECK_") == ""
