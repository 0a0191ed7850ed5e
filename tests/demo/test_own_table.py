import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from service.demo.own_table import dataset_name, steps
from service.demo.service import run
from service.settings import Settings
from tests.conftest import CROSSCHECK, Service

CITIES = ("Oslo", "[b]Bergen")


def houses(answer: Callable[[int], object]) -> str:
    """300 houses in two cities as CSV, and an answer to each area."""
    areas = [40 + number % 97 for number in range(300)]
    lines = [f"{area},{CITIES[area % 2]},{answer(area)}" for area in areas]
    return "\n".join(["area,city,answer", *lines])


def demonstrated(path: Path, target: str, service: Service) -> None:
    run(str(service.client.base_url), None, Settings(), steps(path, target))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "score", "prediction", "first"),
    [
        (lambda area: 2 * area + 7, "test RMSE", "answer by", ["87", "89", "91"]),
        (lambda area: "abc"[area % 2 :], "test AUC", "probability of bc by", ["abc", "bc", "abc"]),
    ],
)
def test_a_table_goes_from_its_file_to_predictions(
    answer: Callable[[int], object],
    score: str,
    prediction: str,
    first: list[str],
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / f"Ola's {first[0]}.csv"
    path.write_text(houses(answer))
    demonstrated(path, "answer", service)
    output = capsys.readouterr().out
    assert f"ola-s-{first[0]}, revision 1: 300 rows" in output
    assert "[b]Bergen 49%" in output
    for wanted in (score, prediction, "mean", "dense", "cross"):
        assert wanted in output
    rows = [line.split() for line in output.splitlines()]
    assert [row[1] for row in rows if row[:1] in (["1"], ["2"], ["3"])] == first


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("houses.csv", "houses"),
        ("Houses 2024.csv.gz", "houses-2024"),
        ("_preise_(neu).tsv", "preise_-neu"),
        ("Häuser", "h-user"),
        ("表.csv", "table"),
        (".csv", "table"),
        ("a" * 99, "a" * 64),
    ],
)
def test_a_dataset_is_called_like_its_file(file: str, name: str) -> None:
    assert dataset_name(file) == name


@pytest.mark.parametrize(("name", "why"), [("none.csv", "No such file"), ("", "no regular file")])
def test_a_file_that_cannot_be_read_is_one_plain_line(
    name: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        steps(tmp_path / name, "price")
    assert ended.value.code == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"'{tmp_path / name}' cannot be read: ")
    assert why in line


def test_a_refused_upload_ends_with_what_the_service_says(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(houses(abs))
    with pytest.raises(SystemExit) as ended:
        demonstrated(path, "prize", service)
    assert ended.value.code == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("422: ")
    assert "prize" in last


@pytest.mark.parametrize("options", [["--table", "houses.csv"], ["--target", "price"]])
def test_a_table_and_its_target_belong_together(options: list[str], tmp_path: Path) -> None:
    ended = subprocess.run(
        [CROSSCHECK, "demo", *options], cwd=tmp_path, check=False, capture_output=True
    )
    assert ended.returncode == 2
    assert not list(tmp_path.iterdir())  # nothing was started
