"""Tables that stay in an object store: read by row groups, and never copied whole."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import from_url

from tests.conftest import CROSSCHECK, Service, running
from tests.object_store import ObjectStore
from tests.test_service_parts import facts

ROWS, FILES, GROUP_ROWS = 3000, 3, 250

SMALL: dict[str, Any] = {
    **{"models": ["cross"], "epochs": 2, "repeats": 1, "baselines": ["linear"]},
    "promote": "always",
}


CAME = """SELECT count(*) FROM workflow_status
    WHERE name = 'help_to_train' AND started_at_epoch_ms IS NOT NULL"""
"""Helpers that were at work; the job's end may end them before they have left."""


class Linked(NamedTuple):
    """A service that may link what is below a prefix of a store, and the prefix."""

    service: Service
    url: str

    @property
    def objects(self) -> Any:
        return from_url(self.url, client_options={"allow_http": True})

    def put(self, name: str, **query: Any) -> Any:
        return self.service.client.put(f"/datasets/{name}", params={"target": "price", **query})


def houses(first: int, rows: int) -> Any:
    """Some rows, with the types that other programs write."""
    draw = np.random.default_rng(first)
    rooms = draw.integers(1, 9, rows).astype(np.int32)
    area = draw.normal(70, 20, rows).astype(np.float32)
    return pa.table(
        {
            "rooms": rooms,
            "area": pa.array(area, mask=draw.random(rows) < 0.1),
            "garden": draw.random(rows) < 0.5,
            "city": pa.array(draw.choice(["Oslo", "Rome", "Bern"], rows)).dictionary_encode(),
            "sold": pa.array(np.arange(first, first + rows, dtype=np.int32)).cast(pa.date32()),
            "price": rooms * area / 100,
        }
    )


def parquet_of(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=GROUP_ROWS)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@contextmanager
def linking(folder: Path, url: str, **settings: str) -> Iterator[Linked]:
    """With so little memory for rows that they are read anew each time."""
    with running(folder, table_urls=url, table_memory_bytes="40000", **settings) as service:
        linked = Linked(service, url)
        rows = ROWS // FILES
        for number in range(FILES):
            content = parquet_of(houses(number * rows, rows))
            obstore.put(linked.objects, f"houses/part-{number}.parquet", content)
        obstore.put(linked.objects, "houses/_SUCCESS", b"")
        yield linked


@pytest.fixture(scope="module")
def linked(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linked]:
    with linking(tmp_path_factory.mktemp("linked"), object_store.url("linked")) as linked:
        yield linked


@pytest.fixture(scope="module")
def described(linked: Linked) -> dict[str, Any]:
    made = linked.put("houses", url=f"{linked.url}/houses/*.parquet", exclude="sold")
    assert made.status_code == 201, made.text
    described: dict[str, Any] = made.json()
    return described


def test_it_is_described_as_if_it_were_uploaded(linked: Linked, described: dict[str, Any]) -> None:
    sink = pa.BufferOutputStream()
    rows = ROWS // FILES
    whole = pa.concat_tables([houses(number * rows, rows) for number in range(FILES)])
    pq.write_table(whole, sink)
    path = "/datasets/uploaded?target=price&exclude=sold"
    uploaded = linked.service.client.put(path, content=sink.getvalue().to_pybytes()).json()
    for same in ("rows", "task", "features", "others", "profile", "dropped"):
        assert described[same] == uploaded[same], same
    first, same = (
        linked.service.get(f"/datasets/{name}/rows", limit=100)["rows"]
        for name in ("houses", "uploaded")
    )
    assert first == same


def test_nothing_of_it_is_on_this_machine_but_a_few_rows(
    linked: Linked, described: dict[str, Any]
) -> None:
    folder = linked.service.artifacts / ".datasets/houses/1"
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(sizes) == {"first.parquet", "link.json", "manifest.sha256", "schema.json"}
    assert pq.read_metadata(folder / "first.parquet").num_rows == 100


def train(linked: Linked, name: str, **dataset: Any) -> dict[str, Any]:
    config = {**SMALL, "dataset": {"kind": "table", "name": name, **dataset}}
    return linked.service.wait_for(linked.service.train(**config))


