"""Every trained version: published whole by one rename, checked when read, never changed.

artifacts/
  cross/            a TensorFlow Serving base path
    1/ 2/ …         a version: SavedModel; ONNX twin, metadata and manifest in assets.extra/
    serving.json    which version is served
  dense/ …
  .staging/         see staging.py
"""

import errno
import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.config import MODEL_NAMES, ModelName
from service.errors import NotFound
from service.registry.manifest import Damaged, signature, sync, verify
from service.registry.staging import Staging
from service.schemas import Metadata, Version

logger = logging.getLogger(__name__)


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

        Where the promoted one is gone or damaged, it is the newest one that may serve.
        """
        promoted = self._promoted(name)
        try:
            if promoted is not None and self.metadata(name, promoted):
                return promoted
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
            for value in ((self.root / name).stat().st_mtime_ns, self._pointer(name))
        )

    def promote(self, name: ModelName, number: int) -> Version:
        """Makes a version the serving one, whether it is newer or older than the one before.

        Raises:
            NotFound: There is no such version, or it is damaged.
        """
        self.version(name, number)
        with self._locked(name):
            self._point(name, number)
        return self.version(name, number)

    def _point(self, name: ModelName, number: int) -> None:
        path = self.root / name / "serving.json"
        temporary = path.with_name(f".serving.{uuid.uuid4().hex}")
        try:
            temporary.write_text(json.dumps({"version": number}) + "\n")
            sync(temporary)
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)

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

    def publish(self, job_id: str) -> dict[ModelName, int]:
        """Publishes what a job has staged and sealed; returns all of the job's versions.

        To be called once the decision is to publish; and again if a call was cut short: the next
        one goes on where it stopped.
        """
        for name in MODEL_NAMES:
            staged = self.staging.folder(job_id) / name
            if staged.exists():
                self._publish(name, staged)
        published = self.published(job_id)
        for name, number in published.items():
            with self._locked(name):
                passed = self.metadata(name, number).refused is None
                if passed and number > (self._promoted(name) or 0):
                    self._point(name, number)
        return published

    def _publish(self, name: ModelName, staged: Path) -> None:
        while True:
            number = max(self.numbers(name), default=0) + 1
            try:
                staged.rename(self.folder(name, number))
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                    continue  # another job took the number
                raise
            sync(self.root / name)
            return

    def _whole(self, name: ModelName) -> Iterator[tuple[int, Metadata]]:
        for number in self.numbers(name):
            try:
                yield number, self.metadata(name, number)
            except (Damaged, NotFound):
                continue

    def _pointer(self, name: ModelName) -> bytes | None:
        try:
            return (self.root / name / "serving.json").read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            return b"a directory"  # as damaged as any other text that is no pointer

    def _promoted(self, name: ModelName) -> int | None:
        text = self._pointer(name)
        try:
            return int(json.loads(text)["version"]) if text is not None else None
        except (ValueError, TypeError, KeyError):
            logger.error("%s/serving.json is damaged: the newest version is served", name)
            return None
