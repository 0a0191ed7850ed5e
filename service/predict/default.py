"""Which serving version answers where none is named: the one that errs least on the same rows."""

from collections.abc import Collection
from typing import NamedTuple

import msgspec
import numpy as np

from models.losses import error
from models.schema import Task
from service.predict.formats import json_format
from service.predict.formats.question import Limits
from service.predict.loaded import Loaded
from service.registry.manifest import HELD_OUT
from service.registry.versions import Registry

IN_WORDS: dict[Task, str] = {"regression": "RMSE", "binary": "log loss"}

UNBOUNDED = Limits(2**63 - 1, 2**63 - 1)
"""For rows that we keep ourselves."""


class Default(NamedTuple):
    """The version that answers, and why it does."""

    loaded: Loaded
    reason: str


class HeldOut(msgspec.Struct):
    """Rows that a version was not trained on: instances as `POST /predict` takes them."""

    instances: msgspec.Raw
    targets: list[float]


NONE = HeldOut(msgspec.Raw(b"[]"), [])


def choose(serving: Collection[Loaded], registry: Registry) -> Default | None:
    """Picks one of the serving versions of a dataset; None if there are none.

    Versions whose jobs held out the same rows have been measured on them already. Others are
    measured on rows that one of them has kept: on the most, and of as many on the newest ones.
    """
    if len(serving) < 2:
        return next((Default(only, "no other network serves") for only in serving), None)
    about = {each: registry.version(each.model, each.version).metadata for each in serving}
    by_age = sorted(serving, key=lambda each: about[each].created_at, reverse=True)
    newest = by_age[0]
    task = newest.intake.schema.task
    if all(about[each].config.dataset == about[newest].config.dataset for each in serving):
        errors = {each: about[each].scores[about[each].chosen_by] for each in serving}
        where = "on the rows that the jobs of all of them held out"
    else:
        kept = {each: held_out(each, registry) for each in by_age}
        judge = max(by_age, key=lambda each: len(kept[each].targets))
        rows = kept[judge]
        if not rows.targets:
            return Default(newest, "it is the newest, and none has kept rows to compare them on")
        errors = {each: _error(each, rows, task) for each in serving}
        where = f"on {len(rows.targets)} rows that the job of {judge} held out"
    best, *others = sorted(by_age, key=errors.__getitem__)
    theirs = ", ".join(f"that of {other} is {errors[other]:.10g}" for other in others)
    return Default(best, f"its {IN_WORDS[task]} is {errors[best]:.10g} {where}; {theirs}")


def held_out(loaded: Loaded, registry: Registry) -> HeldOut:
    """The rows that a version has kept; none, where it is one of 0.1.0."""
    path = registry.folder(loaded.model, loaded.version) / HELD_OUT
    try:
        return msgspec.json.decode(path.read_bytes(), type=HeldOut)
    except FileNotFoundError:
        return NONE


def _error(loaded: Loaded, rows: HeldOut, task: Task) -> float:
    """The error of a version on these rows, read as those of `POST /predict` are."""
    features = json_format.read(rows.instances, loaded.intake, UNBOUNDED)
    with np.errstate(over="ignore", invalid="ignore"):
        of_rows = error(loaded.predict(features), np.array(rows.targets), task)
    return of_rows if np.isfinite(of_rows) else np.inf
