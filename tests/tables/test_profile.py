from pathlib import Path

import pytest

from service.errors import Invalid
from tests.tables.tables import BOUNDS, csv, table_of


def test_a_profile_of_numbers(tmp_path: Path) -> None:
    body = csv(y=range(6), a=[1, 2, "", 2.5, 2, 9])
    profile = table_of(tmp_path, body).profile("a")
    assert (profile.role, profile.kind, profile.type) == ("feature", "numeric", "number")
    assert (profile.missing, profile.distinct) == (1, 4)
    assert (profile.least, profile.greatest, profile.mean) == (1, 9, 3.3)
    assert profile.most_frequent[:2] == [(2, 2), (1, 1)]


def test_a_profile_of_texts(tmp_path: Path) -> None:
    profile = table_of(tmp_path, csv(y=range(4), a=["v", "u", "v", "é" * 100])).profile("a")
    assert (profile.kind, profile.distinct, profile.least, profile.mean) == (
        *("categorical", 3),
        *(None, None),
    )
    assert profile.most_frequent[0] == ("v", 2)
    assert len(str(profile.most_frequent[2][0])) == 60


def test_a_profile_of_booleans(tmp_path: Path) -> None:
    profile = table_of(tmp_path, csv(y=range(4), a=["true", "true", "false", ""])).profile("a")
    assert profile.most_frequent == [(True, 2), (False, 1)]
    assert profile.least is None
    assert profile.mean == pytest.approx(2 / 3)


def test_a_profile_of_times(tmp_path: Path) -> None:
    body = csv(y=[1, 2], a=[1, 2], at=["2024-01-02", "2023-05-06"])
    profile = table_of(tmp_path, body, exclude=["at"]).profile("at")
    assert (profile.role, profile.kind, profile.type) == ("other", None, "time")
    assert (profile.least, profile.greatest) == ("2023-05-06T00:00:00", "2024-01-02T00:00:00")


def test_values_are_counted_over_all_of_a_large_table(tmp_path: Path) -> None:
    number = 300_000
    words = [f"w{row % 1000}" for row in range(number)]
    floats = [row / 7 for row in range(number)]
    table = table_of(tmp_path, csv(y=range(number), a=words, b=floats))
    assert table.profile("a").distinct == 1000
    assert table.profile("a").most_frequent[0] == ("w0", 300)
    assert table.profile("b").distinct is None
    assert table.profile("b").most_frequent == []
    assert table.profile("y").mean == (number - 1) / 2


def test_a_category_may_have_so_many_values_and_no_more(tmp_path: Path) -> None:
    body = csv(y=range(50), a=[f"w{row}" for row in range(50)])
    bounds = BOUNDS.model_copy(update={"max_distinct": 50})
    assert table_of(tmp_path, body, bounds=bounds).profile("a").distinct == 50
    with pytest.raises(Invalid, match=r'"a" is a category of more than 49 .* exclude=a'):
        table_of(tmp_path, body, bounds=bounds.model_copy(update={"max_distinct": 49}))


@pytest.mark.parametrize(
    ("values", "is_one"),
    [
        ([f"w{row}" for row in range(40)], True),
        (list(range(100, 140)), True),
        ([row * 13 % 40 for row in range(40)], True),
        ([row / 7 for row in range(40)], False),
        ([row // 2 for row in range(40)], False),
        ([f"w{row // 2}" for row in range(40)], False),
    ],
)
def test_an_identifier_is_pointed_out(values: list[object], is_one: bool, tmp_path: Path) -> None:
    targets = [row * row % 41 for row in range(40)]
    notes = table_of(tmp_path, csv(y=targets, a=values)).profile("a").notes
    assert ("looks like an identifier" in notes) == is_one


@pytest.mark.parametrize(
    ("values", "is_it"),
    [
        ([3 - 2 * (row % 7) for row in range(40)], True),
        ([row % 7 + 1e-3 * (row % 2) for row in range(40)], False),
        ([row % 5 for row in range(40)], False),
    ],
)
def test_the_target_itself_is_pointed_out(values: list[float], is_it: bool, tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(y=[row % 7 for row in range(40)], a=values))
    assert ("looks like the target itself" in table.profile("a").notes) == is_it


def test_two_words_can_be_the_target_itself(tmp_path: Path) -> None:
    words = [("left", "right")[row % 3 == 0] for row in range(40)]
    table = table_of(tmp_path, csv(y=[int(row % 3 == 0) for row in range(40)], a=words))
    assert "looks like the target itself" in table.profile("a").notes


def test_numbers_at_the_end_of_float64_have_a_profile(tmp_path: Path) -> None:
    body = csv(y=[1, 2, 3], a=["1.7e308", "1.6e308", "-1.7e308"])
    assert table_of(tmp_path, body).profile("a").greatest == 1.7e308
