import csv
import io
import json
from pathlib import Path

from service.commands.data import _as_csv
from tests.commands.conftest import Ask, on_terminal
from tests.conftest import Service

LINES = (f"{40 + n % 97},{'Oslo' if n % 3 else '[b]'},{n % 4},{n}" for n in range(300))

HOUSES = "\n".join(["area,city,code,price", *LINES])


def test_a_table_comes_is_looked_at_and_goes(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "My Houses.csv"
    file.write_text(HOUSES)
    put = ask("data", "put", file, "--target", "price", "--categorical", "code")
    assert put.returncode == 0, put.stderr
    made = json.loads(put.stdout)
    assert made["name"] == "my-houses"
    assert {column["name"]: column["type"] for column in made["features"]}["code"] == "code"

    listed = [json.loads(line) for line in ask("data", "list").stdout.splitlines()]
    assert {"my-houses", "triples"} <= {each["name"] for each in listed}

    shown = json.loads(ask("data", "show", "my-houses", "--revision", 1).stdout)
    assert shown["revisions"][0]["revision"] == 1
    looked = ask("data", "show", "my-houses", "--rows", 2)
    rows = [json.loads(line) for line in looked.stdout.splitlines()]
    assert [row["area"] for row in rows] == [40, 41]

    assert ask("data", "rm", "my-houses").returncode == 0
    gone = ask("data", "show", "my-houses")
    assert gone.returncode == 1
    assert b"my-houses" in gone.stderr


def test_a_table_may_come_from_the_standard_input(ask: Ask) -> None:
    put = ask("data", "put", "-", "--target", "price", "--name", "piped", stdin=HOUSES.encode())
    assert put.returncode == 0, put.stderr
    assert json.loads(put.stdout)["rows"] == 300
    nameless = ask("data", "put", "-", "--target", "price", stdin=HOUSES.encode())
    assert nameless.returncode == 2


def test_a_table_that_is_refused_is_one_line(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "houses.csv"
    file.write_text(HOUSES)
    refused = ask("data", "put", file, "--target", "prize")
    assert refused.returncode == 1
    assert refused.stderr.count(b"\n") == 1
    assert b"prize" in refused.stderr


def test_a_terminal_shows_an_upload_and_tables(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "onscreen.csv"
    file.write_text(HOUSES)
    url = str(service.client.base_url)
    code, shown = on_terminal(url, "data", "put", file, "--target", "price")
    assert code == 0
    for wanted in ("upload", "kB", "onscreen, revision 1: 300 rows", "[b] 33%"):
        assert wanted in shown
    assert "onscreen" in on_terminal(url, "data", "list")[1]
    assert "[b]" in on_terminal(url, "data", "show", "onscreen", "--rows", 3)[1]
    assert "the built-in dataset" in on_terminal(url, "data", "show", "triples")[1]


def test_names_of_columns_may_hold_any_sign() -> None:
    names = ["a,b", 'c"d', "e\nf", " g ", ""]
    written = _as_csv(names)
    assert written is not None
    assert next(csv.reader(io.StringIO(written, newline=""), skipinitialspace=True)) == names
