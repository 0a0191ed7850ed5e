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


ASKED_FOR_AGAIN = "no-cache"
"""A `Cache-Control`: a browser asks each time whether it is still the same."""

KEPT = "public, max-age=31536000, immutable"
"""A `Cache-Control` of what is never another under the same path."""


class Content(NamedTuple):
    """What is answered with."""

    plain: bytes
    gzipped: bytes
    digest: str
    media_type: str


@cache
def read(file: Path) -> Content:
    """A file, without the comment that names a source map: there is none here."""
    plain = file.read_bytes().partition(b"/*# sourceMappingURL=")[0]
    return made_of(plain, MEDIA_TYPES[file.suffix])


def made_of(plain: bytes, media_type: str) -> Content:
    """Content that is in no file."""
    digest = hashlib.sha256(plain).hexdigest()[:32]
    return Content(plain, gzip.compress(plain, mtime=0), digest, media_type)


def router(
    files: Mapping[str, Path],
    policy: Mapping[str, str] = STRICT,
    cache_control: str = ASKED_FOR_AGAIN,
) -> APIRouter:
    """Answers for each path with its file; the others are as in `answer`."""
    made = APIRouter(include_in_schema=False)

    def add(path: str, file: Path) -> None:
        @made.get(path)
        async def answer_file(request: Request) -> Response:
            return answer(request, read(file), policy, cache_control)

    for path, file in files.items():
        add(path, file)
    return made


def answer(
    request: Request,
    content: Content,
    policy: Mapping[str, str] = STRICT,
    cache_control: str = ASKED_FOR_AGAIN,
) -> Response:
    """Answers with content.

    Args:
        request: Whose headers say what it takes, and what it has.
        policy: The directives of its Content-Security-Policy.
        cache_control: How long it may be kept.
    """
    compressed = _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{content.digest}-gzip"' if compressed else f'"{content.digest}"'
    headers = {
        "Cache-Control": cache_control,
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
    body = content.gzipped if compressed else content.plain
    return Response(body, headers=headers, media_type=content.media_type)


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().replace(" ", "").split(","):
        coding, _, weight = each.partition(";")
        if coding == "gzip":
            return weight.strip("q=0.") != "" or not weight
    return False
