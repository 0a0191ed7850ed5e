"""How far a version is off on the rows that its job held out, by the file that serves."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.config import ModelName
from models.schema import Column, Task
from service.errors import NotFound
from service.predict.default import UNBOUNDED, HeldOut, held_out
from service.predict.formats import json_format
from service.predict.loaded import Loaded, load
from service.registry.versions import Registry
from service.schemas import Schema

MOST_VALUES = 1_000_000
"""Of the held-out rows, the first are taken that have no more values than these."""

VALUES_AT_ONCE = 20_000
"""They are read a few at a time, so that others get their turn."""

SAMPLED = 500

BINS = 20
"""Of a feature, at most; of words the most frequent ones."""

MOST_FEATURES = 100
"""The first ones; a wider table would make too long an answer."""

WORD_LENGTH = 200

LARGEST = 1e300
"""A residual beyond is as good as infinite: so many cannot even be added up."""

KEPT = 32
"""So many answers are kept: versions never change."""


class Bin(Schema):
    """Rows whose values of a feature lie close together: numbers from `low` to `high`, or a word.

    Residuals are true less predicted. Where a bin has neither, it is of what is missing, or of
    all `others`.
    """

    low: float | None = None
    high: float | None = None
    value: str | None = None
    others: int | None = Field(default=None, description="So many different words.")
    rows: int
    mean: float = Field(description="Of their residuals.")
    p10: float
    p90: float


class FeatureResiduals(Schema):
    """The residuals over the values of a feature."""

    name: str
    kind: Literal["numeric", "categorical"]
    bins: list[Bin]


class Residuals(Schema):
    """Predicted against true, and how far the one is off over each feature.

    Of a binary target, true is 0 or 1, and predicted the probability of 1.
    """

    dataset: str
    model: ModelName
    version: int
    task: Task
    split: Literal["eval", "validation"] = Field(description="The rows by which versions compete.")
    rows: int = Field(description="Of those that the version keeps.")
    not_finite: int = Field(description="Of these, predictions that are no number: left out.")
    sample: list[tuple[float, float]] = Field(description="True, predicted: of 500 rows at most.")
    features: list[FeatureResiduals] = Field(description="The first 100.")


class ResidualsOf:
    """Works out residuals, one version at a time, and keeps the last ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ModelName, int, str], Residuals] = OrderedDict()
        self._working = asyncio.Lock()

    async def version(self, registry: Registry, model: ModelName, number: int) -> Residuals:
        """The residuals of a version.

        Raises:
            NotFound: There is no such version, it is damaged, or it has kept no rows.
        """
        about = (await asyncio.to_thread(registry.version, model, number)).metadata
        # A dataset that was deleted and made again counts its versions anew.
        key = (registry.dataset, model, number, about.job_id)
        async with self._working:
            if key not in self._kept:
                self._kept[key] = await asyncio.to_thread(residuals, registry, model, number)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


def residuals(registry: Registry, model: ModelName, number: int) -> Residuals:
    """Works out the residuals of a version.

    Raises:
        NotFound: There is no such version, it is damaged, or it has kept no rows.
    """
    loaded = load(registry, model, number)
    rows = held_out(registry, model, number)
    if not rows.targets:
        which = f"version {number} of the model {registry.dataset}/{model}"
        raise NotFound(f"{which} is from before held-out rows were kept; train again")
    columns, predicted = _predicted(loaded, rows)
    true = np.array(rows.targets[: len(predicted)])
    with np.errstate(over="ignore", invalid="ignore"):
        apart = true - predicted
    finite = np.abs(apart) < LARGEST
    true, predicted, apart = true[finite], predicted[finite], apart[finite]
    chosen = np.sort(
        np.random.default_rng(0).choice(len(true), min(SAMPLED, len(true)), replace=False)
    )
    intake = loaded.intake
    return Residuals(
        dataset=registry.dataset,
        model=model,
        version=number,
        task=intake.schema.task,
        split="eval" if intake.are_triples else "validation",
        rows=len(finite),
        not_finite=int(np.count_nonzero(~finite)),
        sample=list(zip(true[chosen].tolist(), predicted[chosen].tolist(), strict=True)),
        features=[
            FeatureResiduals(
                name=feature.name,
                kind=feature.kind,
                bins=list(_bins(feature, column[finite], apart)),
            )
            for feature, column in zip(intake.features, columns, strict=False)
        ],
    )


def _predicted(loaded: Loaded, rows: HeldOut) -> tuple[list[NDArray[Any]], NDArray[np.float64]]:
    """The values of each feature, and the predictions, of as many rows as are taken."""
    width = len(loaded.intake.names)
    instances = msgspec.json.decode(rows.instances, type=list[msgspec.Raw])
    instances = instances[: max(1, MOST_VALUES // width)]
    at_once = max(1, VALUES_AT_ONCE // width)
    blocks, predictions = [], []
    for start in range(0, len(instances), at_once):
        part = msgspec.Raw(b"[" + b",".join(map(bytes, instances[start : start + at_once])) + b"]")
        features = json_format.read(part, loaded.intake, UNBOUNDED)
        predictions.append(loaded.predict(features).astype(np.float64))
        columns = features["features"].T if loaded.intake.are_triples else features.values()
        blocks.append(list(columns)[:MOST_FEATURES])
    joined = [np.concatenate(column) for column in zip(*blocks, strict=True)]
    return joined, np.concatenate(predictions)


def _bins(feature: Column, values: NDArray[Any], apart: NDArray[np.float64]) -> Iterator[Bin]:
    if not len(values):
        return
    if feature.kind == "numeric":
        missing = np.isnan(values)
        yield from _ranges(values[~missing], apart[~missing])
    else:
        missing = values == ""
        yield from _words(values[~missing], apart[~missing])
    if missing.any():
        yield _bin(apart[missing])


def _ranges(values: NDArray[np.float64], apart: NDArray[np.float64]) -> Iterator[Bin]:
    """Bins of about as many rows; of few different numbers one for each."""
    lows = np.unique(values)
    if len(lows) > BINS:
        lows = np.unique(np.sort(values)[np.arange(BINS) * len(values) // BINS])
    of_row = np.searchsorted(lows, values, side="right") - 1
    for place in range(len(lows)):
        within = of_row == place
        here = values[within]
        yield _bin(apart[within], low=float(here.min()), high=float(here.max()))


def _words(values: NDArray[Any], apart: NDArray[np.float64]) -> Iterator[Bin]:
    """The most frequent words first, then all others together."""
    words, of_row, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    for place in order[:BINS]:
        yield _bin(apart[of_row == place], value=str(words[place])[:WORD_LENGTH])
    if len(order) > BINS:
        others = np.isin(of_row, order[BINS:])
        yield _bin(apart[others], others=len(order) - BINS)


def _bin(apart: NDArray[np.float64], **where: Any) -> Bin:
    p10, p90 = np.quantile(apart, [0.1, 0.9]).tolist()
    return Bin(rows=len(apart), mean=float(apart.mean()), p10=p10, p90=p90, **where)
