"""What the first bytes of an upload say of its format."""

from service.errors import BadRequest
from service.tables.options import Format

ARROW_FILE = b"ARROW1\0\0"

FORMATS: dict[bytes, Format] = {
    b"PAR1": "parquet",
    ARROW_FILE: "arrow",
    b"\xff\xff\xff\xff": "arrow",
}

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}

BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}

_SHEET = "save the one sheet as `CSV UTF-8`, and upload that"
_PACKED = "unpack it, or compress the table itself by gzip, zstd or bz2"
_TABLE = "write its table as CSV or Parquet, and upload that"

_UNREADABLE = {
    b"PK": f"is a zip archive or an Excel workbook: {_PACKED}; of a workbook, {_SHEET}",
    b"\xd0\xcf\x11\xe0": f"is an old Excel workbook: {_SHEET}",
    b"\xfd7zXZ": f"is compressed by xz: {_PACKED}",
    b"7z\xbc\xaf": f"is a 7z archive: {_PACKED}",
    b"Rar!": f"is a rar archive: {_PACKED}",
    b"\x04\x22\x4d\x18": f"is compressed by lz4: {_PACKED}",
    b"\xff\x06\0\0sNaPpY": f"is compressed by snappy: {_PACKED}",
    b"%PDF": f"is a PDF: {_TABLE}",
    b"SQLite format 3": f"is a database of SQLite: {_TABLE}",
    b"ORC": f"is ORC: {_TABLE}",
    b"Obj\x01": f"is Avro: {_TABLE}",
    b"FEA1": "is Feather of the first version: write version 2, which is an Arrow file, or Parquet",
    b"\x93NUMPY": f"is an array of NumPy, which has no columns with names: {_TABLE}",
    b"\x89HDF": f"is HDF5: {_TABLE}",
    b"\x80": f"is a pickle, or binary: {_TABLE}",
    b"<": "is HTML or XML: is it the page of an error or a login? Upload the table itself, as CSV",
    b"[": "is a JSON array: write one object a line (`jq -c '.[]'` does), or say format=csv",
}


def format_of(head: bytes) -> Format:
    """The format of a file that begins with `head`: CSV if nothing speaks against it.

    Raises:
        BadRequest: It is none that is read; says what to do.
    """
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise BadRequest("the file is empty")
    if compression_of(head) is not None:
        raise BadRequest("the file is compressed twice: once is enough")
    for start, named in FORMATS.items():
        if head.startswith(start):
            return named
    if encoding_of(head) is not None:
        return "ndjson" if head.startswith(b"\xef\xbb\xbf{") else "csv"
    text = head.lstrip()
    for start, what in _UNREADABLE.items():
        if text.startswith(start):
            raise BadRequest(f"the file {what}")
    return "ndjson" if text.startswith(b"{") else "csv"


def compression_of(head: bytes) -> str | None:
    """How a file that begins with `head` is compressed, by the name that Arrow has for it."""
    return next((name for start, name in COMPRESSIONS.items() if head.startswith(start)), None)


def encoding_of(head: bytes) -> str | None:
    """What the byte order mark says, if there is one."""
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
