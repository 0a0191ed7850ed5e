"""Who may do what."""

import hmac

from starlette.types import Scope

from service.errors import Forbidden, Unauthorized
from service.keys import ROLES, Key, Role, digest_of

HEALTH = frozenset({"/livez", "/readyz"})
"""What asks for no key."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="crosscheck"'}


def role_for(method: str, path: str) -> Role | None:
    """The least role that a request needs; None where it needs no key."""
    if path in HEALTH:
        return None
    if method == "PUT":
        return "admin"
    return "train" if path == "/train" or path.startswith(("/train/", "/jobs")) else "predict"


def admit(keys: tuple[Key, ...], scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Lets a request pass, and notes the name of its key in the scope, as `key`.

    Raises:
        Unauthorized: A key is needed, and there is none or an unknown one.
        Forbidden: The key's role is too low.
    """
    needed = role_for(scope["method"], scope["path"]) if keys else None
    if needed is None:
        return
    given = _given(headers)
    if given is None:
        raise Unauthorized(
            "a key is needed, in `Authorization: Bearer …` or in `X-API-Key`", CHALLENGE
        )
    digest = digest_of(given)
    # All are compared, and digests rather than keys: the time tells nothing of any of them.
    matches = [key for key in keys if hmac.compare_digest(key.digest, digest)]
    if not matches:
        raise Unauthorized("the key is not known", CHALLENGE)
    (key,) = matches
    if ROLES.index(key.role) < ROLES.index(needed):
        raise Forbidden(f"this needs a key with the role {needed}; yours has {key.role}")
    scope["key"] = key.name


def _given(headers: dict[bytes, bytes]) -> bytes | None:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    return headers.get(b"x-api-key")
