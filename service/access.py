"""Who may do what."""

import hmac
import re

from starlette.types import Scope

from service.errors import Forbidden, Unauthorized, excerpt
from service.keys import ROLES, Key, Role, digest_of
from service.settings import HEALTH, Settings

DOCUMENTATION = frozenset(
    {
        *("/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"),
        "/docs/swagger-ui.css",
    }
)
"""The same for everybody: a browser that opens a page sends no key."""

PAGE = frozenset({"/", "/whoami"})
"""The page asks for a key itself. Below `/page/` are its files, and nothing else."""

READABLE = (
    *("/predict", "/metrics", "/models", "/datasets", "/serving"),
    *("/v1/models", "/v2/models", "/v2/repository/index", "/monitoring/prometheus/metrics"),
)
"""What begins so is for everybody with a key; what nobody has thought of is for few."""

READABLE_ALONE = frozenset({"/v2", "/v2/", "/invocations", "/score", "/version"})
"""As well, but what is below is not."""

SAFE = ("GET", "HEAD", "OPTIONS")

_names_this_machine = re.compile(
    rb"(localhost\.?|127\.\d+\.\d+\.\d+|\[::1\])(:\d*)?", re.IGNORECASE
).fullmatch

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="crosscheck"'}


def role_for(method: str, path: str) -> Role | None:
    """The least role that a request needs; None where it needs no key."""
    if path in HEALTH or path in DOCUMENTATION or path in PAGE or path.startswith("/page/"):
        return None
    makes_dataset = method == "PUT" and path.startswith("/datasets/")
    if method in ("PUT", "DELETE") and not makes_dataset:
        return "admin"
    if makes_dataset or path == "/train" or path.startswith("/jobs"):
        return "train"
    return "predict" if path.startswith(READABLE) or path in READABLE_ALONE else "admin"


def _role_for(settings: Settings, method: str, path: str) -> Role | None:
    """Routes of a platform are as those of ours that do the same."""
    if path in settings.health_paths:
        return None
    return "predict" if path == settings.predict_route else role_for(method, path)


def admit(settings: Settings, scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Lets a request pass, and notes the name of its key in the scope, as `key`.

    Raises:
        Unauthorized: A key is needed, and there is none or an unknown one.
        Forbidden: The key's role is too low, or a page in a browser sent what needs no key.
    """
    keys = settings.api_keys
    if not keys:
        if settings.is_local and scope["path"] not in settings.health_paths:
            _refuse_other_names(headers)
        if b"origin" in headers:
            _refuse_foreign_page(settings, scope["method"], headers)
        return
    needed = _role_for(settings, scope["method"], scope["path"])
    if needed is None:
        return
    given = _given(headers)
    if given is None:
        raise Unauthorized(
            "a key is needed, in `Authorization: Bearer …` or in `X-API-Key`", CHALLENGE
        )
    key = _known(keys, given)
    if key is None:
        raise Unauthorized("the key is not known", CHALLENGE)
    if ROLES.index(key.role) < ROLES.index(needed):
        raise Forbidden(f"this needs a key with the role {needed}; yours has {key.role}")
    scope["key"] = key.name


def key_of(settings: Settings, headers: dict[bytes, bytes]) -> Key | None:
    """The key that a request comes with, if it is one of ours."""
    given = _given(headers)
    return _known(settings.api_keys, given) if given is not None else None


def _known(keys: tuple[Key, ...], given: bytes) -> Key | None:
    digest = digest_of(given)
    # All are compared, and digests rather than keys: the time tells nothing of any of them.
    matches = [key for key in keys if hmac.compare_digest(key.digest, digest)]
    return matches[0] if matches else None


def _refuse_other_names(headers: dict[bytes, bytes]) -> None:
    """A page's own name can be made to lead to this machine, and then all of ours is its own."""
    host = headers.get(b"host", b"localhost")
    if not _names_this_machine(host):
        raise Forbidden(
            "without CROSSCHECK_API_KEYS only localhost is answered for, "
            f"received the Host {excerpt(host.decode('latin-1'))}"
        )


def _refuse_foreign_page(settings: Settings, method: str, headers: dict[bytes, bytes]) -> None:
    """A browser sends simple requests for any page; only the answer is kept from it."""
    origin = headers[b"origin"].decode("latin-1")
    own = headers.get(b"host", b"").decode("latin-1")
    listed = origin in settings.cors_origins or "*" in settings.cors_origins
    if method not in SAFE and not listed and origin.partition("://")[2] != own:
        raise Forbidden("a page of another origin may not do this: see CROSSCHECK_CORS_ORIGINS")


def _given(headers: dict[bytes, bytes]) -> bytes | None:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    return headers.get(b"x-api-key")
