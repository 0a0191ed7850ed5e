"""Datasets over HTTP, against a running service."""

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.conftest import Service, running
from tests.http.raw import ask, connect, read_one, request
from tests.tables import malformed

HOUSES = b"rooms,area,city,price\n3,71.5,Oslo,310\n2,50,Bergen,240\n4,,Oslo,420\n"
MORE = HOUSES + b"1,20,Narvik,99\n"


def put(
    service: Service, name: str, content: Any = HOUSES, status: int = 201, **given: Any
) -> dict[str, Any]:
    """Puts a table; returns the answer."""
    options = {"target": "price", **given}
    response = service.client.put(f"/datasets/{name}", params=options, content=content)
    assert response.status_code == status, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
    answer: dict[str, Any] = response.json()
    return answer


def names(service: Service) -> list[str]:
    return [each["name"] for each in service.get("/datasets", limit=100)["datasets"]]


def test_a_table_becomes_a_dataset(service: Service) -> None:
    response = service.client.put("/datasets/first?target=price", content=HOUSES)
    assert response.status_code == 201
    assert response.headers["location"] == "/datasets/first?revision=1"
    made = response.json()
    assert (made["name"], made["revision"], made["rows"]) == ("first", 1, 3)
    assert (made["target"], made["task"]) == ("price", "regression")
    features = {each["name"]: each["type"] for each in made["features"]}
    assert features == {"rooms": "number", "area": "number", "city": "text"}
    (area,) = [each for each in made["profile"] if each["name"] == "area"]
    assert (area["missing"], area["least"], area["greatest"]) == (1, 50, 71.5)
    assert made["upload"]["bytes"] == len(HOUSES)
    assert made["options"] == {"target": "price"}


def test_a_dataset_is_listed_described_and_looked_at(service: Service) -> None:
    made = put(service, "seen")
    assert {"seen", "triples"} <= set(names(service))
    described = service.get(response_path := "/datasets/seen")
    assert described == service.get(response_path, revision=1)
    assert made.items() <= described.items()
    rows = service.get("/datasets/seen/rows", limit=1)
    assert rows["rows"] == [{"rooms": 3, "area": 71.5, "city": "Oslo", "price": 310}]
    assert service.get("/datasets/seen/rows")["rows"][2]["area"] is None


def test_a_table_with_the_same_columns_is_the_next_revision(service: Service) -> None:
    first = put(service, "grown")
    assert put(service, "grown", status=200) == first
    second = put(service, "grown", MORE)
    assert (second["revision"], second["rows"]) == (2, 4)
    described = service.get("/datasets/grown")
    assert described["revision"] == 2
    assert [each["revision"] for each in described["revisions"]] == [2, 1]
    assert service.get("/datasets/grown", revision=1)["rows"] == 3
    assert len(service.get("/datasets/grown/rows", revision=1)["rows"]) == 3


def test_a_table_with_other_columns_is_refused(service: Service) -> None:
    put(service, "kept")
    other = HOUSES.replace(b"area", b"surface")
    assert "surface" in put(service, "kept", other, status=409)["detail"]
    assert service.get("/datasets/kept")["revision"] == 1


def test_a_table_may_come_in_any_of_four_formats(service: Service) -> None:
    table = pa.table({"rooms": [3.0, 2.0, 4.0], "price": [310.0, 240.0, 420.0]})
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    file = pa.BufferOutputStream()
    parquet.write_table(table, file)
    bodies = {
        "text/csv; charset=utf-8": b"rooms,price\n3,310\n2,240\n4,420\n",
        "application/vnd.apache.parquet": file.getvalue().to_pybytes(),
        "application/vnd.apache.arrow.stream": stream.getvalue().to_pybytes(),
        "application/x-ndjson": b"".join(
            json.dumps(row).encode() + b"\n" for row in table.to_pylist()
        ),
    }
    for number, (media_type, body) in enumerate(bodies.items()):
        for told in (media_type, "application/x-www-form-urlencoded"):
            path = f"/datasets/format{number}?target=price"
            response = service.client.put(path, content=body, headers={"Content-Type": told})
            assert response.status_code == 201, (told, response.text)
        assert service.get(f"/datasets/format{number}/rows")["rows"] == table.to_pylist()
    wrong = {"Content-Type": "application/vnd.apache.parquet"}
    path = "/datasets/format9?target=price"
    assert service.client.put(path, content=HOUSES, headers=wrong).status_code in (400, 422)


def test_a_compressed_table_is_the_same_table(service: Service) -> None:
    plain = put(service, "packed")
    path, headers = "/datasets/packed?target=price", {"Content-Encoding": "gzip"}
    packed = service.client.put(path, content=gzip.compress(HOUSES), headers=headers)
    assert (packed.status_code, packed.json()) == (200, plain)
    headers = {"Content-Encoding": "br"}
    assert service.client.put(path, content=HOUSES, headers=headers).status_code == 415


