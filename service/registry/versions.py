"""Every trained version: published whole by one rename, checked when read, never changed.

artifacts/
  cross/            a TensorFlow Serving base path
    1/ 2/ …         a version: SavedModel; ONNX twin, metadata and manifest in assets.extra/
    serving.json    which version is served, and history.jsonl: see history.py
  dense/ …
  .staging/         see staging.py
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from service.errors import NotFound
from service.registry import history
from service.registry.manifest import METADATA, Damaged, seal, signature, sync, verify
from service.registry.staging import Staging
from service.schemas import Change, Metadata, Version

logger = logging.getLogger(__name__)


class Judgement(NamedTuple):
    """Whether a challenger takes over, and why or why not."""

    takes_over: bool
    reason: str


Judge = Callable[[Metadata, int | None], Judgement]
"""Asked with a challenger and the number of the champion: the version that serves, if any."""


class Registry:
    """The versions in one artifacts folder. Any number of processes may share the folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = Staging(root)
        # A signature, and what was found: the metadata as JSON, which takes little, or the damage.
        self._checked: dict[tuple[ModelName, int], tuple[bytes, bytes | str]] = {}

    def prepare(self) -> None:
        """Makes the folders."""
        for folder in (".staging", *MODEL_NAMES):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def folder(self, name: ModelName, number: int) -> Path:
        """Where a version lies."""
        return self.root / name / str(number)

    def numbers(self, name: ModelName) -> list[int]:
        """The numbers of all version folders, damaged ones too, newest first."""
        entries = os.listdir(self.root / name)
        return sorted((int(e) for e in entries if e.isdecimal() and e[0] != "0"), reverse=True)

    def metadata(self, name: ModelName, number: int) -> Metadata:
        """What a version says of itself, once all of its files are found to be as published.

        A version is hashed when first read; as long as its files keep their sizes and times it
        is taken to be unchanged.

        Raises:
            NotFound: There is no such version.
            Damaged: It is not what was published.
        """
        folder = self.folder(name, number)
        if not folder.is_dir():
            raise NotFound(f"there is no version {number} of the model {name}")
        key, now = (name, number), signature(folder)
        if self._checked.get(key, (None,))[0] != now:
            try:
                self._checked[key] = now, verify(folder).model_dump_json().encode()
            except Damaged as damage:
                logger.error("%s is damaged and is not served: %s", folder, damage)
                self._checked[key] = now, str(damage)
        found = self._checked[key][1]
        if isinstance(found, str):
            raise Damaged(found)
        return Metadata.model_validate_json(found)

    def version(self, name: ModelName, number: int) -> Version:
        """One version.

        Raises:
            NotFound: There is no such version, or it is damaged.
        """
        try:
            metadata = self.metadata(name, number)
        except Damaged as damage:
            raise NotFound(f"version {number} of the model {name} is damaged: {damage}") from None
        return Version(version=number, serving=number == self.serving(name), metadata=metadata)

    def versions(self, name: ModelName) -> Iterator[Version]:
        """All whole versions, newest first, one at a time: there may be thousands."""
        serving = self.serving(name)
        for number, metadata in self._whole(name):
            yield Version(version=number, serving=number == serving, metadata=metadata)

    def serving(self, name: ModelName) -> int | None:
        """The number of the serving version.

        Where the one that was last made to serve is gone or damaged, it is the newest one that
        was not refused.
        """
        change = history.last_change(self.root / name)
        try:
            if change is not None and self.metadata(name, change.version):
                return change.version
        except (NotFound, Damaged):
            pass
        return next((number for number, version in self._whole(name) if not version.refused), None)

    def damaged(self) -> list[str]:
        """Each damaged version and what is wrong with it."""
        found = []
        for name in MODEL_NAMES:
            for number in self.numbers(name):
                try:
                    self.metadata(name, number)
                except Damaged as damage:
                    found.append(f"{name}/{number}: {damage}")
                except NotFound:
                    continue
        return found

    def state(self) -> tuple[object, ...]:
        """Another value whenever a version is published, promoted or removed; cheap to ask for.

        It holds what the pointers say rather than their times: a file system's clock can tick
        more slowly than versions are promoted.
        """
        return tuple(
            value
            for name in MODEL_NAMES
            for value in (
                (self.root / name).stat().st_mtime_ns,
                history.pointer(self.root / name),
            )
        )

    def promote(self, name: ModelName, number: int, key: str | None = None) -> Version:
        """Makes a version the serving one, whether it is newer or older than the one before.

        Args:
            key: The name of the key of whoever asks for it.

        Raises:
            NotFound: There is no such version, or it is damaged.
        """
        self.version(name, number)
        with self._locked(name):
            last = history.last_change(self.root / name)
            if last is not None and last.version == number:
                history.record(self.root / name, last)  # no change, but a damaged pointer is mended
            else:
                champion = self.serving(name)
                back = champion is not None and number < champion
                reason = "rolled back by hand" if back else "promoted by hand"
                self._point(name, number, champion, reason, key=key)
        return self.version(name, number)

    def changes(self, name: ModelName, limit: int) -> list[Change]:
        """The newest changes of what serves, newest first."""
        return history.changes(self.root / name, limit)

    def _point(
        self,
        name: ModelName,
        number: int,
        champion: int | None,
        reason: str,
        job_id: str | None = None,
        key: str | None = None,
    ) -> None:
        change = Change(
            changed_at=datetime.now(UTC),
            previous=champion,
            version=number,
            job_id=job_id,
            key=key,
            reason=reason,
        )
        history.record(self.root / name, change)

    @contextmanager
    def _locked(self, name: ModelName) -> Iterator[None]:
        """Lets one process at a time decide which version of a model serves."""
        descriptor = os.open(self.root / name, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def published(self, job_id: str) -> dict[ModelName, int]:
        """The versions that a job has published."""
        return {
            name: number
            for name in MODEL_NAMES
            for number, metadata in self._whole(name)
            if metadata.job_id == job_id
        }

    def publish(self, job_id: str, judge: Judge) -> dict[ModelName, int]:
        """Publishes what a job has staged and sealed; returns all of the job's versions.

        Each takes over from the serving version if `judge` says so; nothing else can change what
        serves in between. To be called once the decision is to publish; and again if a call was
        cut short: the next one goes on where it stopped.
        """
        for name in MODEL_NAMES:
            with self._locked(name):
                staged = self.staging.folder(job_id) / name
                if staged.exists():
                    self._publish(name, staged, judge)
                else:
                    self._take_up(name, job_id, judge)
        return self.published(job_id)

    def _publish(self, name: ModelName, staged: Path, judge: Judge) -> None:
        champion = self.serving(name)
        challenger = Metadata.model_validate_json((staged / METADATA).read_bytes())
        judgement = judge(challenger, champion)
        refused = None if judgement.takes_over else judgement.reason
        seal(staged, challenger.model_copy(update={"refused": refused}))
        number = max(self.numbers(name), default=0) + 1
        staged.rename(self.folder(name, number))
        sync(self.root / name)
        if judgement.takes_over:
            self._point(name, number, champion, judgement.reason, challenger.job_id)

    def _take_up(self, name: ModelName, job_id: str, judge: Judge) -> None:
        """Goes on after a call that was cut short: a version is out, and may not serve yet."""
        number = next((n for n, about in self._whole(name) if about.job_id == job_id), None)
        if number is None or any(
            change.version == number for change in history.changes(self.root / name)
        ):
            return
        challenger, champion = self.metadata(name, number), self.serving(name)
        champion = None if champion == number else champion  # as the newest, without a pointer
        if challenger.refused is None:
            judgement = judge(challenger, champion)
            if judgement.takes_over:
                self._point(name, number, champion, judgement.reason, job_id)

    def _whole(self, name: ModelName) -> Iterator[tuple[int, Metadata]]:
        for number in self.numbers(name):
            try:
                yield number, self.metadata(name, number)
            except (Damaged, NotFound):
                continue
