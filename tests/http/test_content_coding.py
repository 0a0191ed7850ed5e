"""Bodies that come compressed, to the decoder itself and to a running service."""

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.types import Message, Receive

from service.api.app import create_app
from service.errors import BadRequest, TooLarge, UnsupportedMediaType
from service.http.content_coding import MAX_MEMBERS, PIECE_BYTES, READ_BYTES, decoded
from service.settings import Settings
from tests.conftest import Service

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio

MOST = 2**20


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("X-GZip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstd.compress),
    ("identity", bytes),
    ("gzip ,identity,", gzip.compress),
]
CONTENT = bytes(range(256)) * 1000


def receiving(*parts: bytes) -> Receive:
    """Receives a body in these parts; then the client goes away."""
    messages: Iterator[Message] = iter(
        [
            *({"type": "http.request", "body": part, "more_body": True} for part in parts[:-1]),
            {"type": "http.request", "body": parts[-1], "more_body": False},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Message:
        return next(messages)

    return receive


async def pieces(coding: str, *parts: bytes, most: int = MOST) -> list[bytes]:
    receive = decoded(coding.encode(), receiving(*parts), most)
    bodies = []
    more = True
    while more:
        message = await receive()
        bodies.append(message["body"])
        more = message["more_body"]
    assert (await receive())["type"] == "http.disconnect"
    return bodies


@pytest.mark.parametrize(("coding", "encode"), ENCODERS)
@pytest.mark.parametrize("size", [1, READ_BYTES, 10**9])
async def test_a_body_is_decoded_however_it_is_cut(
    coding: str, encode: Callable[[bytes], bytes], size: int
) -> None:
    encoded = encode(CONTENT)
    parts = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    assert b"".join(await pieces(coding, *parts)) == CONTENT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "identity"])
async def test_an_empty_body_needs_no_coding(coding: str) -> None:
    assert b"".join(await pieces(coding, b"", b"")) == b""


@pytest.mark.parametrize(("coding", "encode"), [ENCODERS[0], ENCODERS[4]])
async def test_members_follow_each_other(coding: str, encode: Callable[[bytes], bytes]) -> None:
    encoded = b"".join(map(encode, (CONTENT, b"", b"x" * PIECE_BYTES, CONTENT)))
    assert b"".join(await pieces(coding, encoded)) == CONTENT + b"x" * PIECE_BYTES + CONTENT


async def test_no_piece_is_large_and_no_more_are_made_than_are_allowed() -> None:
    bomb = zstd.compress(bytes(MOST))
    made = await pieces("zstd", bomb)
    assert max(map(len, made)) <= PIECE_BYTES
    with pytest.raises(TooLarge):
        await pieces("zstd", bomb, most=MOST - 1)


@pytest.mark.parametrize(("coding", "encode"), [ENCODERS[0], ENCODERS[4]])
async def test_members_that_hold_nothing_are_counted(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    assert b"".join(await pieces(coding, encode(b"") * MAX_MEMBERS)) == b""
    with pytest.raises(TooLarge, match="members"):
        await pieces(coding, encode(b"") * (MAX_MEMBERS + 1))


async def test_what_is_sent_is_counted_as_well() -> None:
    nothing = b"\x50\x2a\x4d\x18" + MOST.to_bytes(4, "little") + bytes(MOST)  # a frame to skip
    with pytest.raises(TooLarge):
        await pieces("zstd", nothing)


BROKEN = [
    ("gzip", CONTENT),
    ("gzip", gzip.compress(CONTENT)[:-1]),
    ("gzip", gzip.compress(CONTENT) + b"\0"),
    ("gzip", gzip.compress(CONTENT)[:-8] + bytes(8)),
    ("gzip", zlib.compress(CONTENT)),
    ("deflate", CONTENT),
    ("deflate", zlib.compress(CONTENT)[:-1]),
    ("deflate", zlib.compress(CONTENT) + b"\0"),
    ("deflate", zlib.compress(CONTENT) * 2),
    ("deflate", raw_deflate(CONTENT)[:-1]),
    ("zstd", CONTENT),
    ("zstd", zstd.compress(CONTENT)[:-1]),
    ("zstd", zstd.compress(CONTENT) + b"\0" * 4),
    ("zstd", zstd.compress(bytes(20_000_000), 22)),  # its window is too large
]


@pytest.mark.parametrize(("coding", "body"), BROKEN, ids=range(len(BROKEN)))
async def test_a_broken_body_is_refused(coding: str, body: bytes) -> None:
    with pytest.raises(BadRequest):
        await pieces(coding, body)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "gzip, br", "\xff", "gzip;q=1", "x" * 5000])
