"""Which serving version answers where none is named: the one that errs least on the same rows."""

from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.predict.loaded import Loaded
from service.registry.manifest import HELD_OUT
from service.registry.versions import Registry

Rows = NDArray[np.float64]


class Default(NamedTuple):
    """The version that answers, and why it does."""

    loaded: Loaded
    reason: str


def choose(serving: Collection[Loaded], registry: Registry) -> Default | None:
    """Picks one of the serving versions; None if there are none.

    Versions whose jobs held out the same rows have been measured on them already. Others are
    measured on rows that one of them has kept: on the most, and of as many on the newest ones.
    """
    if len(serving) < 2:
        return next((Default(only, "no other network serves") for only in serving), None)
    about = {each: registry.version(each.model, each.version).metadata for each in serving}
    by_age = sorted(serving, key=lambda each: about[each].created_at, reverse=True)
    newest = by_age[0]
    if all(about[each].config.dataset == about[newest].config.dataset for each in serving):
        errors = {each: about[each].scores["eval_rmse"] for each in serving}
        where = "on the rows that the jobs of all of them held out"
    else:
        kept = {each: _held_out(each, registry) for each in by_age}
        judge = max(by_age, key=lambda each: len(kept[each]))
        rows = kept[judge]
        if not len(rows):
            return Default(newest, "it is the newest, and none has kept rows to compare them on")
        errors = {each: _rmse(each, rows) for each in serving}
        where = f"on {len(rows)} rows that the job of {judge} held out"
    best, *others = sorted(by_age, key=errors.__getitem__)
    theirs = ", ".join(f"that of {other} is {errors[other]:.10g}" for other in others)
    return Default(best, f"its RMSE is {errors[best]:.10g} {where}; {theirs}")


def _held_out(loaded: Loaded, registry: Registry) -> Rows:
    path = registry.folder(loaded.model, loaded.version) / HELD_OUT
    try:
        kept = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:  # versions of 0.1.0 have none
        return np.empty((0, 0))
    return np.column_stack([kept["instances"], kept["targets"]])


def _rmse(loaded: Loaded, rows: Rows) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        errors: NDArray[Any] = loaded.predict(rows[:, :-1]) - rows[:, -1]
        rmse = float(np.sqrt(np.mean(errors**2)))
    return rmse if np.isfinite(rmse) else np.inf
