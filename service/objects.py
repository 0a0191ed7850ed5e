"""Objects by their keys, and the two conditional writes on which everything rests.

`create` writes an object if there is none, `swap` if it is still the one that was read. Both are
asked of the store itself, so they hold between machines; see `obstore`.
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from service.errors import RETRY_LATER, Unavailable

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2
SMALL_SECONDS = 5
FILE_SECONDS = 600
"""How long one request may take: for a small object, and for a file."""

CREATE_ATTEMPTS = 5
CREATE_AGAIN_SECONDS = 0.1

CHUNK_BYTES = 2**20
LOGGED = 300

Tag = dict[str, str]
"""Which state of an object was read: its `e_tag`, and a `version` where the store has them."""


class Unchanged(Exception):
    """An object is still as it was."""


class Listed(NamedTuple):
    """An object, and when it was written, by the clock of the store."""

    key: str
    modified: datetime
    size: int
    tag: str
    """Its `e_tag`."""


class Objects:
    """The objects under one prefix. All methods raise Unavailable if the store does not answer."""

    def __init__(self, small: Any, files: Any = None) -> None:
        self._small = small
        self._files = files or small

    @classmethod
    def at(cls, url: str) -> "Objects":
        """Those of a bucket: `s3://bucket/prefix`. The environment has the credentials.

        Raises:
            Unavailable: It does not have them, or the URL is none.
        """
        try:
            small, files = (_store_at(url, seconds) for seconds in (SMALL_SECONDS, FILE_SECONDS))
        except BaseError as error:
            why = f"the object store cannot be used: {_first_line(error)}"
            raise Unavailable(why, None, "store") from None
        # Whatever a URL's parser makes of it, nobody reads beside what was asked for.
        if (small.prefix or "") != url.partition("://")[2].partition("/")[2]:
            raise Unavailable(f"the object store takes {url} for another place", None, "store")
        return cls(small, files)

    def get(self, key: str, unless: Tag | None = None) -> tuple[bytes, Tag] | None:
        """An object; None if there is none.

        Raises:
            Unchanged: It is the one that was read before, `unless`.
        """
        options: Any = {"if_none_match": unless["e_tag"]} if unless else {}
        with _answering():
            try:
                found = obstore.get(self._small, key, options=options)
                return found.bytes().to_bytes(), _tag(found.meta)
            except FileNotFoundError:
                return None
            except NotModifiedError:
                raise Unchanged from None

    def create(self, key: str, content: bytes) -> bytes | None:
        """Writes an object if there is none; returns the one that there is already.

        What there is may be what this call has written, where a reply was lost.
        """
        for attempt in range(CREATE_ATTEMPTS):
            with _answering():
                try:
                    obstore.put(self._small, key, content, mode="create")
                    return None
                except AlreadyExistsError:  # some stores say so while two are at it
                    if found := self.get(key):
                        return found[0]
            time.sleep(CREATE_AGAIN_SECONDS * 2**attempt)
        raise Unavailable("the object store is too busy just now", RETRY_LATER, "store")

    def swap(self, key: str, content: bytes, tag: Tag | None) -> Tag | None:
        """Writes an object if it is still the one with this tag, or if there is none as before.

        Returns:
            The new tag; None if the object is another one. That can be ours: a reply may be lost.
        """
        mode: Any = "create" if tag is None else tag
        with _answering():
            try:
                return _tag(obstore.put(self._small, key, content, mode=mode))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return None

    def put(self, key: str, content: bytes) -> None:
        """Writes an object that nobody else writes."""
        with _answering():
            obstore.put(self._small, key, content)

    def upload(self, key: str, file: Path) -> str:
        """Writes a file that nobody else writes; returns its SHA-256."""
        with _answering(), file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            obstore.put(self._files, key, file)
        return digest

    def download(self, key: str, file: Path) -> str:
        """Writes an object to a file; returns its SHA-256.

        Raises:
            FileNotFoundError: There is none.
        """
        digest = hashlib.sha256()
        with _answering(), file.open("wb") as opened:
            for chunk in obstore.get(self._files, key).stream(min_chunk_size=CHUNK_BYTES):
                digest.update(chunk)
                opened.write(chunk)
        return digest.hexdigest()

    def part(self, key: str, start: int, end: int, tag: str) -> bytes:
        """The bytes of an object from `start` to before `end`.

        Raises:
            FileNotFoundError: It is gone, or has not this `e_tag` any more.
        """
        options: Any = {"range": (start, end), "if_match": tag}
        with _answering():
            try:
                return obstore.get(self._files, key, options=options).bytes().to_bytes()
            except (FileNotFoundError, PreconditionError):
                raise FileNotFoundError(f"{key} is gone, or has changed") from None

    def list(self, prefix: str) -> Iterator[Listed]:
        """The objects below a prefix that ends with a slash, by key."""
        with _answering():
            for some in obstore.list(self._small, prefix):
                for each in some:
                    yield Listed(
                        each["path"], each["last_modified"], each["size"], each["e_tag"] or ""
                    )

    def delete(self, keys: Sequence[str]) -> None:
        """Removes objects, as far as they are there."""
        with _answering(), suppress(FileNotFoundError):
            obstore.delete(self._small, list(keys))


def _store_at(url: str, seconds: float) -> Any:
    return from_url(
        url,
        client_options={
            "allow_http": True,  # for whom the environment names such an endpoint
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=seconds),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=SMALL_SECONDS)},
    )


def _tag(meta: Any) -> Tag:
    return {name: meta[name] for name in ("e_tag", "version") if meta[name] is not None}


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        logger.error("the object store: %s", _first_line(error))
        raise Unavailable("the object store refuses our key", RETRY_LATER, "store") from None
    except BaseError as error:
        logger.error("the object store: %s", _first_line(error))
        raise Unavailable("the object store does not answer", RETRY_LATER, "store") from None


def _first_line(error: BaseError) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:LOGGED]
