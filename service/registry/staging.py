"""What jobs have not published yet, and the one decision whether they do.

artifacts/.staging/{job}/
  {attempt}/       of one child, which holds its lock
    dense/ cross/  finished and sealed, or still being written
    …              temporary files of TensorFlow
  parts/           for each, who has claimed it, and what came of it
  verdict          a symbolic link: to the attempt that is published, or "cancel"
"""

import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from models.config import ModelName
from service import taken_folder
from service.registry.manifest import sync
from service.taken_folder import Taken

VERDICT = "verdict"
PARTS = "parts"
CANCEL = "cancel"


class Verdict(NamedTuple):
    """Whether a job publishes."""

    attempt: str | None
    """Whose versions are published; None: the job is cancelled."""


CANCELLED = Verdict(None)


class Staging:
    """The staging folders under one artifacts folder."""

    def __init__(self, root: Path) -> None:
        self.root = root / ".staging"

    def folder(self, job_id: str) -> Path:
        """Where a job keeps what it has not published; the id must be a UUID."""
        return self.root / str(uuid.UUID(job_id))

    def begin(self, job_id: str) -> Taken:
        """A folder for an attempt at a job. What dead attempts have left is removed, but that of
        the attempt that is published."""
        folder = self.folder(job_id)

        def is_needed(name: str) -> bool:
            if name in (VERDICT, PARTS):
                return True
            verdict = self.decision(job_id)
            return verdict is not None and verdict.attempt in (name, os.curdir)

        taken_folder.clear(folder, is_needed)
        return taken_folder.take(folder)

    def publish(self, job_id: str, attempt: Taken, life: str = "") -> Verdict:
        """Decides once and for all that a job publishes what an attempt has staged; returns the
        decision that stands.

        The first to decide wins, because a symbolic link is made by one atomic call that fails
        where there is one. So a cancelled job never publishes, a published job is never called
        cancelled, and of two attempts one publishes, whichever process dies in between.

        Args:
            life: Of the dataset on which it was trained, if there is one: see `Registry.life`.

        Raises:
            FileNotFoundError: The job has ended, and its folder is gone.
        """
        try:
            # From the attempt's own folder: one that is made anew in its place is not meant.
            os.symlink(attempt.folder.name, f"../{VERDICT}", dir_fd=attempt.descriptor)
        except FileExistsError:
            return self.decision(job_id) or CANCELLED
        sync(self.folder(job_id))
        return Verdict(attempt.folder.name)

    def cancel(self, job_id: str) -> Verdict:
        """Decides once and for all that a job is cancelled; returns the decision that stands."""
        folder = self.folder(job_id)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            os.symlink(CANCEL, folder / VERDICT)
        except FileExistsError:
            return self.decision(job_id) or CANCELLED
        sync(folder)
        return CANCELLED

    def decision(self, job_id: str) -> Verdict | None:
        """The decision on a job, if it has been made."""
        try:
            said = os.readlink(self.folder(job_id) / VERDICT)
        except FileNotFoundError:
            return None
        # A job of an earlier release staged in its folder itself.
        return {CANCEL: CANCELLED, "publish": Verdict(os.curdir)}.get(said, Verdict(said))

    def challenger(self, job_id: str, name: ModelName) -> Path | None:
        """A version of the attempt that is published, as long as it is not out."""
        verdict = self.decision(job_id)
        if verdict is None or verdict.attempt is None:
            return None
        folder = self.folder(job_id) / verdict.attempt / name
        return folder if folder.exists() else None

    def claim_part(self, job_id: str, key: str, by: str) -> str:
        """Claims a part of a job for somebody; returns who has it, once and for all."""
        folder = self.folder(job_id) / PARTS
        folder.mkdir(parents=True, exist_ok=True)
        claim = folder / f"{key}.claim"
        try:
            os.symlink(by, claim)
        except FileExistsError:
            return os.readlink(claim)
        return by

    def keep_part(self, job_id: str, key: str, content: bytes) -> None:
        """Leaves what came of a part of a job."""
        folder = self.folder(job_id) / PARTS
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{key}.{uuid.uuid4()}"
        unfinished.write_bytes(content)
        sync(unfinished)
        unfinished.rename(folder / key)

    def part(self, job_id: str, key: str) -> bytes | None:
        """What came of a part of a job, if it is there."""
        try:
            return (self.folder(job_id) / PARTS / key).read_bytes()
        except FileNotFoundError:
            return None

    def drop_parts(self, job_id: str, keys: Iterable[str]) -> None:
        """Forgets what came of parts of a job, and who had them."""
        for key in keys:
            for name in (key, f"{key}.claim"):
                (self.folder(job_id) / PARTS / name).unlink(missing_ok=True)

    def remove(self, job_id: str) -> None:
        """Forgets a job that has ended."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def jobs(self) -> list[str]:
        """The jobs that have a folder here."""
        return [entry.name for entry in self.root.iterdir() if entry.is_dir()]
