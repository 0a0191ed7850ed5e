"""The bytes of an upload: decompressed, in UTF-8, and no more of them than are allowed."""

import codecs
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from service.errors import BadRequest, TooLarge
from service.tables.first_bytes import compression_of

PIECE_BYTES = 2**20
TAIL_BYTES = 64


class PlainBytes:
    """A file to read from its beginning to its end; what Arrow asks of a Python file.

    Reading raises TooLarge behind `max_bytes` plain bytes, and BadRequest if the compression is
    broken or the text is not in its encoding.
    """

    closed = False

    def __init__(self, path: Path, max_bytes: int, encoding: str | None = None) -> None:
        """`encoding`: of a text, which comes out as UTF-8 and ends with a line break."""
        with pa.OSFile(str(path)) as file:
            self.compression = compression_of(file.read(8))
        self._file = pa.input_stream(str(path), compression=self.compression)
        self._encoding = encoding
        self._most = max_bytes
        self.tail = b""
        """The last bytes that were read."""
        self._pieces = self._counted(self._plain() if encoding is None else self._text(encoding))
        self._rest = self.head = next(self._pieces, b"")

    def read(self, size: int = -1) -> bytes:
        """The next bytes: `size` of them, or all that are left."""
        some = [self._rest]
        missing = size - len(self._rest)
        while (missing > 0 or size < 0) and (piece := next(self._pieces, b"")):
            some.append(piece)
            missing -= len(piece)
        found = b"".join(some)
        end = len(found) if size < 0 else size
        self._rest = found[end:]
        return found[:end]

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        count = 0
        for piece in filter(None, pieces):
            count += len(piece)
            if count > self._most:
                raise TooLarge(f"the file holds more than {self._most} bytes")
            self.tail = (self.tail + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
            yield piece

    def _plain(self) -> Iterator[bytes]:
        try:
            while piece := self._file.read(PIECE_BYTES):
                yield piece
        except OSError as error:
            if error.errno is not None:
                raise  # it is the disk's fault
            raise BadRequest(f"the file cannot be decompressed: {error}") from None

    def _text(self, encoding: str) -> Iterator[bytes]:
        if encoding == "utf-8":
            yield from self._plain()  # whatever reads it, checks it
        else:
            decoder = codecs.getincrementaldecoder(encoding)()
            try:
                for piece in self._plain():
                    yield decoder.decode(piece).encode()
                yield decoder.decode(b"", final=True).encode()
            except UnicodeError as error:
                raise BadRequest(f"the file is not in the encoding {encoding}: {error}") from None
        if not self.tail.endswith(b"\n"):
            yield b"\n"
