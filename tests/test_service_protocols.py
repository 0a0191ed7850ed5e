"""Clients of other protocols, against a running service: all are told the same, bit for bit."""

import gzip
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pyarrow
import pyarrow.csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Service, running
from tests.protocols.stand_ins import ROW, publish_all

Rows = list[dict[str, Any]]

Client = Callable[[httpx.Client, str, Rows], list[float]]
"""Asks a model, by its name, about rows of any columns, and says what it predicts."""


PREDICT_ROUTE = "/v1/endpoints/1/deployedModels/2:predict"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("protocols")
    publish_all(folder / "artifacts")
    with running(folder, "--no-worker", predict_route=PREDICT_ROUTE) as service:
        yield service


def answer_of(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def columns_of(rows: Rows) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def in_one_order(rows: Rows) -> Rows:
    return [{name: row[name] for name in rows[0]} for row in rows]


def column(values: list[Any]) -> pyarrow.Array:
    """Texts, where there are some; empty ones are as good as none."""
    if any(isinstance(value, str) for value in values):
        return pyarrow.array([None if value is None else str(value) for value in values])
    if all(isinstance(value, bool | None) for value in values):
        return pyarrow.array(values, pyarrow.bool_())
    return pyarrow.array([None if value is None else float(value) for value in values])


def flat(nested: Sequence[Sequence[float]]) -> list[float]:
    return [only for (only,) in nested]


def ask_predict(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    answer = client.post("/predict", json={"instances": rows, **choice_of(model)})
    predictions: list[float] = answer_of(answer)["predictions"]
    return predictions


def ask_tensorflow_serving_by_row(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    answer = client.post(f"/v1/models/{model}:predict", json={"instances": rows})
    return flat(answer_of(answer)["predictions"])


def ask_tensorflow_serving_by_column(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    answer = client.post(f"/v1/models/{model}:predict", json={"inputs": columns_of(rows)})
    return flat(answer_of(answer)["outputs"])


def ask_tensorflow_serving_to_regress(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    answer = client.post(f"/v1/models/{model}:regress", json={"examples": rows})
    results: list[float] = answer_of(answer)["results"]
    return results


def tensors_of(model: str, rows: Rows) -> list[dict[str, Any]]:
    columns = columns_of(rows)
    if model != "houses":
        values = [row[name] for row in rows for name in ("x0", "x1", "x2")]
        shape = [len(rows), 3]
        return [{"name": "features", "shape": shape, "datatype": "FP64", "data": values}]
    datatypes = {"rooms": "FP64", "new": "FP64", "city": "BYTES", "zip": "BYTES"}
    columns["new"] = [None if value is None else float(value) for value in columns["new"]]
    for name in ("city", "zip"):
        columns[name] = ["" if value is None else str(value) for value in columns[name]]
    return [
        {"name": name, "shape": [len(rows)], "datatype": datatypes[name], "data": values}
        for name, values in columns.items()
    ]


def ask_open_inference_in_json(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    answer = client.post(f"/v2/models/{model}/infer", json={"inputs": tensors_of(model, rows)})
    (output,) = answer_of(answer)["outputs"]
    assert output["shape"] == [len(rows), 1]
    data: list[float] = output["data"]
    return data


def raw_bytes(tensor: dict[str, Any]) -> bytes:
    data = tensor["data"]
    if tensor["datatype"] == "BYTES":
        texts = [text.encode() for text in data]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(data, "<f8").tobytes()  # None becomes NaN


def ask_open_inference_in_binary(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    inputs, raw = [], b""
    for tensor in tensors_of(model, rows):
        data = raw_bytes(tensor)
        raw += data
        del tensor["data"]
        inputs.append(tensor | {"parameters": {"binary_data_size": len(data)}})
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = client.post(f"/v2/models/{model}/infer", content=head + raw, headers=headers)
    assert answer.status_code == 200, answer.text
    size = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.content[:size])["outputs"]
    found = np.frombuffer(answer.content[size:], f"<f{int(output['datatype'][2:]) // 8}")
    # The shortest text of a float32 is that of the same number in JSON.
    return [float(str(number)) for number in found]


def choice_of(model: str) -> dict[str, str]:
    return {"model": model} if model in ("cross", "dense") else {"dataset": model}


def ask_mlflow_about_a_data_frame(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    data = [[*row.values()] for row in in_one_order(rows)]
    split = {"columns": [*rows[0]], "data": data}
    body = {"dataframe_split": split, "params": choice_of(model)}
    predictions: list[float] = answer_of(client.post("/invocations", json=body))["predictions"]
    return predictions


def ask_mlflow_about_records(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    body = {"dataframe_records": rows, "params": choice_of(model)}
    predictions: list[float] = answer_of(client.post("/invocations", json=body))["predictions"]
    return predictions


def ask_mlflow_in_csv(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    table = pyarrow.table({name: column(values) for name, values in columns_of(rows).items()})
    sink = pyarrow.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink)
    content, headers = sink.getvalue().to_pybytes(), {"Content-Type": "text/csv"}
    answer = client.post("/invocations", content=content, headers=headers, params=choice_of(model))
    predictions: list[float] = answer_of(answer)["predictions"]
    return predictions


def ask_vertex(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    body = {"instances": rows, "parameters": choice_of(model)}
    predictions: list[float] = answer_of(client.post(PREDICT_ROUTE, json=body))["predictions"]
    return predictions


def ask_azure(client: httpx.Client, model: str, rows: Rows) -> list[float]:
    data = [[*row.values()] for row in in_one_order(rows)]
    frame = {"columns": [*rows[0]], "index": [*range(len(rows))], "data": data}
    body = {"input_data": frame, "params": choice_of(model)}
    predictions: list[float] = answer_of(client.post("/score", json=body))
    return predictions


CLIENTS: list[Client] = [
    ask_tensorflow_serving_by_row,
    ask_tensorflow_serving_by_column,
    ask_tensorflow_serving_to_regress,
    ask_open_inference_in_json,
    ask_open_inference_in_binary,
    ask_mlflow_about_a_data_frame,
    ask_mlflow_about_records,
    ask_mlflow_in_csv,
    ask_vertex,
    ask_azure,
]

NUMBERS = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
WORDS = st.sampled_from(["Oslo", "Bergen", "7", "4021", "ü\n\u2028", "", 'x"\\[,{'])
TRIPLES = st.fixed_dictionaries(dict.fromkeys(("x0", "x1", "x2"), NUMBERS))
HOUSES = st.fixed_dictionaries(
    {
        "rooms": NUMBERS | st.none(),
        "new": st.booleans() | st.none(),
        "city": WORDS | st.none(),
        "zip": st.integers(0, 9999) | WORDS | st.none(),
    }
)
QUESTIONS = st.one_of(
    st.tuples(st.sampled_from(["cross", "dense", "triples"]), st.lists(TRIPLES, min_size=1)),
    st.tuples(st.just("houses"), st.lists(HOUSES, min_size=1)),
)


@given(QUESTIONS)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_every_client_is_told_the_same_to_the_last_bit(
    served: Service, question: tuple[str, Rows]
) -> None:
    model, rows = question
    expected = ask_predict(served.client, model, rows)
    for ask in CLIENTS:
        assert ask(served.client, model, rows) == expected, ask


@pytest.mark.parametrize(("path", "body"), [("/v1/models/houses:predict", {"instances": [ROW]})])
def test_what_is_asked_in_other_protocols_stands_in_the_access_log(
    served: Service, path: str, body: Any
) -> None:
    identity = path.replace("/", "-").replace(":", "-")
    answer = served.client.post(path, json=body, headers={"X-Request-Id": identity})
    assert answer.headers["x-request-id"] == identity
    assert answer.headers["x-model"] == "dense"
    line = f'"request_id":"{identity}","client":"127.0.0.1","key":null,"method":"POST"'
    served.until(lambda: line in served.log.read_text())


def test_bodies_may_be_compressed(served: Service) -> None:
    content = gzip.compress(b'{"instances": [[1, 2, 3]]}')
    headers = {"Content-Encoding": "gzip"}
    answer = served.client.post("/v1/models/cross:predict", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
