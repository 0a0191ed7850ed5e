"""Which serving version answers where none is named: the one that errs least on the same rows."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from models.config import ModelName
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


class Choice(NamedTuple):
    """The same, whether or not it is loaded."""

    model: ModelName
    version: int
    reason: str


class HeldOut(msgspec.Struct):
    """Rows that a version was not trained on: instances as `POST /predict` takes them."""

    instances: msgspec.Raw
    targets: list[float]


NONE = HeldOut(msgspec.Raw(b"[]"), [])


def choose(serving: Collection[Loaded], registry: Registry) -> Default | None:
    """Picks one of the serving versions of a dataset; None if there are none."""
    by_name = {each.model: each for each in serving}
    versions = {name: each.version for name, each in by_name.items()}
    choice = choose_among(versions, registry, by_name.__getitem__)
    return choice and Default(by_name[choice.model], choice.reason)


def choose_among(
    serving: Mapping[ModelName, int], registry: Registry, loaded: Callable[[ModelName], Loaded]
) -> Choice | None:
    """Picks one of the serving versions of a dataset; None if there are none.

    Versions whose jobs held out the same rows have been measured on them already. Others are
    measured on rows that one of them has kept: on the most, and of as many on the newest ones.

    Args:
        loaded: Asked for those that have to be measured.
    """
    if len(serving) < 2:
        return next((Choice(*only, "no other network serves") for only in serving.items()), None)
    about = {name: registry.version(name, number).metadata for name, number in serving.items()}
    by_age = sorted(serving, key=lambda name: about[name].created_at, reverse=True)
    newest = by_age[0]
    table = about[newest].table
    task = table.task if table else "regression"
    if all(about[name].config.dataset == about[newest].config.dataset for name in serving):
        errors = {name: about[name].scores[about[name].chosen_by] for name in serving}
        where = "on the rows that the jobs of all of them held out"
    else:
        kept = {name: held_out(registry, name, serving[name]) for name in by_age}
        judge = max(by_age, key=lambda name: len(kept[name].targets))
        rows = kept[judge]
        if not rows.targets:
            reason = "it is the newest, and none has kept rows to compare them on"
            return Choice(newest, serving[newest], reason)
        errors = {name: _error(loaded(name), rows, task) for name in serving}
        whose = f"{judge} version {serving[judge]}"
        where = f"on {len(rows.targets)} rows that the job of {whose} held out"
    best, *others = sorted(by_age, key=errors.__getitem__)
    theirs = ", ".join(
        f"that of {name} version {serving[name]} is {errors[name]:.10g}" for name in others
    )
    reason = f"its {IN_WORDS[task]} is {errors[best]:.10g} {where}; {theirs}"
    return Choice(best, serving[best], reason)


def held_out(registry: Registry, model: ModelName, version: int) -> HeldOut:
    """The rows that a version has kept; none, where it is one of 0.1.0."""
    try:
        return msgspec.json.decode(registry.read(model, version, HELD_OUT), type=HeldOut)
    except FileNotFoundError:
        return NONE


def _error(loaded: Loaded, rows: HeldOut, task: Task) -> float:
    """The error of a version on these rows, read as those of `POST /predict` are."""
    features = json_format.read(rows.instances, loaded.intake, UNBOUNDED)
    with np.errstate(over="ignore", invalid="ignore"):
        of_rows = error(loaded.predict(features), np.array(rows.targets), task)
    return of_rows if np.isfinite(of_rows) else np.inf
