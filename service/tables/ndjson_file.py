"""Newline-delimited JSON: an object a line, whose members are the columns."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from service.errors import BadRequest, excerpt
from service.tables import names
from service.tables.column import Style
from service.tables.options import Bounds, Options
from service.tables.plain_bytes import PIECE_BYTES, PlainBytes
from service.tables.source import Source
from service.tables.values import Array, is_readable

LINE_BYTES = 16 * PIECE_BYTES

MOST_NESTED = 1000
"""Arrow calls itself for each level of what lies within another, and ends with the stack."""

FAULTS = (pa.ArrowInvalid, UnicodeDecodeError)

_arrows_words = re.compile(r"^JSON parse error: | in row \d+$")


def open_ndjson(upload: Path, plain: PlainBytes, options: Options, bounds: Bounds) -> Source:
    """A file of NDJSON. It is gone through once to know all of its columns.

    Raises:
        BadRequest: It cannot be read so.
        Invalid, TooLarge: Its columns cannot be called so, or there are too many.
    """
    texts: set[str] = set()
    unreadable: dict[str, str] = {}
    found: dict[str, None] = {}

    def batches() -> Iterator[Array]:
        return _batches(PlainBytes(upload, bounds.max_bytes, "utf-8"), texts)

    for batch in batches():
        for field in batch.schema:
            found[field.name] = None
            if pa.types.is_timestamp(field.type):
                texts.add(field.name)  # the next ones may be no times
            elif not is_readable(field.type):
                unreadable[field.name] = str(field.type)
        names.check(tuple(found), bounds.max_columns)
    style = Style(False, pa.array(["", *options.missing]))
    return Source("ndjson", tuple(found), style, batches, unreadable)


def _batches(plain: PlainBytes, texts: set[str]) -> Iterator[Array]:
    rows = 0
    for block in _blocks(plain):
        _refuse_deep(block, rows)
        try:
            table = _table(block, texts)
        except FAULTS:
            raise _refusal(block, texts, rows) from None
        for batch in table.to_batches():
            rows += batch.num_rows
            yield batch


def _table(block: bytes, texts: set[str]) -> Any:
    """The rows of some lines; raises one of `FAULTS`."""
    table = pyarrow.json.read_json(
        io.BytesIO(block),
        pyarrow.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        pyarrow.json.ParseOptions(
            explicit_schema=pa.schema([(name, pa.string()) for name in sorted(texts)])
        ),
    )
    table.validate(full=True)
    str(table.schema.names)
    return table


def _blocks(plain: PlainBytes) -> Iterator[bytes]:
    """Whole lines, some at once."""
    rest = b""
    while piece := plain.read(PIECE_BYTES):
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = b""
        rest += piece[end:]
        if len(rest) > LINE_BYTES:
            raise BadRequest(f"the file has a line of more than {LINE_BYTES} bytes")


def _refuse_deep(block: bytes, rows: int) -> None:
    if block.count(b"[") + block.count(b"{") <= MOST_NESTED:
        return
    for row, line in enumerate(block.splitlines(), rows + 1):
        if line.count(b"[") + line.count(b"{") > MOST_NESTED:
            raise BadRequest(f"row {row} holds more than {MOST_NESTED} lists and objects")


def _refusal(block: bytes, texts: set[str], rows: int) -> BadRequest:
    """Tells of the first line at which a block cannot be read; there are `rows` rows before it."""
    lines = [line for line in block.splitlines(keepends=True) if line.strip()]
    good, bad = 0, len(lines)
    why = ""
    while good < bad:
        middle = (good + bad) // 2
        try:
            _table(b"".join(lines[: middle + 1]), texts)
            good = middle + 1
        except FAULTS as error:
            bad, why = middle, str(error)
    what = excerpt(_arrows_words.sub("", why))
    return BadRequest(
        f"row {rows + good + 1} cannot be read: {what}; each line must hold one JSON object"
    )
