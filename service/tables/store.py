"""Every revision of every table: published whole by one rename, and never changed.

artifacts/.datasets/
  houses/
    1/ 2/ …         data.parquet, schema.json (see revisions.py) and manifest.sha256; of a table
                    that stays elsewhere, not its data but link.json (link.py) and first.parquet
  .staging/         see taken_folder.py

A dataset's folder appears with its first revision in it. Whoever publishes or removes holds the
lock of `.datasets` for the moment that a rename takes.
"""

import logging
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.config import TableDataset
from models.schema import DATASET_NAME, TRIPLES, TableSchema
from service import taken_folder
from service.errors import RETRY_LATER, Invalid, NotFound, Unavailable, excerpt
from service.file_lock import Locked, locked
from service.nearest import did_you_mean
from service.registry.manifest import numbered, seal_files, sync, verify_files, write_whole
from service.tables.options import Options
from service.tables.revisions import Description, Stored, Upload

logger = logging.getLogger(__name__)

FOLDER = ".datasets"

DATA = Path("data.parquet")
FIRST = Path("first.parquet")
SCHEMA = Path("schema.json")
MANIFEST = Path("manifest.sha256")

LOCK_SECONDS = 5.0
"""How long one waits for another that publishes or removes."""

_is_name = re.compile(DATASET_NAME).fullmatch


class SchemaChanged(Exception):
    """Since a table was read, its dataset has come to have other columns, or is gone."""


