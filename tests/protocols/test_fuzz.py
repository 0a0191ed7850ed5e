"""No body and no header is more than refused, in any protocol."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.app import create_app
from service.settings import Settings
from tests.protocols.stand_ins import ROW, publish_all, triples

TRIPLES = triples(2)
MATRIX = np.array(TRIPLES).tobytes()
TENSOR: dict[str, Any] = {"name": "features", "shape": [2, 3], "datatype": "FP64", "data": TRIPLES}
RAW = {key: value for key, value in TENSOR.items() if key != "data"}
RAW |= {"parameters": {"binary_data_size": len(MATRIX)}}
HEAD = json.dumps({"inputs": [RAW], "parameters": {"binary_data_output": True}}).encode()
WORDS = {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Oslo"]}
FRAME = {"columns": ["x2", "x1", "x0"], "data": TRIPLES}

GOOD: list[tuple[str, bytes, dict[str, str]]] = [
    (path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    for path, body in [
        ("/v1/models/cross:predict", {"instances": TRIPLES, "signature_name": ""}),
        ("/v1/models/houses:predict", {"instances": [ROW]}),
        ("/v1/models/houses:predict", {"inputs": {"rooms": [3], "city": ["Oslo"]}}),
        ("/v1/models/cross/versions/1:regress", {"examples": [{"features": TRIPLES[0]}]}),
        ("/v1/models/clicks:classify", {"examples": [{"age": [0.5]}], "context": {"page": "7"}}),
        ("/v2/models/cross/infer", {"inputs": [TENSOR], "id": "x", "outputs": None}),
        ("/v2/models/houses/infer", {"inputs": [WORDS]}),
        ("/invocations", {"dataframe_split": FRAME}),
        ("/invocations", {"inputs": {"x0": [1], "x1": [2], "x2": [3]}, "params": {}}),
        ("/score", {"input_data": FRAME}),
    ]
]
GOOD.append(
    ("/v2/models/dense/infer", HEAD + MATRIX, {"Inference-Header-Content-Length": str(len(HEAD))})
)
GOOD.append(("/invocations", b"x0,x1,x2\n1,2,3\n", {"Content-Type": "text/csv"}))

Post = Callable[[str, bytes, dict[str, str]], httpx.Response]


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("fuzz")
    publish_all(folder)
    app = create_app(Settings(artifacts_dir=folder))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    with asyncio.Runner() as runner:
        yield lambda path, body, headers: runner.run(
            client.post(path, content=body, headers=headers)
        )


@pytest.mark.parametrize(("path", "body", "headers"), GOOD, ids=[good[0] for good in GOOD])
def test_what_is_changed_below_is_answered(
    post: Post, path: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = post(path, body, headers)
    assert answer.status_code == 200, answer.text


PIECES = st.sampled_from(
    [
        *(b"null", b"[]", b"{}", b"-1", b"1e999", b"9" * 400, b'""', b"true", b"NaN", b"[[[["),
        *(
            b'"features"',
            b'"BYTES"',
            b'"FP16"',
            b'"UINT64"',
            b'"data"',
            b'"\\ud800"',
            b"\xff",
            b",",
        ),
        *(b"\0", b"0.5", b'"x0"', b'"target"', b"2147483648", b"\xef\xbb\xbf"),
    ]
) | st.binary(max_size=8)


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, bytes, dict[str, str]]:
    path, body, headers = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(start + 12, len(body))))
        body = body[:start] + draw(PIECES) + body[end:]
    return path, body, headers


@given(changed())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_body_that_is_changed_is_no_more_than_refused(
    post: Post, question: tuple[str, bytes, dict[str, str]]
) -> None:
    path, body, headers = question
    answer = post(path, body, headers)
    assert answer.status_code in (200, 400, 404, 413), answer.text
    if "inference-header-content-length" not in answer.headers:
        answer.json()
    if answer.status_code != 200:
        assert len(answer.content) < 4000


@given(st.sampled_from(GOOD), st.text(max_size=20), st.sampled_from(["?", "", "/", "%0A", ":"]))
@settings(deadline=None, max_examples=100)
def test_a_path_or_a_header_that_is_changed_is_no_more_than_refused(
    post: Post, good: tuple[str, bytes, dict[str, str]], text: str, sign: str
) -> None:
    path, body, headers = good
    for name in headers:
        answer = post(path, body, {name: text.encode("latin-1", "ignore").hex()})
        assert answer.status_code in (200, 400, 415), answer.text
    answer = post(path + sign + text.encode().hex(), body, headers)
    assert answer.status_code in (200, 400, 404, 405), answer.text
