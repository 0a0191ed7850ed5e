"""What RFC 9112 and RFC 9110 say of a request's head, and httptools does not."""

import re
from functools import lru_cache
from urllib.parse import urlsplit

VERSIONS = ("1.0", "1.1")

HOST_LENGTH = 300
"""Names in DNS are shorter."""

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""

# RFC 3986: a name or an IPv4 address, or an IPv6 address in brackets; then the port.
_matches_host = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+)(?::[0-9]*)?"
).fullmatch


class Refused(Exception):
    """A request that the application is not to see."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def checked(target: bytes, version: str, headers: Headers) -> bytes:
    """The path and query of a target. In `headers`, each name is there once afterwards.

    Raises:
        Refused: It is not a request that has one meaning to all who read it.
    """
    given = dict(headers)
    if len(given) != len(headers):
        # One of us would read the first, another the last: who checks, and who acts.
        given = _joined(headers)
        headers[:] = given.items()
    if version not in VERSIONS:
        raise Refused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    host = given.get(b"host")
    if host is None and version == "1.1":
        raise Refused(400, "the header Host is missing")
    if host is not None and (len(host) > HOST_LENGTH or not _is_host(host)):
        raise Refused(400, "the header Host must name one host, and may name its port")
    if b"transfer-encoding" in given:
        if version == "1.0":
            raise Refused(400, "HTTP/1.0 knows no Transfer-Encoding")
        if given[b"transfer-encoding"].lower() != b"chunked":
            raise Refused(501, "no Transfer-Encoding but chunked is read")
    if target.startswith(b"/"):
        return target
    if target == b"*":
        return b"/*"  # which is nowhere
    given[b"host"], path = _parts(target)  # whatever the header says: RFC 9112, 3.2.2
    headers[:] = given.items()
    return path


def awaits_invitation(version: str, headers: Headers) -> bool:
    """Whether `Expect: 100-continue` means anything in this request: RFC 9110, 10.1.1."""
    given = dict(headers)
    has_body = b"transfer-encoding" in given or int(given.get(b"content-length", 0)) > 0
    return version == "1.1" and has_body


@lru_cache(256)  # they are the same in almost all requests
def _is_host(text: bytes) -> bool:
    return bool(_matches_host(text))


def _joined(headers: Headers) -> dict[bytes, bytes]:
    """As RFC 9110, 5.3, has it."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: b", ".join(each) for name, each in values.items()}


def _parts(target: bytes) -> tuple[bytes, bytes]:
    """The host of a target that is a URL, and the rest as a path."""
    try:
        url = urlsplit(target)
    except ValueError:
        raise Refused(400, "the target is neither a path nor a URL") from None
    host = url.netloc
    if url.scheme not in (b"http", b"https") or not host or not _matches_host(host):
        raise Refused(400, "the target must be a path, or a URL of http or https")
    rest = target.partition(b"://")[2].removeprefix(host)
    return host, rest if rest.startswith(b"/") else b"/" + rest
