"""The decision whether a job publishes, in an object store; what is staged lies in the folder
until then.

jobs/{job}/
  {attempt}    below which prefix an attempt has written, from before it did
  late/…       the same of those that may go on to write, though that was removed
  verdict      created once: what is published, or that the job is cancelled
  parts/…      for each, who has claimed it, and what came of it
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from models.config import MODEL_NAMES, ModelName
from service import taken_folder
from service.registry.manifest import MANIFEST, METADATA, seal
from service.registry.staging import PARTS, VERDICT, Staging, Verdict
from service.schemas import Metadata
from service.store.files import File, download, upload
from service.store.head import prefix
from service.store.store import Store
from service.taken_folder import Taken

LATE = "late/"

VERDICT_KEPT = timedelta(days=1)
"""After that long, no attempt is about that does not know that its job has ended."""


class Draft(msgspec.Struct, frozen=True):
    """What an attempt has staged of a network."""

    metadata: msgspec.Raw
    files: list[File]
    """All but the metadata and the manifest."""
    after: int
    """Its version has a higher number than this."""

    @property
    def about(self) -> Metadata:
        return Metadata.model_validate_json(bytes(self.metadata))


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verdict; without an attempt the job is cancelled."""

    attempt: str | None = None
    life: str = ""
    """Of the dataset, as it was then."""
    networks: dict[str, Draft] = {}


class StoredStaging(Staging):
    """Staging folders on this machine, and decisions for all of them."""

    def __init__(self, root: Path, store: Store) -> None:
        super().__init__(root)
        self.store = store

    def publish(self, job_id: str, attempt: Taken, life: str = "") -> Verdict:
        """As in the folder, once all that is staged is in the store. It is cancelled if the dataset
        is gone, though there may be another one of its name."""
        drafts = {
            name: Metadata.model_validate_json((attempt.folder / name / METADATA).read_bytes())
            for name in MODEL_NAMES
            if (attempt.folder / name / METADATA).exists()
        }
        of = next((about.config.dataset.name for about in drafts.values()), "")
        dataset = self.store.refresh().head.datasets.get(of)
        if dataset is None or life not in ("", dataset.life):
            return self.cancel(job_id)
        objects, mine = self.store.objects, attempt.folder.name
        below = f"{prefix(of, dataset)}/files/{job_id}/{mine}"
        objects.put(f"jobs/{job_id}/{mine}", below.encode())
        networks: dict[str, Draft] = {
            name: Draft(
                msgspec.Raw(about.model_dump_json().encode()),
                upload(objects, attempt.folder / name, f"{below}/{name}", {METADATA, MANIFEST}),
                dataset.network(name).newest,
            )
            for name, about in drafts.items()
        }
        return self._say(job_id, Said(mine, dataset.life, networks))

    def cancel(self, job_id: str) -> Verdict:
        """As in the folder."""
        return self._say(job_id, Said())

    def decision(self, job_id: str) -> Verdict | None:
        """The decision on a job, if it has been made."""
        said = self.said(job_id)
        return Verdict(said.attempt) if said else None

    def said(self, job_id: str) -> Said | None:
        """The decision on a job, and what it publishes."""
        found = self.store.objects.get(_verdict(job_id))
        return msgspec.json.decode(found[0], type=Said) if found else None

    def challenger(self, job_id: str, name: ModelName) -> Path | None:
        """A version of the attempt that is published; it is fetched if that was elsewhere."""
        said = self.said(job_id)
        if said is None or said.attempt is None or name not in said.networks:
            return None
        folder = self.folder(job_id) / said.attempt / name
        if not folder.exists():
            taken = taken_folder.take(self.store.incoming)
            try:
                draft = said.networks[name]
                download(self.store.objects, draft.files, taken.folder / name)
                seal(taken.folder / name, draft.about)
                folder.parent.mkdir(parents=True, exist_ok=True)
                try:
                    (taken.folder / name).rename(folder)
                except OSError:
                    if not folder.exists():  # else another has fetched it meanwhile
                        raise
            finally:
                taken_folder.discard(taken)
        return folder

    def claim_part(self, job_id: str, key: str, by: str) -> str:
        """Claims a part of a job for somebody; returns who has it, once and for all."""
        claim = f"jobs/{job_id}/{PARTS}/{key}.claim"
        there = self.store.objects.create(claim, by.encode())
        return there.decode() if there else by

    def keep_part(self, job_id: str, key: str, content: bytes) -> None:
        """Leaves what came of a part of a job."""
        self.store.objects.put(f"jobs/{job_id}/{PARTS}/{key}", content)

    def part(self, job_id: str, key: str) -> bytes | None:
        """What came of a part of a job, if it is there."""
        found = self.store.objects.get(f"jobs/{job_id}/{PARTS}/{key}")
        return found[0] if found else None

    def drop_parts(self, job_id: str, keys: Iterable[str]) -> None:
        """Forgets what came of parts of a job, and who had them."""
        below = f"jobs/{job_id}/{PARTS}"
        names = [name for key in keys for name in (key, f"{key}.claim")]
        self.store.objects.delete([f"{below}/{name}" for name in names])

    def remove(self, job_id: str) -> None:
        """Forgets a job that has ended, and what its attempts have written in vain."""
        super().remove(job_id)
        # From now on nobody can decide that it publishes what is removed here.
        published, objects = self.cancel(job_id).attempt, self.store.objects
        for key, modified, *_ in list(objects.list(f"jobs/{job_id}/")):
            name = key.removeprefix(f"jobs/{job_id}/")
            if _is_kept(name, modified):
                continue
            is_attempt = name != VERDICT and not name.startswith(f"{PARTS}/")
            if is_attempt and name != published and (found := objects.get(key)):
                objects.delete([each.key for each in objects.list(f"{found[0].decode()}/")])
                if not name.startswith(LATE):  # it may not know yet, and go on to write
                    objects.put(f"jobs/{job_id}/{LATE}{name}", found[0])
            objects.delete([key])

    def jobs(self) -> list[str]:
        """The jobs that have a folder here, or something to be removed in the store."""
        found: defaultdict[str, bool] = defaultdict(bool)
        for key, modified, *_ in self.store.objects.list("jobs/"):
            _, job_id, name = key.split("/", 2)
            found[job_id] |= not _is_kept(name, modified)
        with suppress(FileNotFoundError):
            found.update(dict.fromkeys(super().jobs(), True))
        return [job_id for job_id, is_to_do in found.items() if is_to_do]

    def _say(self, job_id: str, said: Said) -> Verdict:
        there = self.store.objects.create(_verdict(job_id), msgspec.json.encode(said))
        return Verdict((msgspec.json.decode(there, type=Said) if there else said).attempt)


def _verdict(job_id: str) -> str:
    return f"jobs/{job_id}/{VERDICT}"


def _is_kept(name: str, modified: datetime) -> bool:
    is_young = datetime.now(UTC) - modified <= VERDICT_KEPT
    return is_young and (name == VERDICT or name.startswith(LATE))