def test_it_trains_and_predicts(linked: Linked, described: dict[str, Any]) -> None:
    for split in ({}, {"split_by": "sold"}):
        job = train(linked, "houses", **split)
        assert job["status"] == "succeeded", job
        rows = linked.service.get("/metrics", job_id=job["id"])["models"]
        assert rows["linear"]["test_rmse"] < 0.5 * rows["mean"]["test_rmse"]
    house = {"rooms": 3, "area": 71.5, "garden": True, "city": "Oslo"}
    assert linked.service.predict(house, dataset="houses")["predictions"]


def test_the_same_files_once_more_make_no_further_revision_and_a_further_file_makes_one(
    linked: Linked,
) -> None:
    obstore.put(linked.objects, "growing/a.parquet", parquet_of(houses(0, 100)))
    url = f"{linked.url}/growing/"
    assert linked.put("growing", url=url, exclude="sold").json()["rows"] == 100
    assert linked.put("growing", url=url, exclude="sold").status_code == 200
    obstore.put(linked.objects, "growing/2026/b.parquet", parquet_of(houses(100, 50)))
    obstore.put(linked.objects, "growing/_temporary/c.parquet", b"not yet whole")
    more = linked.put("growing", url=url, exclude="sold")
    assert (more.status_code, more.json()["revision"], more.json()["rows"]) == (201, 2, 150)


def test_a_job_says_which_file_has_changed_since(linked: Linked) -> None:
    obstore.put(linked.objects, "changing.parquet", parquet_of(houses(0, 400)))
    linked.put("changing", url=f"{linked.url}/changing.parquet", exclude="sold")
    obstore.put(linked.objects, "changing.parquet", parquet_of(houses(1, 400)))
    job = train(linked, "changing")
    assert job["status"] == "failed"
    assert f"{linked.url}/changing.parquet has changed since the revision was made" in job["error"]


def test_rows_without_a_target_are_left_out(linked: Linked) -> None:
    table = houses(0, 600)
    price = pa.array(table["price"].to_numpy(), mask=np.arange(600) % 3 == 0)
    obstore.put(linked.objects, "gaps.parquet", parquet_of(table.set_column(5, "price", price)))
    query = {"url": f"{linked.url}/gaps.parquet", "exclude": "sold"}
    assert linked.put("gaps", **query).status_code == 422
    made = linked.put("gaps", **query, missing_target="drop").json()
    assert (made["rows"], made["dropped"]) == (400, 200)
    assert train(linked, "gaps")["status"] == "succeeded"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("{}/houses/*.csv", "there is no Parquet at"),
        ("{}/nothing/", "there is no Parquet at"),
        ("{}-of-others/houses/*.parquet", "a table may stay below {}"),
        ("{}/../others/*.parquet", "it must be like s3://"),
        ("{}/*/part-0.parquet", "it must be like s3://"),
        ("{}/.. /*.parquet", "it must be like s3://"),
        ("{}/%2e%2e/others/*.parquet", "it must be like s3://"),
        ("file:///etc/passwd", "it must be like s3://"),
        ("http://127.0.0.1/table.parquet", "it must be like s3://"),
    ],
)
def test_other_places_are_refused(linked: Linked, url: str, why: str) -> None:
    refused = linked.put("refused", url=url.format(linked.url))
    assert refused.status_code == 422, refused.text
    assert why.format(linked.url) in refused.text
    assert linked.service.client.get("/datasets/refused").status_code == 404


def test_a_command_links_a_table(linked: Linked, described: dict[str, Any]) -> None:
    service, url = linked.service, f"{linked.url}/houses/*.parquet"
    command = [CROSSCHECK, "data", "put", url, "--target", "price", "--exclude", "sold"]
    command += ["--url", str(service.client.base_url)]
    named = subprocess.run([*command, "--name", "commanded"], capture_output=True, check=True)
    assert json.loads(named.stdout)["rows"] == ROWS
    nameless = subprocess.run(command, capture_output=True, check=False)
    assert nameless.returncode == 2
    assert b"--name" in nameless.stderr


