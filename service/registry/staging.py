"""What jobs have not published yet, and the one decision whether they do.

artifacts/.staging/{job}/
  dense/ cross/    finished and sealed, or still being written
  verdict          a symbolic link to nowhere: "publish" or "cancel"
  …                temporary files of TensorFlow
"""

import os
import shutil
import uuid
from pathlib import Path
from typing import Literal

from service.registry.manifest import sync

Verdict = Literal["publish", "cancel"]


class Staging:
    """The staging folders under one artifacts folder."""

    def __init__(self, root: Path) -> None:
        self.root = root / ".staging"

    def folder(self, job_id: str) -> Path:
        """Where a job keeps what it has not published; the id must be a UUID."""
        return self.root / str(uuid.UUID(job_id))

    def decide(self, job_id: str, verdict: Verdict) -> Verdict:
        """Decides once and for all whether a job publishes; returns the decision that stands.

        The first to decide wins, because a symbolic link is made by one atomic call that fails
        where there is one. So a cancelled job never publishes and a published job is never
        called cancelled, whichever process dies in between.
        """
        link = self.folder(job_id) / "verdict"
        if verdict == "cancel":
            link.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.symlink(verdict, link)
        except FileExistsError:
            return self.decision(job_id) or verdict
        sync(link.parent)
        return verdict

    def decision(self, job_id: str) -> Verdict | None:
        """The decision on a job, if it has been made."""
        try:
            verdict = os.readlink(self.folder(job_id) / "verdict")
        except FileNotFoundError:
            return None
        return "publish" if verdict == "publish" else "cancel"

    def start_over(self, job_id: str) -> Path:
        """Empties a job's folder of what an earlier attempt left; the decision on it stays."""
        folder = self.folder(job_id)
        folder.mkdir(parents=True, exist_ok=True)
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "verdict":
                entry.unlink()
        return folder

    def remove(self, job_id: str) -> None:
        """Forgets a job that has ended."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def jobs(self) -> list[str]:
        """The jobs that have a folder here."""
        return [entry.name for entry in self.root.iterdir() if entry.is_dir()]