def test_a_table_may_come_in_chunks_of_unknown_number(service: Service) -> None:
    put(service, "chunks", iter([HOUSES[:10], HOUSES[10:]]))
    assert service.get("/datasets/chunks")["upload"]["bytes"] == len(HOUSES)


def test_lists_of_columns_are_repeated_or_separated_by_commas(service: Service) -> None:
    for number, exclude in enumerate((["rooms", "area"], "rooms,area", ' "rooms", area')):
        made = put(service, f"lists{number}", exclude=exclude)
        assert [each["name"] for each in made["features"]] == ["city"]
    odd = b'"a,b",c,price\n1,2,3\n2,3,4\n3,5,5\n'
    made = put(service, "lists9", odd, features='"a,b"')
    assert [each["name"] for each in made["features"]] == ["a,b"]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/datasets/triples?target=y", 409, "built-in"),
        ("/datasets/cross?target=price", 409, "network"),
        ("/datasets/deep_cross?target=price", 409, "network"),
        ("/datasets/Houses?target=price", 422, "name"),
        (f"/datasets/{'h' * 65}?target=price", 422, "name"),
        ("/datasets/-h?target=price", 422, "name"),
        ("/datasets/..%2Fh?target=price", 404, ""),
        ("/datasets/h", 422, "target"),
        ("/datasets/h?target=", 422, "target"),
        ("/datasets/h?tarket=price", 422, "did you mean target?"),
        ("/datasets/h?target=price&x=1", 422, '"x" is no parameter'),
        ("/datasets/h?target=price&task=ranking", 422, "task"),
        ("/datasets/h?target=price&delimiter=xx", 422, "delimiter"),
        ("/datasets/h?target=price&features=a&exclude=b", 422, "not both"),
        ("/datasets/h?target=prize", 422, "prize"),
        ("/datasets", 405, ""),
    ],
)
def test_what_cannot_be_put_is_refused(service: Service, path: str, status: int, told: str) -> None:
    response = service.client.put(path, content=HOUSES)
    assert response.status_code == status, response.text
    assert told in response.json()["detail"]
    assert "h" not in names(service)


