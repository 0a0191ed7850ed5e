import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer import Exit

from service.demo.own_table import steps
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
    run(str(service.client.base_url), Settings(), steps(path, target))


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


def test_a_refused_upload_ends_with_what_the_service_says(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(houses(abs))
    with pytest.raises(Exit) as ended:
        demonstrated(path, "prize", service)
    assert ended.value.exit_code == 1
    assert "prize" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["none.csv", ""])
def test_a_file_that_cannot_be_read_starts_nothing(name: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [CROSSCHECK, "demo", "--table", str(tmp_path / name), "--target", "price"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )
    assert ended.returncode == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [["--table", "houses.csv"], ["--target", "price"]])
def test_a_table_and_its_target_belong_together(options: list[str], tmp_path: Path) -> None:
    ended = subprocess.run(
        [CROSSCHECK, "demo", *options], cwd=tmp_path, check=False, capture_output=True
    )
    assert ended.returncode == 2
    assert not list(tmp_path.iterdir())  # nothing was started
