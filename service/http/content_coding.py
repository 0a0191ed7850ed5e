"""`Content-Encoding`: bodies that come compressed.

They are decoded piece by piece as they arrive. No more is made of them than may be sent plain, and
no other request waits for longer than a piece takes.
"""

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

from starlette.types import Message, Receive

from service.errors import BadRequest, TooLarge, UnsupportedMediaType, excerpt

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 64 * 1024
"""Of what is decoded at once."""

READ_BYTES = 4096
"""Of what is read at once. The rest behind the end of a member is copied, however small it was."""

MAX_MEMBERS = 1000
"""Of gzip, or frames of zstd, in one body. Each costs time, and may be empty."""

ZSTD_WINDOW_LOG = 23
"""8 MiB, which is all that RFC 9659 lets a client ask for: a small frame could ask for more."""


class _Decompressor(Protocol):
    """What zlib's and zstd's objects have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip(start: bytes) -> _Decompressor:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _deflate(start: bytes) -> _Decompressor:
    # RFC 9110 means zlib's format, and some send what is inside of it. No encoder begins that so.
    is_zlib = start[0] & 0x0F == zlib.DEFLATED
    return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _zstd(start: bytes) -> _Decompressor:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
    return zstd.ZstdDecompressor(options=options)


# Each is given how a member begins.
CODINGS: dict[str, Callable[[bytes], _Decompressor]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}

ALIASES = {"x-gzip": "gzip"}


def decoded(content_encoding: bytes, receive: Receive, most: int) -> Receive:
    """What to receive instead, so that the body comes plain.

    An ASGI message holds at most `PIECE_BYTES` of it. What `receive` finds wrong with a body, it
    raises: BadRequest or, beyond `most` bytes before or after decoding, TooLarge.

    Raises:
        UnsupportedMediaType: The coding is unknown, or there are several.
    """
    named = [name.strip().lower() for name in content_encoding.decode("latin-1").split(",")]
    codings = [ALIASES.get(name, name) for name in named if name not in ("", "identity")]
    if not codings:
        return receive
    if len(codings) > 1 or codings[0] not in CODINGS:
        raise UnsupportedMediaType(
            f"the content encoding must be one of {', '.join(CODINGS)}, or none; "
            f"received {excerpt(', '.join(codings[:3]))}",
            {"Accept-Encoding": ", ".join(CODINGS)},
        )
    messages = _plain(_Decoder(codings[0]), receive, most)

    async def receive_decoded() -> Message:
        return await anext(messages)

    return receive_decoded


async def _plain(decoder: "_Decoder", receive: Receive, most: int) -> AsyncIterator[Message]:
    """The messages of a body, decoded, and whatever is received after it."""
    came = made = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            yield message
            continue
        more = message.get("more_body", False)
        came += len(message["body"])
        for piece in decoder.pieces(message["body"]):
            made += len(piece)
            if max(came, made) > most:
                raise TooLarge(f"the body is larger than {most} bytes")
            if piece:
                yield {"type": "http.request", "body": piece, "more_body": True}
            await asyncio.sleep(0)
    decoder.end()
    yield {"type": "http.request", "body": b"", "more_body": False}
    while True:
        yield await receive()


class _Decoder:
    """Decodes one body: the members of gzip, or frames of zstd, one behind the other."""

    def __init__(self, coding: str) -> None:
        self.coding = coding
        self.members = 0
        self.member: _Decompressor | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the next part of the body holds. Some pieces are empty: there is work behind them.

        Raises:
            BadRequest: It is broken.
            TooLarge: It has too many members.
        """
        for start in range(0, len(data), READ_BYTES):
            rest = data[start : start + READ_BYTES]
            while rest:
                if self.member is None or self.member.eof:
                    self.member = self._next_member(rest)
                yield from self._pieces_of(self.member, rest)
                rest = self.member.unused_data

    def _pieces_of(self, member: _Decompressor, rest: bytes) -> Iterator[bytes]:
        while True:
            try:
                piece = member.decompress(rest, PIECE_BYTES)
            except (zlib.error, zstd.ZstdError) as error:
                raise BadRequest(f"the body cannot be decoded: {error}") from None
            yield piece
            if member.eof or len(piece) < PIECE_BYTES:
                return
            rest = getattr(member, "unconsumed_tail", b"")  # zstd keeps it itself

    def end(self) -> None:
        """Raises BadRequest if a member has not ended. There may be none: an empty body."""
        if self.member is not None and not self.member.eof:
            raise BadRequest(f"the body ends before its {self.coding} does")

    def _next_member(self, start: bytes) -> _Decompressor:
        if self.coding == "deflate" and self.member is not None:
            raise BadRequest("the body goes on after its deflate ends")
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise TooLarge(f"the body has more than {MAX_MEMBERS} members of {self.coding}")
        return CODINGS[self.coding](start)
