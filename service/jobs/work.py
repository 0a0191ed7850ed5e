"""What the child of a job, and that of a helper, work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import tensorflow

from models.config import SyntheticDataset, TrainConfig
from models.experiment import Experiment, TableExperiment, TriplesExperiment
from models.parquet import OneFile
from models.table import prepare
from service.errors import NotFound
from service.jobs import compile_cache
from service.jobs.patience import for_a_while
from service.jobs.recorder import Report
from service.registry.versions import Registry
from service.store.places import Places
from service.tables.link import LINK
from service.tables.linked_parquet import LinkedParquet
from service.tables.store import DATA
from service.taken_folder import Taken

ROWS = "rows"
"""Where the encoded rows of a table are, in the folder of an attempt."""


class Work(NamedTuple):
    """A job, and where it is done."""

    job_id: str
    config: TrainConfig
    where: Places
    attempt: Taken
    """The folder of this one."""
    memory_bytes: int
    """For the encoded rows of a table; beyond, they are read from disk."""
    report: Report
    table_made_at: str | None = None
    """When the table came that the job was posted for, if that is known."""


@contextmanager
def compiling(registry: Registry) -> Iterator[None]:
    """What is compiled here need not be compiled again, unless it ends in an error."""
    cache = compile_cache.enable(registry.artifacts / ".compiled", tensorflow.__version__)
    yield
    if cache is not None:
        compile_cache.record(cache)


def experiment_of(work: Work) -> Experiment:
    """What its dataset is. Raises NotFound, Damaged or Unsuitable, as `trainer.train`."""
    config, tables = work.config, work.where.tables
    if isinstance(config.dataset, SyntheticDataset):
        return TriplesExperiment(config, config.dataset)
    name = config.dataset.name
    number, stored = tables.find(name, config.dataset.revision)
    if work.table_made_at not in (None, stored.made_at):
        raise NotFound(
            f"the dataset {name} was removed and made anew since the job was posted: its "
            f"revision {number} is another table"
        )
    tables.verify(name, number)
    schema, folder = stored.contents.table_schema, tables.folder(name, number)
    parquet = (
        LinkedParquet(folder / LINK, stored.contents, stored.options, for_a_while)
        if stored.options.url
        else OneFile(folder / DATA)
    )
    table = prepare(
        parquet,
        schema,
        config.dataset,
        work.attempt.folder / ROWS,
        work.memory_bytes,
        config.precision,
        config.numeric_embedding.values if config.numeric_embedding else 0,
    )
    return TableExperiment(config, table)
