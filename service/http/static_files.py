"""The files of a page: no others than are listed, from memory, compressed, and with an ETag."""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
}

STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""A Content-Security-Policy: everything comes from here, and nothing is written into a page."""


class _Content(NamedTuple):
    plain: bytes
    gzipped: bytes
    digest: str


@cache
def _content(file: Path) -> _Content:
    """A file, without the comment that names a source map: there is none here."""
    plain = file.read_bytes().partition(b"/*# sourceMappingURL=")[0]
    digest = hashlib.sha256(plain).hexdigest()[:32]
    return _Content(plain, gzip.compress(plain, mtime=0), digest)


def router(files: Mapping[str, Path], policy: Mapping[str, str] = STRICT) -> APIRouter:
    """Answers for each path with its file; `policy` is as in `answer`."""
    made = APIRouter(include_in_schema=False)

    def add(path: str, file: Path) -> None:
        @made.get(path)
        async def answer_file(request: Request) -> Response:
            return answer(request, file, policy)

    for path, file in files.items():
        add(path, file)
    return made


def answer(request: Request, file: Path, policy: Mapping[str, str] = STRICT) -> Response:
    """Answers with a file. A browser asks each time whether it is still the same.

    Args:
        request: Whose headers say what it takes, and what it has.
        file: One of ours; it is read once.
        policy: The directives of its Content-Security-Policy.
    """
    plain, gzipped, digest = _content(file)
    compressed = _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{digest}-gzip"' if compressed else f'"{digest}"'
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "ETag": etag,
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
    }
    known = request.headers.get("if-none-match", "").split(",")
    if etag in (each.strip().removeprefix("W/") for each in known):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    body = gzipped if compressed else plain
    return Response(body, headers=headers, media_type=MEDIA_TYPES[file.suffix])


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().replace(" ", "").split(","):
        coding, _, weight = each.partition(";")
        if coding == "gzip":
            return weight.strip("q=0.") != "" or not weight
    return False