def test_a_path_says_all_that_it_may_be_asked_with(service: Service) -> None:
    allowed = service.client.post("/datasets/triples").headers["allow"]
    assert allowed == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/datasets/nowhere", 404),
        ("GET", "/datasets/nowhere/rows", 404),
        ("DELETE", "/datasets/nowhere", 404),
        ("DELETE", "/datasets/triples", 409),
        ("DELETE", "/datasets/dense", 409),
        ("GET", "/datasets/triples/rows", 404),
        ("GET", "/datasets/triples?revision=1", 404),
        ("GET", "/datasets/triples?revision=0", 422),
        ("GET", "/datasets?limit=0", 422),
        ("GET", "/datasets?limit=101", 422),
        ("GET", "/datasets?cursor=A", 422),
        ("POST", "/datasets/houses", 405),
    ],
)
def test_what_does_not_exist_is_refused(
    service: Service, method: str, path: str, status: int
) -> None:
    response = service.client.request(method, path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_the_built_in_dataset_is_described(service: Service) -> None:
    triples = service.get("/datasets/triples")
    assert [each["name"] for each in triples["features"]] == ["x0", "x1", "x2"]
    assert (triples["revision"], triples["revisions"]) == (None, [])


def test_datasets_are_listed_by_name_page_by_page(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        for name in ("zebras", "ants", "triplets"):
            put(service, name)
        listed: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = service.get("/datasets", limit=2, **cursor)
            listed += [each["name"] for each in page["datasets"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert listed == ["ants", "triples", "triplets", "zebras"]


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    bounds = {
        "max_upload_bytes": "200000",
        "max_table_rows": "1000",
        "max_table_columns": "4",
        "max_revisions": "2",
        "max_uploads": "1",
    }
    with running(tmp_path_factory.mktemp("bounded"), "--no-worker", **bounds) as service:
        yield service


EXPECT = "Expect: 100-continue"


@pytest.mark.parametrize(
    ("line", "length", "status"),
    [
        ("PUT /datasets/h?target=price", 200_001, 413),
        ("PUT /datasets/h?target=price&delimter=;", 10, 422),
        ("PUT /datasets/triples?target=price", 10, 409),
        ("PUT /datasets/h", 10, 422),
    ],
)
def test_what_the_head_shows_is_refused_before_the_body_is_invited(
    bounded: Service, line: str, length: int, status: int
) -> None:
    head = request(line, EXPECT, f"Content-Length: {length}")
    assert [answer.status for answer in ask(bounded, head)] == [status]


def test_too_many_bytes_rows_or_columns_are_refused(bounded: Service) -> None:
    for content in (
        iter([b"rooms,price\n", b"3,310\n" * 50_000]),
        b"rooms,price\n" + b"3,310\n2,240\n" * 501,
        b"a,b,c,d,price\n" + b"1,2,3,4,5\n2,3,4,5,6\n" * 5,
    ):
        put(bounded, "many", content, status=413)
    assert "many" not in names(bounded)


@pytest.mark.slow
def test_a_malformed_file_is_refused_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    bounds = {
        "max_upload_bytes": malformed.BOUNDS.max_bytes,
        "max_table_rows": malformed.BOUNDS.max_rows,
        "max_table_columns": malformed.BOUNDS.max_columns,
        "max_distinct_values": malformed.BOUNDS.max_distinct,
        "upload_memory_bytes": malformed.BOUNDS.memory_bytes,
    }
    with running(tmp_path, "--no-worker", **{k: str(v) for k, v in bounds.items()}) as service:
        for kind in malformed.malformed():
            answer = service.client.put("/datasets/h", params=as_query(kind), content=kind.body)
            assert answer.status_code in (400, 409, 413, 422), (kind.kind, answer.text)
            assert answer.json()["detail"], kind.kind
        assert names(service) == ["triples"]
        assert list((service.artifacts / ".datasets" / ".staging").iterdir()) == []
        put(service, "h")


def as_query(kind: malformed.Malformed) -> dict[str, Any]:
    """Its options as a URL has them: a list may hold commas and quotes."""
    return {
        name: [f'"{each}"' for each in value] or "" if isinstance(value, list | tuple) else value
        for name, value in kind.options.items()
    }


def test_an_upload_beyond_their_number_is_told_to_come_again(bounded: Service) -> None:
    with connect(bounded) as connection:
        connection.sendall(request("PUT /datasets/h?target=price", EXPECT, "Content-Length: 9"))
        assert connection.recv(25).startswith(b"HTTP/1.1 100")
        response = bounded.client.put("/datasets/h?target=price", content=HOUSES)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        connection.sendall(b"a,price\n\n")
        assert read_one(connection).status == 400
    put(bounded, "after")


def train(service: Service, **config: Any) -> httpx.Response:
    key = {"Idempotency-Key": config.pop("key")} if "key" in config else {}
    return service.client.post("/train", json=config, headers=key)


def test_a_job_is_of_the_revision_that_was_newest(bounded: Service) -> None:
    put(bounded, "pinned")
    first = train(bounded, dataset="pinned", key="pinned").json()
    assert first["config"]["dataset"]["revision"] == 1
    put(bounded, "pinned", MORE)
    again = train(bounded, dataset="pinned", key="pinned")
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert train(bounded, dataset="pinned").json()["config"]["dataset"]["revision"] == 2
    named = {"kind": "table", "name": "pinned", "revision": 2}
    assert train(bounded, dataset=named, key="pinned").status_code == 422
    assert train(bounded, dataset={**named, "revision": 1}, key="pinned").status_code == 202


def test_a_job_about_what_there_is_not_is_refused(bounded: Service) -> None:
    put(bounded, "there")
    refused = train(bounded, dataset="their")
    assert refused.status_code == 404
    assert "did you mean there?" in refused.json()["detail"]
    named = {"kind": "table", "name": "there"}
    assert train(bounded, dataset={**named, "revision": 2}).status_code == 404
    refused = train(bounded, dataset={**named, "split_by": "area2"})
    assert refused.status_code == 422
    assert "dataset.split_by" in refused.json()["detail"]
    assert train(bounded, dataset={**named, "split_by": "area"}).status_code == 202


def test_a_dataset_that_a_job_needs_stays_and_then_goes(bounded: Service) -> None:
    put(bounded, "needed")
    job = train(bounded, dataset="needed").json()
    refused = bounded.client.delete("/datasets/needed")
    assert refused.status_code == 409
    assert "a job needs needed" in refused.json()["detail"]
    bounded.client.post(f"/jobs/{job['id']}/cancel").raise_for_status()
    gone = bounded.client.delete("/datasets/needed")
    assert (gone.status_code, gone.content) == (204, b"")
    assert bounded.client.get("/datasets/needed").status_code == 404
    assert "needed" not in names(bounded)
    assert put(bounded, "needed", HOUSES.replace(b"area", b"surface"))["revision"] == 1


def test_the_oldest_revisions_that_no_job_needs_go(bounded: Service) -> None:
    put(bounded, "many")
    job = train(bounded, dataset="many").json()

    def put_more(*rows: int) -> list[int]:
        for row in rows:
            put(bounded, "many", HOUSES + b"%d,1,Oslo,1\n" % row)
        return [each["revision"] for each in bounded.get("/datasets/many")["revisions"]]

    assert put_more(1, 2, 3) == [4, 3, 1]
    bounded.client.post(f"/jobs/{job['id']}/cancel").raise_for_status()
    assert put_more(4) == [5, 4]


def test_of_many_first_tables_at_once_one_is_the_first(service: Service) -> None:
    answers: list[httpx.Response] = []

    def send(number: int) -> None:
        content = HOUSES.replace(b"area", b"area%d" % number)
        url = f"{service.client.base_url}/datasets/raced?target=price"
        answers.append(httpx.put(url, content=content, timeout=30))

    threads = [threading.Thread(target=send, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert service.get("/datasets/raced")["revision"] == 1
