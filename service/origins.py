"""Origins of pages, as browsers spell them."""

import re
from urllib.parse import urlsplit

ANY = "*"

_DEFAULT_PORTS = {"http": 80, "https": 443}

_is_host = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]").fullmatch


def parse_origins(text: str) -> list[str]:
    """Reads origins, separated by commas or white space, or `*` for all.

    Raises:
        ValueError: One is spelt as no browser does, so that no page would ever match it.
    """
    if text.lstrip().startswith(("[", '"', "'")):
        raise ValueError("separate origins by commas, without brackets and quotes")
    origins = text.replace(",", " ").split()
    for given in origins:
        spelt = _as_browsers_spell(given)
        if spelt is None:
            raise ValueError("an origin is like https://example.org or http://localhost:3000")
        if spelt != given:
            raise ValueError(f"write {spelt}: browsers send nothing more, and in this spelling")
    return origins


def _as_browsers_spell(given: str) -> str | None:
    """The origin of a URL; None if it has none."""
    if given in {ANY, "null"}:
        return given
    try:
        url = urlsplit(given)
        host = (url.hostname or "").encode("idna").decode()
        port = url.port
    except ValueError:
        return None
    host = f"[{host}]" if ":" in host else host
    if not (url.scheme and _is_host(host)):
        return None
    if port in {None, _DEFAULT_PORTS.get(url.scheme)}:
        return f"{url.scheme}://{host}"
    return f"{url.scheme}://{host}:{port}"