def test_files_of_different_tables_are_refused(linked: Linked) -> None:
    table = houses(0, 100)
    obstore.put(linked.objects, "mixed/a.parquet", parquet_of(table))
    obstore.put(linked.objects, "mixed/b.parquet", parquet_of(table.drop_columns(["city"])))
    refused = linked.put("mixed", url=f"{linked.url}/mixed/", exclude="sold")
    assert refused.status_code == 422
    assert '"b.parquet" has other columns, or types, than "a.parquet"' in refused.json()["error"]


def test_what_a_client_calls_the_body_that_it_does_not_send_does_not_matter(
    linked: Linked,
) -> None:
    query = {"target": "price", "exclude": "sold", "url": f"{linked.url}/houses/"}
    headers = {"Content-Type": "text/csv"}
    made = linked.service.client.put("/datasets/called", params=query, headers=headers)
    assert made.status_code == 201, made.text
    assert linked.put("other", url=query["url"], format="csv").status_code == 422


def test_rows_are_ordered_as_those_of_an_upload(linked: Linked) -> None:
    """By dates that are written as texts, with a text for what is missing; the newest rows have no
    target yet."""
    days = [f"{1 + day % 28:02}.{1 + day // 28 % 12:02}.2020" for day in range(336)]
    table = houses(0, 336).set_column(4, "sold", pa.array([*days[:-9], *["?"] * 9]))
    price = pa.array(table["price"].to_numpy(), mask=np.arange(336) >= 270)
    content = parquet_of(table.set_column(5, "price", price))
    obstore.put(linked.objects, "ordered.parquet", content)
    query = {"exclude": "sold", "missing": "?", "missing_target": "drop"}
    linked.put("ordered", url=f"{linked.url}/ordered.parquet", **query)
    uploaded = linked.service.client.put(
        "/datasets/ordered-here", params={"target": "price", **query}, content=content
    )
    assert uploaded.status_code == 201, uploaded.text
    scores = []
    for name in ("ordered", "ordered-here"):
        job = train(linked, name, split_by="sold")
        assert job["status"] == "succeeded", job
        mean = linked.service.get("/metrics", job_id=job["id"])["models"]["mean"]
        scores.append([mean[f"{side}_rmse"] for side in ("train", "validation", "test")])
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)


def test_what_is_no_parquet_is_refused(linked: Linked) -> None:
    obstore.put(linked.objects, "broken.parquet", b"PAR1" + bytes(100) + b"PAR1")
    refused = linked.put("broken", url=f"{linked.url}/broken.parquet")
    assert refused.status_code == 400, refused.text


def test_a_link_comes_without_a_body(linked: Linked) -> None:
    query = {"target": "price", "url": f"{linked.url}/houses/"}
    refused = linked.service.client.put("/datasets/both", params=query, content=b"a,price\n1,2\n")
    assert refused.status_code == 422
    assert "without a body" in refused.json()["error"]


def test_where_the_operator_allows_none_no_table_stays_elsewhere(service: Service) -> None:
    query = {"target": "price", "url": "s3://bucket/houses.parquet"}
    refused = service.client.put("/datasets/elsewhere", params=query)
    assert refused.status_code == 422
    assert "upload it" in refused.json()["error"]


@pytest.mark.slow
def test_two_look_at_its_row_groups_as_one_would(
    object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Repeats, so that it lasts until a helper has found it.
    exact = {"optimizer": {"name": "levenberg_marquardt", "max_evaluations": 40}, "repeats": 5}
    job = {**SMALL, **exact, "models": ["deep_cross"], "deep_cross": {"hidden_units": [4]}}
    found, url = [], object_store.url("looked-at")
    for slots in ("1", "2"):
        with linking(tmp_path_factory.mktemp("looks"), url, slots=slots) as linked:
            linked.put("houses", url=f"{linked.url}/houses/", exclude=["sold", "city"])
            service = linked.service
            ended = service.wait_for(
                service.train(**{**job, "dataset": {"kind": "table", "name": "houses"}})
            )
            found.append(facts(service, ended, "houses"))
            with closing(sqlite3.connect(service.artifacts / "jobs.sqlite")) as database:
                ((came,),) = database.execute(CAME)
            assert (came > 0) == (slots == "2")
    assert found[0] == found[1]
