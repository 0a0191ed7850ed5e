"""Every revision of every table, in an object store; what is in use is on this machine, too.

datasets/{dataset}/{life}/tables/{id}/
  data.parquet     or, of a table that stays elsewhere, link.json and first.parquet
  manifest.json    what is kept of it, and its files

A revision is published when the head names its id, and is gone when that does not any more. What
is written of one that is never published is found by `uploads/{id}`; see tidying.py.
"""

import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

from models.config import TableDataset
from models.schema import TRIPLES, TableSchema
from service import taken_folder
from service.errors import Unavailable
from service.file_lock import locked
from service.registry.manifest import Damaged, seal_files, sync, verify_files, write_whole
from service.store.files import File, download, upload
from service.store.head import Dataset, Head, Revision, new_id, prefix
from service.store.store import Store
from service.store.tidying import UPLOADS
from service.tables.revisions import Description, Stored
from service.tables.store import MANIFEST, SCHEMA, SchemaChanged, Tables


class Manifest(msgspec.Struct, frozen=True):
    """A revision: what is kept of it, and its files."""

    stored: msgspec.Raw
    files: list[File]


class StoredTables(Tables):
    """The tables in one object store. Any number of machines may share it."""

    def __init__(self, artifacts: Path, store: Store) -> None:
        super().__init__(artifacts)
        self.store = store
        self.fetched = store.folder / "tables"

    def names(self) -> list[str]:
        """All datasets but the built-in one, sorted."""
        return sorted(self.store.head.datasets.keys() - {TRIPLES})

    def numbers(self, name: str) -> list[int]:
        """The numbers of a dataset's revisions, newest first; or none."""
        of = self.store.head.datasets.get(name)
        return sorted((each.number for each in of.revisions), reverse=True) if of else []

    def find(self, name: str, number: int | None = None) -> tuple[int, Stored]:
        """As in the folder.

        Raises:
            Unavailable: It is not known here, and the store does not answer.
        """
        numbers = self.numbers(name)
        if not numbers or number not in (None, *numbers):  # it may just have come elsewhere
            self.store.refresh()
        return super().find(name, number)

    def folder(self, name: str, number: int) -> Path:
        """Where a revision lies on this machine, once it is fetched."""
        key, revision = self._find(name, number)
        place = self.fetched / revision.id
        if not place.is_dir():
            self._fetch(self._manifest(key), place)
        return place

    def pin(self, dataset: TableDataset) -> tuple[TableDataset, Stored]:
        """As in the folder.

        Raises:
            Unavailable: The store does not answer: another machine may have put a newer revision.
        """
        self.store.refresh()
        return super().pin(dataset)

    def verify(self, name: str, number: int) -> None:
        """Hashes all of a revision; if it is damaged here, it is fetched again.

        Raises:
            Damaged: It is not what was published, in the store neither.
        """
        place = self.folder(name, number)
        if not _is_whole(place):
            self._fetch(self._manifest(self._find(name, number)[0]), place)

    def publish(
        self, name: str, folder: Path, stored: Stored, expected: TableSchema | None
    ) -> tuple[Description, bool]:
        """Makes a staged folder a revision; see `Tables`."""
        new, life, written = new_id(), new_id(), ""
        pointer = f"{UPLOADS}{new}"
        while True:
            known = self.store.refresh()
            of = known.head.datasets.get(name) or Dataset(life, since=known.head.swaps)
            number = max((each.number for each in of.revisions), default=0) + 1
            below = f"{prefix(name, of)}/tables/{new}"
            is_as_expected = self.expected(name) == expected
            same = self.newest_of(name, stored.upload, stored.options)
            if written and (same or not is_as_expected or below != written):
                self.store.delete(f"{written}/")
                self.store.objects.delete([pointer])
            if not is_as_expected:
                raise SchemaChanged
            if same:
                return same, False
            if below != written:
                self.store.objects.put(pointer, f"{below}/".encode())
                self._write(below, folder, stored)
                written = below
            changed = msgspec.structs.replace(of, revisions=(*of.revisions, Revision(number, new)))
            if self.store.swap(known, known.head.then(name, changed)):
                shutil.rmtree(folder)
                with suppress(Unavailable):  # it is published, and what is left here is swept
                    self.store.objects.delete([pointer])
                return Description.of(name, number, stored), True

    def remove_oldest(self, name: str, keep: int, needed: Collection[int]) -> None:
        """Removes the revisions beyond the `keep` newest ones, but those that are `needed`."""

        def without(head: Head) -> Head:
            if (of := head.datasets.get(name)) is None:
                return head
            old = [each for each in of.revisions[:-keep] if each.number not in needed]
            if not old:
                return head
            kept = tuple(each for each in of.revisions if each not in old)
            removed = tuple(f"{prefix(name, of)}/tables/{each.id}/" for each in old)
            return head.then(name, msgspec.structs.replace(of, revisions=kept), removed)

        self.store.change(without)

    def remove(self, name: str) -> None:
        """Removes a dataset: all its revisions, and the models that were trained on it.

        Raises:
            NotFound: There is no such dataset.
        """

        def without(head: Head) -> Head:
            if (of := head.datasets.get(name)) is None:
                raise self._unknown(name)
            return head.then(name, None, (f"{prefix(name, of)}/",))

        self.store.change(without)

    def _read(self, name: str, number: int) -> Stored:
        return Stored.model_validate_json(bytes(self._manifest(self._find(name, number)[0]).stored))

    def _find(self, name: str, number: int) -> tuple[str, Revision]:
        of = self.store.head.datasets.get(name)
        for each in of.revisions if of else ():
            if of and each.number == number:
                return f"{prefix(name, of)}/tables/{each.id}/manifest.json", each
        raise FileNotFoundError(f"revision {number} of {name}")

    def _manifest(self, key: str) -> Manifest:
        found = self.store.kept(key)
        if found is None:
            raise FileNotFoundError(key)
        return msgspec.json.decode(found, type=Manifest)

    def _write(self, below: str, folder: Path, stored: Stored) -> None:
        files = upload(self.store.objects, folder, below, {SCHEMA, MANIFEST})
        raw = msgspec.Raw(stored.model_dump_json().encode())
        self.store.objects.put(f"{below}/manifest.json", msgspec.json.encode(Manifest(raw, files)))

    def _fetch(self, manifest: Manifest, place: Path) -> None:
        self.fetched.mkdir(parents=True, exist_ok=True)
        taken = taken_folder.take(self.store.incoming)
        try:
            new = taken.folder / "new"
            download(self.store.objects, manifest.files, new)
            stored = Stored.model_validate_json(bytes(manifest.stored))
            write_whole(new / SCHEMA, stored.model_dump_json(indent=1) + "\n")
            seal_files(new, MANIFEST)
            with locked(self.fetched):  # else another could find nothing, or two
                if _is_whole(place):  # another has fetched it meanwhile
                    return
                if place.exists():
                    place.rename(taken.folder / "old")
                new.rename(place)
                sync(self.fetched)
        finally:
            taken_folder.discard(taken)


def _is_whole(place: Path) -> bool:
    try:
        verify_files(place, MANIFEST, {SCHEMA})
    except Damaged:
        return False
    return True