async def test_another_coding_is_refused_with_those_that_are_known(coding: str) -> None:
    with pytest.raises(UnsupportedMediaType) as refusal:
        decoded(coding.encode("latin-1"), receiving(b""), MOST)
    assert refusal.value.headers == {"Accept-Encoding": "gzip, deflate, zstd"}
    assert len(refusal.value.detail) < 200


JSON = {"Content-Type": "application/json"}
TRIPLE = b'{"instances": [[0.5, 0.5, 0.5]], "model": "cross", "version": 1}'
ENDPOINTS = [
    ("POST", "/predict", b'{"instances": [], "model": "linear"}', 422),
    ("POST", "/train", b'{"epochs": 0}', 422),
    ("PUT", "/models/triples/cross/serving", b'{"version": 0}', 422),
]


@pytest.mark.parametrize(("method", "path", "content", "status"), ENDPOINTS)
def test_every_endpoint_decodes_and_refuses_alike(
    service: Service, method: str, path: str, content: bytes, status: int
) -> None:
    def ask(coding: str, body: bytes) -> Any:
        headers = JSON | {"Content-Encoding": coding}
        return service.client.request(method, path, content=body, headers=headers)

    for coding, encode in ENCODERS:
        assert ask(coding, encode(content)).status_code == status
    refused = ask("br", content)
    assert refused.status_code == 415
    assert refused.headers["accept-encoding"] == "gzip, deflate, zstd"
    assert ask("gzip", content).status_code == 400
    assert ask("gzip", gzip.compress(bytes(20_000_000))).status_code == 413


def test_an_empty_body_with_a_coding_is_the_default_experiment(service: Service) -> None:
    response = service.client.post("/train", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 202
    service.client.post(f"/jobs/{response.json()['id']}/cancel")


def test_predictions_are_the_same_for_a_compressed_body(service: Service, trained: Any) -> None:
    named = {"model": "cross", "version": 1}
    expected = service.predict([0.5, 0.5, 0.5], **named)["predictions"]
    rows = json.dumps({"instances": [[0.5, 0.5, 0.5]] * 20_000, **named}).encode()
    for coding, encode in ENCODERS:
        for body, count in ((TRIPLE, 1), (rows, 20_000)):
            headers = JSON | {"Content-Encoding": coding}
            response = service.client.post("/predict", content=encode(body), headers=headers)
            assert response.json()["predictions"] == pytest.approx(expected * count)


def test_a_body_that_would_fill_the_memory_does_not(service: Service) -> None:
    process = psutil.Process(service.find("api").pid)
    bomb = gzip.compress(bytes(400_000_000), 1)
    headers = JSON | {"Content-Encoding": "gzip"}
    service.client.post("/predict", content=bomb, headers=headers)
    before = process.memory_info().rss
    for _ in range(3):
        assert service.client.post("/predict", content=bomb, headers=headers).status_code == 413
    assert process.memory_info().rss - before < 50_000_000


async def test_a_decoded_body_needs_a_place_if_it_is_large(tmp_path: Path) -> None:
    app = create_app(Settings(artifacts_dir=tmp_path, max_large_requests=1))
    encoded = gzip.compress(TRIPLE + b" " * 200_000)
    headers = JSON | {"Content-Encoding": "gzip"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        with app.predictor._place():
            response = await client.post("/predict", content=encoded, headers=headers)
    assert response.status_code == 503
