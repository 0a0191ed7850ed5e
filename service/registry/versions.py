"""Every trained version: published whole by one rename, checked when read, never changed.

artifacts/
  triples/            a dataset
    cross/            a TensorFlow Serving base path
      1/ 2/ …         a version: SavedModel; ONNX twin, metadata and manifest in assets.extra/
      serving.json    which version is served, and history.jsonl: see history.py
    dense/ …
  .staging/           see staging.py
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from errno import EACCES, EROFS
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES
from service.errors import RETRY_LATER, NotFound, Unavailable
from service.file_lock import Locked, locked
from service.registry import history
from service.registry.manifest import Damaged, numbered, seal, signature, sync, verify
from service.registry.staging import Staging
from service.schemas import Change, Metadata, Version

logger = logging.getLogger(__name__)


KEPT_CHECKED = 10_000
"""Versions of which it is kept in memory that they are whole."""


LISTED_AT_ONCE = 64
"""Versions of which it is asked together what they say of themselves."""


class Gone(NotFound):
    """A dataset was removed while something was decided about it."""


class Out(NamedTuple):
    """A version that is published."""

    number: int
    metadata: Metadata
    is_new: bool = False
    """Whether this call has published it."""


class Stand(NamedTuple):
    """What served at one moment, for a decision on what serves next."""

    champion: int | None
    as_read: object = None


def alters(change: Change, last: Change | None) -> bool:
    """Whether something else is to serve, or to be tried, than since the last change."""
    return last is None or (change.version, change.canary) != (last.version, last.canary)


class Registry:
    """The versions of one dataset. Any number of processes may share the artifacts folder.

    `service/store/versions.py` has the other registry, of versions in an object store.
    """

    def __init__(self, artifacts: Path, dataset: str = TRIPLES) -> None:
        self.artifacts = artifacts
        self.dataset = dataset
        self.root = artifacts / dataset
        self.staging = Staging(artifacts)
        # A signature, and what was found: the metadata as JSON, which takes little, or the damage.
        self._checked: dict[Path, tuple[bytes, bytes | str]] = {}

    def of(self, dataset: str) -> "Registry":
        """The versions of another dataset, in the same folder."""
        other = Registry(self.artifacts, dataset)
        other._checked = self._checked
        return other

    def prepare(self) -> None:
        """Makes the folders, unless it is one that can only be read.

        Folders of 0.1.0, which knew one dataset, become its own.
        """
        try:
            self._make()
        except OSError as error:
            if error.errno not in (EROFS, EACCES) or not self.artifacts.is_dir():
                raise

    def _make(self) -> None:
        (self.artifacts / ".staging").mkdir(parents=True, exist_ok=True)
        self.root.mkdir(exist_ok=True)
        for name in MODEL_NAMES:
            old = self.artifacts / name
            if old.exists():
                with suppress(FileNotFoundError):  # of several processes one moves it
                    old.rename(self.root / name)
            (self.root / name).mkdir(exist_ok=True)

    def place(self, name: ModelName, number: int) -> Path:
        """Where a version lies in the folder, if it is there."""
        return self.root / name / str(number)

    def folder(self, name: ModelName, number: int) -> Path:
        """Where a version lies."""
        return self.place(name, number)

    def numbers(self, name: ModelName) -> list[int]:
        """The numbers of all version folders, damaged ones too, newest first."""
        return numbered(self.root / name)

    def read(self, name: ModelName, number: int, file: Path) -> bytes:
        """One file of a version. Raises FileNotFoundError if it has no such file."""
        return (self.folder(name, number) / file).read_bytes()

    def metadata(self, name: ModelName, number: int) -> Metadata:
        """What a version says of itself, once all of its files are found to be as published.

        A version is hashed when first read; as long as its files keep their sizes and times it
        is taken to be unchanged.

        Raises:
            NotFound: There is no such version.
            Damaged: It is not what was published.
        """
        try:
            found = self._check(self.place(name, number))
        except FileNotFoundError:
            model = f"{self.dataset}/{name}"
            raise NotFound(f"there is no version {number} of the model {model}") from None
        if isinstance(found, str):
            raise Damaged(found)
        return Metadata.model_validate_json(found)

    def _check(self, folder: Path) -> bytes | str:
        """Raises FileNotFoundError if there is no such folder, or it goes as it is looked at."""
        _require(folder)
        now = signature(folder)
        known, found = self._checked.get(folder, (b"", b""))
        if known != now:
            found = self._verify(folder)
            while len(self._checked) >= KEPT_CHECKED:
                self._checked.pop(next(iter(self._checked)), None)
            self._checked[folder] = now, found
        return found

    def _verify(self, folder: Path) -> bytes | str:
        try:
            return verify(folder).model_dump_json().encode()
        except Damaged as damage:
            _require(folder)  # what was removed meanwhile is not damaged
            logger.error("%s is damaged and is not served: %s", folder, damage)
            return str(damage)

    def version(self, name: ModelName, number: int) -> Version:
        """One version.

        Raises:
            NotFound: There is no such version, or it is damaged.
        """
        try:
            metadata = self.metadata(name, number)
        except Damaged as damage:
            model = f"{self.dataset}/{name}"
            raise NotFound(f"version {number} of the model {model} is damaged: {damage}") from None
        return Version(version=number, serving=number == self.serving(name), metadata=metadata)

    def versions(self, name: ModelName, before: int | None = None) -> Iterator[Version]:
        """All whole versions, newest first, one at a time: there may be thousands.

        With `before`, only those that are older than that one.
        """
        serving = self.serving(name)
        for number, metadata in self.whole(name, before):
            yield Version(version=number, serving=number == serving, metadata=metadata)

    def serving(self, name: ModelName) -> int | None:
        """The number of the serving version.

        Where the one that was last made to serve is gone or damaged, it is the newest one that
        was not refused.
        """
        pointed = self.pointed(name)
        try:
            if pointed is not None and self.metadata(name, pointed):
                return pointed
        except (NotFound, Damaged):
            pass
        return next((number for number, version in self.whole(name) if not version.refused), None)

    def pointed(self, name: ModelName) -> int | None:
        """The number of the version that was last made to serve, whole or not."""
        change = self.last_change(name)
        return change.version if change else None

    def damaged(self) -> list[str]:
        """Each damaged version and what is wrong with it."""
        found = []
        for name in MODEL_NAMES:
            for number in numbered(self.root / name):
                try:
                    self.metadata(name, number)
                except Damaged as damage:
                    found.append(f"{self.dataset}/{name}/{number}: {damage}")
                except Unavailable as away:
                    which = f"{self.dataset}/{name}/{number}"
                    found.append(f"{which}: it cannot be checked, for {away.detail}")
                except NotFound:
                    continue
        return found

    def known_damaged(self) -> set[str]:
        """The datasets, this one and others, in which a version was damaged when last read."""
        return {
            folder.parent.parent.name
            for folder, (_, found) in list(self._checked.items())
            if isinstance(found, str)
        }

    def state(self) -> tuple[object, ...]:
        """Another value whenever a version is published, promoted or removed; cheap to ask for.

        It holds what the pointers say rather than their times: a file system's clock can tick
        more slowly than versions are promoted.
        """
        return tuple(
            value
            for name in MODEL_NAMES
            for value in (
                _changed_at(self.root / name),
                history.pointer(self.root / name),
            )
        )

    def catch_up(self) -> None:
        """Sees to it that what is read from now on is no older than this call."""

    def unconfirmed_seconds(self) -> float:
        """How old what is read may be; what is read from the folder is as it is now."""
        return 0.0

    @property
    def is_there(self) -> bool:
        """Whether there is such a dataset, as far as its versions tell."""
        return self.root.is_dir()

    @property
    def life(self) -> str:
        """Another one for each dataset that has had this name; in the folder they are alike."""
        return ""

    @property
    def first_epoch(self) -> int:
        """The epoch before the first change of what serves."""
        return 0

    def last_change(self, name: ModelName) -> Change | None:
        """The change that stands of what serves."""
        return history.last_change(self.root / name)

    def changes(self, name: ModelName, limit: int | None = None) -> list[Change]:
        """All changes of what serves, newest first, or the newest of them."""
        return history.changes(self.root / name, limit)

    def published(self, job_id: str) -> dict[ModelName, int]:
        """The versions that a job has published."""
        return {
            name: number
            for name in MODEL_NAMES
            for number, metadata in self.whole(name)
            if metadata.job_id == job_id
        }

    def whole(self, name: ModelName, before: int | None = None) -> Iterator[tuple[int, Metadata]]:
        """The numbers of whole versions, newest first, and what these say of themselves."""
        wanted = (n for n in self.numbers(name) if before is None or n < before)
        while some := list(islice(wanted, LISTED_AT_ONCE)):
            self.fetch(name, some)
            for number in some:
                try:
                    yield number, self.metadata(name, number)
                except (Damaged, NotFound):
                    continue

    def fetch(self, name: ModelName, numbers: Sequence[int]) -> None:
        """Gets what these versions say of themselves together, where each costs a request."""

    def make_folders(self) -> None:
        """Makes the folders of the networks: of a table there are none before its first version."""
        for name in MODEL_NAMES:
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def deciding(self, name: ModelName, seconds: float) -> Iterator[None]:
        """Lets one process at a time publish and decide which version of a network serves: it holds
        the lock of its folder, which it does not make: a dataset that was removed stays so.

        Raises:
            Gone: The dataset was removed, before or meanwhile.
            Unavailable: Another process has been deciding for as long.
        """
        folder = self.root / name
        gone = Gone(f"the dataset {self.dataset} was removed meanwhile")
        with ExitStack() as stack:
            try:
                held = stack.enter_context(locked(folder, seconds))
            except Locked:
                raise Unavailable(
                    "what serves is being changed just now", RETRY_LATER, "busy"
                ) from None
            except FileNotFoundError:
                raise gone from None
            try:
                if not _leads_to(folder, held):  # another came in its place while this one waited
                    raise gone
                yield
            except FileNotFoundError:
                if _leads_to(folder, held):
                    raise
                raise gone from None

    def out(self, name: ModelName, job_id: str) -> Out | None:
        """The version that a job has published already."""
        if self.staging.challenger(job_id, name):
            return None
        return next((Out(*each) for each in self.whole(name) if each[1].job_id == job_id), None)

    def add(self, name: ModelName, staged: Path, metadata: Metadata) -> Out:
        """Publishes what is staged under the next number, and with this metadata."""
        seal(staged, metadata)
        number = max(self.numbers(name), default=0) + 1
        staged.rename(self.folder(name, number))
        sync(self.root / name)
        return Out(number, metadata, is_new=True)

    def require(self, name: ModelName, out: Out) -> None:
        """Raises Gone if the version's dataset was removed, even if there is another one of its
        name. In the folder, the lock rules that out."""

    def stand(self, name: ModelName) -> Stand:
        """What serves at this moment."""
        return Stand(self.serving(name))

    def point(self, name: ModelName, stand: Stand, number: int, change: Change | None) -> bool:
        """Makes a published version known, and makes a change of what serves, if there is one.

        Returns:
            Whether it is made: not where something else has come to serve since `stand`.
        """
        if change is not None:
            last = self.last_change(name)
            if last is not None and not alters(change, last):
                change = last  # none; but a damaged pointer is mended
            else:
                change = change.model_copy(update={"epoch": last.epoch + 1 if last else 1})
            history.record(self.root / name, change)
        return True


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(folder)


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _changed_at(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return None
