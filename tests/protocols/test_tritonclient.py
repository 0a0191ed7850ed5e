"""NVIDIA's own client of the Open Inference Protocol, `tritonclient[http]`, against a service."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient import http
from tritonclient.utils import InferenceServerException

from tests.conftest import Service, running
from tests.protocols.stand_ins import ROW, publish_all, triples

ROWS = np.array(triples(5))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("triton")
    publish_all(folder / "artifacts")
    with running(folder, "--no-worker") as service:
        yield service


@pytest.fixture(scope="module")
def client(served: Service) -> Iterator[http.InferenceServerClient]:
    with http.InferenceServerClient(f"{served.client.base_url.netloc.decode()}") as made:
        yield made


def tensor(name: str, values: NDArray[Any], datatype: str, binary: bool) -> http.InferInput:
    made = http.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def features(rows: NDArray[Any], binary: bool = True) -> list[http.InferInput]:
    return [tensor("features", rows, {8: "FP64", 4: "FP32"}[rows.itemsize], binary)]


def houses(binary: bool) -> list[http.InferInput]:
    return [
        tensor("rooms", np.array([3.0, np.nan] if binary else [3.0, 4.0]), "FP64", binary),
        tensor("new", np.array([True, False]), "BOOL", binary),
        tensor("city", np.array(["Oslo", "Bergen"], dtype=object), "BYTES", binary),
        tensor("zip", np.array([7, 4021]), "INT64", binary),
    ]


def told(served: Service, **question: Any) -> Any:
    return served.client.post("/predict", json=question).json()["predictions"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_it_is_told_what_predict_says(
    served: Service, client: http.InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    outputs = [http.InferRequestedOutput("predictions", binary_data=binary_out)]
    result = client.infer("cross", features(ROWS, binary_in), outputs=outputs, request_id="mine")
    assert result.get_response()["id"] == "mine"
    assert result.as_numpy("predictions").shape == (5, 1)
    expected = told(served, instances=ROWS.tolist(), model="cross")
    assert result.as_numpy("predictions")[:, 0].tolist() == expected


@pytest.mark.parametrize("binary", [True, False])
def test_text_columns_are_bytes(
    served: Service, client: http.InferenceServerClient, binary: bool
) -> None:
    result = client.infer("houses", houses(binary))
    rooms = None if binary else 4.0
    rows = [ROW, {"rooms": rooms, "new": False, "city": "Bergen", "zip": 4021}]
    expected = told(served, instances=rows, dataset="houses")
    assert [float(str(one)) for one in result.as_numpy("predictions")[:, 0]] == expected


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_it_may_compress_both_ways(
    served: Service, client: http.InferenceServerClient, encoding: str
) -> None:
    result = client.infer(
        "cross",
        features(ROWS),
        request_compression_algorithm=encoding,
        response_compression_algorithm=encoding,
    )
    expected = told(served, instances=ROWS.tolist(), model="cross")
    assert result.as_numpy("predictions")[:, 0].tolist() == expected


def test_it_finds_the_server_its_models_and_their_inputs(
    client: http.InferenceServerClient,
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("houses")
    assert not client.is_model_ready("castles")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata("houses")
    assert {each["name"]: each["datatype"] for each in about["inputs"]}["city"] == "BYTES"
    assert "houses" in {each["name"] for each in client.get_model_repository_index()}


def test_an_older_version_is_asked_by_its_number(client: http.InferenceServerClient) -> None:
    assert (
        client.infer("cross", features(ROWS), model_version="1").get_response()["model_version"]
        == "1"
    )


@pytest.mark.parametrize(
    ("model", "version", "inputs", "status", "reason"),
    [
        ("castles", "", features(ROWS), "404", "castles"),
        ("cross", "99", features(ROWS), "404", "99"),
        ("cross", "", features(ROWS[:, :2]), "400", "shape"),
        (
            "cross",
            "",
            [tensor("features", np.array([["a"] * 3], object), "BYTES", True)],
            "400",
            "BYTES",
        ),
        ("houses", "", features(ROWS), "400", "features"),
    ],
)
def test_a_wrong_question_is_refused_in_words(
    client: http.InferenceServerClient,
    model: str,
    version: str,
    inputs: list[http.InferInput],
    status: str,
    reason: str,
) -> None:
    with pytest.raises(InferenceServerException) as refused:
        client.infer(model, inputs, model_version=version)
    assert refused.value.status() == status
    assert reason in refused.value.message()
