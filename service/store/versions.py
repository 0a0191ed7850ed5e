"""Every trained version, in an object store; the artifacts folder is a cache of those in use.

datasets/{dataset}/{life}/
  files/{job}/{attempt}/{network}/…    what an attempt has staged
  {network}/{number}.json              a version: created once, it names its files
  {network}/history/…                  changes of what serves, the newest first

A version is published when its object is created, and known when the head says so.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EEXIST
from pathlib import Path

import msgspec

from models.config import ModelName
from models.schema import TRIPLES
from service import taken_folder
from service.errors import NotFound
from service.file_lock import locked
from service.registry.manifest import Damaged, seal, sync
from service.registry.versions import Gone, Out, Registry, Stand, alters
from service.schemas import Change, Metadata
from service.store import history
from service.store.files import File, download
from service.store.head import Dataset, Network, prefix
from service.store.staging import StoredStaging
from service.store.store import Known, Store


class Manifest(msgspec.Struct, frozen=True):
    """A version: what it says of itself, and its files but for that and their hashes."""

    metadata: msgspec.Raw
    files: list[File]

    @property
    def about(self) -> Metadata:
        return Metadata.model_validate_json(bytes(self.metadata))


class StoredRegistry(Registry):
    """The versions of one dataset. Any number of machines may share the store."""

    staging: StoredStaging

    def __init__(self, artifacts: Path, store: Store, dataset: str = TRIPLES) -> None:
        super().__init__(artifacts, dataset)
        self.store = store
        self.staging = StoredStaging(artifacts, store)

    def of(self, dataset: str) -> "StoredRegistry":
        """The versions of another dataset, in the same store."""
        other = StoredRegistry(self.artifacts, self.store, dataset)
        other._checked = self._checked
        return other

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            FileExistsError: There are versions that are not from the store; they could be lost.
        """
        if not self.store.folder.exists() and any(self.artifacts.glob("*/*/[1-9]*/assets.extra")):
            raise FileExistsError(EEXIST, "it has versions that are not in the object store")
        super().prepare()
        self.store.prepare()

    def catch_up(self) -> None:
        """Reads the head. Raises Unavailable if the store does not answer."""
        self.store.refresh()

    def unconfirmed_seconds(self) -> float:
        """How long it is not known whether what is read is the newest."""
        return self.store.unconfirmed_seconds()

    @property
    def is_there(self) -> bool:
        """Whether there is such a dataset."""
        return self.dataset in self.store.head.datasets

    @property
    def life(self) -> str:
        """Another one for each dataset that has had this name; empty if there is none."""
        of = self.store.head.datasets.get(self.dataset)
        return of.life if of else ""

    @property
    def first_epoch(self) -> int:
        """The epoch before the first change of what serves."""
        of = self.store.head.datasets.get(self.dataset)
        return of.since if of else 0

    def state(self) -> tuple[object, ...]:
        """Another value whenever a version is published, promoted or removed."""
        of = self.store.head.datasets.get(self.dataset)
        return (of.life, of.networks) if of else ()

    def numbers(self, name: ModelName) -> list[int]:
        """The numbers of all versions, newest first."""
        return list(range(self._network(name).newest, 0, -1))

    def pointed(self, name: ModelName) -> int | None:
        """The number of the version that was last made to serve, whole or not."""
        return self._network(name).serving or None

    def last_change(self, name: ModelName) -> Change | None:
        """The change that stands of what serves."""
        return next(iter(self.changes(name, 1)), None)

    def changes(self, name: ModelName, limit: int | None = None) -> list[Change]:
        """All changes of what serves, newest first, or the newest of them."""
        of = self.store.head.datasets.get(self.dataset)
        if of is None:
            return []
        below = f"{prefix(self.dataset, of)}/{name}"
        return history.changes(self.store, below, of.network(name), limit)

    def metadata(self, name: ModelName, number: int) -> Metadata:
        """What a version says of itself. One that is on this machine and is damaged is fetched
        again.

        Raises:
            NotFound: There is no such version.
            Damaged: It is not what was published, in the store neither.
            Unavailable: It is damaged here, and the store does not answer.
        """
        if not 1 <= number <= self._network(name).newest:
            raise NotFound(f"there is no version {number} of the model {self.dataset}/{name}")
        manifest = self._manifest(name, number)
        if self.place(name, number).is_dir():
            self._mend(name, number, manifest)
        return manifest.about

    def folder(self, name: ModelName, number: int) -> Path:
        """Where a version lies on this machine, once it is fetched and whole."""
        self._mend(name, number, self._manifest(name, number))
        return self.place(name, number)

    def read(self, name: ModelName, number: int, file: Path) -> bytes:
        """One file of a version, which need not be on this machine."""
        if self.place(name, number).is_dir():
            return super().read(name, number, file)
        files = self._manifest(name, number).files
        key = next((each.key for each in files if each.path == file.as_posix()), None)
        content = key and self.store.kept(key)
        if not content:
            raise FileNotFoundError(file)
        return content

    def fetch(self, name: ModelName, numbers: Sequence[int]) -> None:
        """All at once."""
        if life := self.life:
            self.store.kept_all(self._key(name, number, life) for number in numbers)

    @contextmanager
    def deciding(self, name: ModelName, seconds: float) -> Iterator[None]:
        """Keeps nobody out: what is decided holds if nobody else was faster."""
        yield

    def out(self, name: ModelName, job_id: str) -> Out | None:
        """The version that a job has published already."""
        said = self.staging.said(job_id)
        if said is None:
            return next((Out(*each) for each in self.whole(name) if each[1].job_id == job_id), None)
        if (draft := said.networks.get(name)) is None:
            return None
        self._require(said.life)
        number = draft.after + 1
        while found := self.store.objects.get(self._key(name, number, said.life)):
            about = _about(found[0])
            if about.job_id == job_id:
                return Out(number, about)
            number += 1
        return None

    def add(self, name: ModelName, staged: Path, metadata: Metadata) -> Out:
        """Publishes what is staged under the first free number, and with this metadata.

        All numbers below a free one are taken by versions that never change: so whoever else
        publishes for the same job comes upon its version before it comes upon a free number.
        """
        said = self.staging.said(metadata.job_id)
        assert said is not None
        draft = said.networks[name]
        self._require(said.life)
        raw = msgspec.Raw(metadata.model_dump_json().encode())
        content = msgspec.json.encode(Manifest(raw, draft.files))
        number = draft.after + 1
        while there := self.store.objects.create(self._key(name, number, said.life), content):
            about = _about(there)
            if about.job_id == metadata.job_id:
                return Out(number, about)
            number += 1
        return Out(number, metadata, is_new=True)

    def require(self, name: ModelName, out: Out) -> None:
        """Raises Gone if the version is of a dataset that had the name before."""
        content = self.life and self.store.kept(self._key(name, out.number, self.life))
        if not content or _about(content).job_id != out.metadata.job_id:
            raise Gone(f"the dataset {self.dataset} was removed meanwhile")

    def stand(self, name: ModelName) -> Stand:
        """What serves at this moment."""
        known = self.store.refresh()
        self._of(known)
        return Stand(self.serving(name), known)

    def point(self, name: ModelName, stand: Stand, number: int, change: Change | None) -> bool:
        """Makes a published version known, and makes a change of what serves, if there is one.

        Returns:
            Whether it is made: not where the head is another one by now.
        """
        known = stand.as_read
        assert isinstance(known, Known)
        of = self._of(known)
        before = of.network(name)
        after = msgspec.structs.replace(before, newest=max(before.newest, number))
        if change is not None and alters(change, self.last_change(name)):
            after = history.add(self.store, f"{prefix(self.dataset, of)}/{name}", after, change)
        if after == before:
            return True
        changed = msgspec.structs.replace(of, networks={**of.networks, name: after})
        return self.store.swap(known, known.head.then(self.dataset, changed))

    def _network(self, name: ModelName) -> Network:
        of = self.store.head.datasets.get(self.dataset)
        return of.network(name) if of else Network()

    def _of(self, known: Known) -> Dataset:
        of = known.head.datasets.get(self.dataset)
        if of is None:
            raise Gone(f"there is no dataset {self.dataset} any more")
        return of

    def _require(self, life: str) -> None:
        of = self.store.head.datasets.get(self.dataset)
        if of is None or of.life != life:
            raise Gone(f"the dataset {self.dataset} was removed meanwhile")

    def _key(self, name: ModelName, number: int, life: str) -> str:
        return f"{prefix(self.dataset, Dataset(life))}/{name}/{number}.json"

    def _manifest(self, name: ModelName, number: int) -> Manifest:
        life = self.life
        content = life and self.store.kept(self._key(name, number, life))
        if not content:
            raise NotFound(f"there is no version {number} of the model {self.dataset}/{name}")
        return msgspec.json.decode(content, type=Manifest)

    def _mend(self, name: ModelName, number: int, manifest: Manifest) -> None:
        """Fetches a version that is not here, or not as it was published."""
        if self._is_here(name, number, manifest):
            return
        place = self.place(name, number)
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.parent):
            if self._is_here(name, number, manifest):  # another has fetched it meanwhile
                return
            taken = taken_folder.take(self.store.incoming)
            try:
                download(self.store.objects, manifest.files, taken.folder / "new")
                seal(taken.folder / "new", manifest.about)
                if place.exists():
                    place.rename(taken.folder / "old")
                (taken.folder / "new").rename(place)
                sync(place.parent)
            finally:
                taken_folder.discard(taken)

    def _is_here(self, name: ModelName, number: int, manifest: Manifest) -> bool:
        try:
            # A dataset that was removed and made again counts its versions anew.
            return super().metadata(name, number).job_id == manifest.about.job_id
        except (Damaged, NotFound):
            return False


def _about(manifest: bytes) -> Metadata:
    return msgspec.json.decode(manifest, type=Manifest).about
