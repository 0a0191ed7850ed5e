"""Named API keys, each with a role."""

import hashlib
import re
from pathlib import Path
from typing import Literal, NamedTuple, TypeGuard, get_args

Role = Literal["predict", "train", "admin"]
"""Each may do what the one before may do, and more."""

ROLES = get_args(Role)

_is_name = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_is_key = re.compile(r"[!-+\--~]{16,256}").fullmatch  # visible ASCII without the comma


def _is_role(role: str) -> TypeGuard[Role]:
    return role in ROLES


class Key(NamedTuple):
    """What is kept of a key."""

    name: str
    role: Role
    digest: bytes


def parse_keys(text: str) -> tuple[Key, ...]:
    """Reads `name:role:key` entries, separated by commas or white space.

    Args:
        text: The entries, or the path of a file that holds them.

    Raises:
        ValueError: An entry is not one, or a name or a key comes twice. It tells the place of the
            entry, never the key.
    """
    if ":" not in text and text.strip():
        try:
            text = Path(text).expanduser().read_text("utf-8-sig")  # Windows puts a mark first
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            raise ValueError(f"the file of keys cannot be read: {_why(error)}") from None
    keys: list[Key] = []
    for place, entry in enumerate(text.replace(",", " ").split(), start=1):
        name, _, rest = entry.partition(":")
        role, _, secret = rest.partition(":")
        if not (_is_name(name) and _is_role(role) and _is_key(secret)):
            raise ValueError(
                f"entry {place} is not `name:role:key` with a role of {', '.join(ROLES)} "
                "and a key of 16 to 256 visible characters"
            )
        key = Key(name, role, digest_of(secret.encode()))
        if any(name == other.name or key.digest == other.digest for other in keys):
            raise ValueError(f"entry {place} repeats the name or the key of another")
        keys.append(key)
    if not keys:
        raise ValueError("it holds no key")
    return tuple(keys)


def _why(error: OSError | RuntimeError | UnicodeDecodeError) -> str | None:
    if isinstance(error, OSError):
        return error.strerror
    return "there is no such home folder" if isinstance(error, RuntimeError) else "it is not text"


def digest_of(secret: bytes) -> bytes:
    """What is kept of a key instead of it."""
    return hashlib.sha256(secret).digest()
