import gzip
from pathlib import Path

import pytest

from service.errors import BadRequest, TooLarge
from service.tables.plain_bytes import PIECE_BYTES, TAIL_BYTES, PlainBytes

LARGE = bytes(range(256)) * (2 * PIECE_BYTES // 256) + b"the end"


def pieces(plain: PlainBytes, size: int) -> list[bytes]:
    return list(iter(lambda: plain.read(size), b""))


@pytest.mark.parametrize("size", [1000, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, -1])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_file_comes_in_pieces_of_any_size(size: int, compress: object, tmp_path: Path) -> None:
    assert callable(compress)
    (tmp_path / "file").write_bytes(compress(LARGE))
    plain = PlainBytes(tmp_path / "file", len(LARGE))
    assert plain.head == LARGE[:PIECE_BYTES]
    found = pieces(plain, size)
    assert b"".join(found) == LARGE
    assert {len(piece) for piece in found[:-1]} <= {size}
    assert plain.tail == LARGE[-TAIL_BYTES:]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_no_more_comes_than_is_allowed(compress: object, tmp_path: Path) -> None:
    assert callable(compress)
    (tmp_path / "file").write_bytes(compress(LARGE))
    plain = PlainBytes(tmp_path / "file", len(LARGE) - 1)
    with pytest.raises(TooLarge, match=str(len(LARGE) - 1)):
        pieces(plain, PIECE_BYTES)


@pytest.mark.parametrize("text", ["å\n", "å", "å" * PIECE_BYTES + "\n", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252"])
def test_a_text_comes_in_utf8_with_a_last_line_break(
    text: str, encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(text.encode(encoding))
    plain = PlainBytes(tmp_path / "file", 2**24, encoding)
    assert plain.read().decode() == text.removesuffix("\n") + "\n"


def test_a_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a" * 2 * PIECE_BYTES + b"\x81")
    plain = PlainBytes(tmp_path / "file", 2**24, "cp1252")
    with pytest.raises(BadRequest, match="not in the encoding cp1252"):
        plain.read()