class Tables:
    """The tables in one artifacts folder. Any number of processes may share the folder."""

    def __init__(self, artifacts: Path) -> None:
        self.artifacts = artifacts
        self.root = artifacts / FOLDER
        self.staging = self.root / ".staging"

    def names(self) -> list[str]:
        """All datasets but the built-in one, sorted."""
        try:
            return sorted(filter(_is_name, os.listdir(self.root)))
        except FileNotFoundError:
            return []

    def folder(self, name: str, number: int) -> Path:
        """Where a revision lies."""
        return self.root / name / str(number)

    def numbers(self, name: str) -> list[int]:
        """The numbers of a dataset's revisions, damaged ones too, newest first; or none."""
        return numbered(self.root / name)

    def state(self, name: str) -> tuple[int, bytes] | None:
        """Another value whenever another revision is the newest; cheap to ask for. None if there is
        no such dataset.

        A dataset that is made anew counts from one again: its manifest tells. In an object store it
        has another life, which is part of the registry's state.
        """
        newest = next(iter(self.numbers(name)), None)
        if newest is None:
            return None
        with suppress(OSError):
            return newest, (self.root / name / str(newest) / MANIFEST).read_bytes()
        return newest, b""

    def whole(self, name: str) -> Iterator[tuple[int, Stored]]:
        """The revisions that can be read, newest first."""
        for number in self.numbers(name):
            try:
                yield number, self._read(name, number)
            except FileNotFoundError:
                continue  # just removed
            except ValueError as error:
                logger.error("%s is damaged: %s", self.folder(name, number), error)

    def find(self, name: str, number: int | None = None) -> tuple[int, Stored]:
        """The number of a revision, by default of the newest one, and what is kept of it.

        Raises:
            NotFound: There is no such dataset or revision, or it is damaged.
        """
        if number is None:
            for found in self.whole(name):
                return found
        elif number in self.numbers(name):
            with suppress(FileNotFoundError):  # just removed
                try:
                    return number, self._read(name, number)
                except ValueError:
                    raise NotFound(f"revision {number} of {name} is damaged") from None
        if not (numbers := self.numbers(name)):
            raise self._unknown(name)
        if number is None:
            raise NotFound(f"all revisions of {name} are damaged")
        raise NotFound(f"there is no revision {number} of {name}; the newest is {numbers[0]}")

    def require(self, name: str) -> None:
        """Raises NotFound if there is no such dataset; the built-in one is always there."""
        if name != TRIPLES and not self.numbers(name):
            raise self._unknown(name)

    def newest(self, name: str) -> int:
        """The number of the newest revision.

        Raises:
            NotFound: There is no such dataset.
        """
        return self.find(name)[0]

    def revision(self, name: str, number: int | None = None) -> Description:
        """What is told of a revision, by default of the newest one.

        Raises:
            NotFound: There is no such dataset or revision, or it is damaged.
        """
        found, stored = self.find(name, number)
        return Description.of(name, found, stored)

    def verify(self, name: str, number: int) -> None:
        """Hashes all of a revision. Raises Damaged if it is not what was published, or gone."""
        verify_files(self.folder(name, number), MANIFEST, {SCHEMA})

    def look(self, name: str, number: int) -> Path:
        """Parquet with the first rows of a revision, in order."""
        first = self.folder(name, number) / FIRST
        return first if first.exists() else first.with_name(DATA.name)

    def pin(self, dataset: TableDataset) -> tuple[TableDataset, Stored]:
        """The same table, with the number of a revision; and what is kept of that.

        Raises:
            NotFound: There is no such dataset or revision.
            Invalid: It has no such column to be split by.
        """
        number, stored = self.find(dataset.name, dataset.revision)
        schema, by = stored.contents.table_schema, dataset.split_by
        columns = [*(column.name for column in schema.features), *schema.others]
        if by is not None and by not in columns:
            raise Invalid(
                f"dataset.split_by: {dataset.name} has no column {excerpt(by)} to be ordered by"
                f"{did_you_mean(by, columns)}"
            )
        return dataset.model_copy(update={"revision": number}), stored

    def expected(self, name: str) -> TableSchema | None:
        """The columns that the next revision must have, if there is a revision already."""
        return next((stored.contents.table_schema for _, stored in self.whole(name)), None)

    def newest_of(self, name: str, upload: Upload, options: Options) -> Description | None:
        """The newest revision, if it was made of these bytes in this way."""
        for number, stored in self.whole(name):
            if (stored.upload, stored.options) == (upload, options):
                return Description.of(name, number, stored)
            break
        return None

    def publish(
        self, name: str, folder: Path, stored: Stored, expected: TableSchema | None
    ) -> tuple[Description, bool]:
        """Makes a staged folder, with all that is kept but `schema.json`, a revision.

        Args:
            folder: It is gone afterwards.
            expected: What the dataset's columns were when the table was read.

        Returns:
            The revision, and whether it is new: there may be one of the same bytes by now.

        Raises:
            SchemaChanged: The columns are not as expected any more.
            Unavailable: Another process has been publishing for too long.
        """
        write_whole(folder / SCHEMA, stored.model_dump_json(indent=1) + "\n")
        seal_files(folder, MANIFEST)
        with self._locked():
            if self.expected(name) != expected:
                raise SchemaChanged
            if same := self.newest_of(name, stored.upload, stored.options):
                return same, False
            number = max(self.numbers(name), default=0) + 1
            if number > 1:
                folder.rename(self.folder(name, number))
                sync(self.root / name)
            else:
                dataset = folder.with_name("dataset")
                dataset.mkdir()
                folder.rename(dataset / "1")
                sync(dataset)
                dataset.rename(self.root / name)
                sync(self.root)
        return Description.of(name, number, stored), True

    def remove_oldest(self, name: str, keep: int, needed: Collection[int]) -> None:
        """Removes the revisions beyond the `keep` newest ones, but those that are `needed`."""
        with self._bin() as bin_, self._locked():
            for number in self.numbers(name)[keep:]:
                if number not in needed:
                    self.folder(name, number).rename(bin_ / str(number))

    def remove(self, name: str) -> None:
        """Removes a dataset: all its revisions, and the models that were trained on it.

        Raises:
            NotFound: There is no such dataset.
        """
        with self._bin() as bin_, self._locked():
            if name not in self.names():
                raise self._unknown(name)
            # Models first: whoever finds the dataset still there can remove the rest.
            with suppress(FileNotFoundError):
                (self.artifacts / name).rename(bin_ / "models")
            (self.root / name).rename(bin_ / "revisions")
            sync(self.root)

    def _read(self, name: str, number: int) -> Stored:
        return Stored.model_validate_json((self.folder(name, number) / SCHEMA).read_bytes())

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"there is no dataset {name}{did_you_mean(name, self.names())}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(self.root, LOCK_SECONDS):
                yield
        except Locked:
            raise Unavailable(
                "another dataset is being changed just now", RETRY_LATER, "busy"
            ) from None

    @contextmanager
    def _bin(self) -> Iterator[Path]:
        """Where to put what is removed. It is emptied once the lock is free again."""
        staged = taken_folder.take(self.staging)
        try:
            yield staged.folder
        finally:
            taken_folder.discard(staged)
