"""What answers in each dataset: read once, and again whenever something has changed."""

import asyncio
from bisect import bisect_right
from contextlib import suppress
from datetime import datetime
from functools import partial

from pydantic import Field, ValidationError

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES, Task
from service.errors import NotFound, Unavailable
from service.predict.default import Choice, choose_among
from service.predict.loaded import Loaded, load
from service.registry.manifest import COMPARISON
from service.registry.shapes import Measured
from service.registry.versions import Registry
from service.schemas import Default, Metadata, Schema, Scores
from service.tables.revisions import THE_TRIPLES, Description
from service.tables.store import Tables

KEPT = 10_000
"""Of so many datasets it stays in memory what answers."""


class Answering(Schema):
    """A dataset, and what answers where it is asked about."""

    dataset: str
    task: Task | None = Field(default=None, description="Null where the table is damaged.")
    rows: int | None = Field(default=None, description="Of the newest revision.")
    default: Default | None = None
    since: datetime | None = Field(default=None, description="When that version came to serve.")
    score: str | None = Field(default=None, description="The error that is told: the reported one.")
    error: float | None = None
    baselines: Scores = Field(default={}, description="The same error of each, from the same job.")


class AnsweringDatasets(Schema):
    """A page of datasets, by name."""

    datasets: list[Answering]
    next_cursor: str | None = Field(default=None, description="Of the next page, if there is one.")


class Answers:
    """What answers, as far as it has been asked for. It loads no version but to measure it."""

    def __init__(self, registry: Registry, tables: Tables) -> None:
        self._registry = registry
        self._tables = tables
        self._known: dict[str, tuple[object, Answering]] = {}
        # The first look at many versions takes a while: one thread is enough for it.
        self._reading = asyncio.Lock()

    async def page(self, part: str, after: str | None, limit: int) -> AnsweringDatasets:
        """The first of the datasets with this part in their names, after one of them."""
        async with self._reading:
            return await asyncio.to_thread(self._page, part, after, limit)

    def _page(self, part: str, after: str | None, limit: int) -> AnsweringDatasets:
        names = sorted(name for name in (*self._tables.names(), TRIPLES) if part in name)
        names = names[bisect_right(names, after) if after else 0 :]
        return AnsweringDatasets(
            datasets=[found for name in names[:limit] if (found := self.of(name))],
            next_cursor=names[limit - 1] if len(names) > limit else None,
        )

    def of(self, dataset: str) -> Answering | None:
        """What answers of a dataset now; None if it has just gone."""
        registry = self._registry.of(dataset)
        table = None if dataset == TRIPLES else self._tables.state(dataset)
        if dataset != TRIPLES and table is None:
            return None
        state = (table, registry.state())
        known, found = self._known.get(dataset, (None, None))
        if found is None or known != state:
            try:
                found = self._read(dataset, registry)
            except Unavailable:  # it is damaged here, say: the others are told of even so
                return Answering(dataset=dataset, task=None, rows=None)
            while len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)), None)
            self._known[dataset] = state, found
        return found

    def _read(self, dataset: str, registry: Registry) -> Answering:
        about: Description | None = None
        with suppress(NotFound):
            about = THE_TRIPLES if dataset == TRIPLES else self._tables.revision(dataset)
        table = {"dataset": dataset, "task": about and about.task, "rows": about and about.rows}
        with suppress(NotFound):  # a version that is damaged, or vanished as it was looked at
            found = {name: registry.serving(name) for name in MODEL_NAMES}
            serving = {name: number for name, number in found.items() if number}
            loaded = partial(_load, registry, serving)
            if choice := choose_among(serving, registry, loaded):
                return Answering(**table, **_answer(registry, choice))
        return Answering(**table)


def _load(registry: Registry, serving: dict[ModelName, int], name: ModelName) -> Loaded:
    return load(registry, name, serving[name])


def _answer(registry: Registry, choice: Choice) -> dict[str, object]:
    about = registry.version(choice.model, choice.version).metadata
    change = registry.last_change(choice.model)
    is_it = change is not None and change.version == choice.version
    score = _reported(about)
    return {
        "default": Default(model=choice.model, version=choice.version, reason=choice.reason),
        "since": change.changed_at if change and is_it else about.created_at,
        "score": score,
        "error": about.scores.get(score),
        "baselines": _baselines(registry, choice, about, score),
    }


def _reported(about: Metadata) -> str:
    """The error by which a comparison is made; versions are chosen by another."""
    return about.chosen_by.replace("validation", "test")


def _baselines(registry: Registry, choice: Choice, about: Metadata, score: str) -> Scores:
    try:
        file = registry.read(choice.model, choice.version, COMPARISON)
        rows = Measured.model_validate_json(file).baselines
    except (FileNotFoundError, ValidationError):  # from before there was one
        return {"mean": about.baseline[score]} if score in about.baseline else {}
    return {
        name: found
        for name, row in rows.items()
        if (found := (row.model_extra or {}).get(score)) is not None
    }
