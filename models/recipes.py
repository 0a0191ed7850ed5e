"""Recipes: what a preset or the kind of a dataset fills in, where a config leaves it open."""

from typing import Any

PRESETS: dict[str | None, dict[str, Any]] = {
    # The experiment as it was.
    "seed": {"max_restarts": 0},
    # The cross network to the last bit, the dense one as good as we know how.
    "best": {
        "optimizer": {"name": "levenberg_marquardt"},
        "dense": {"initializer": "lively"},
        "deep_cross": {"hidden_units": [16, 16]},
        "restarts": 40,
    },
}


FOR_TABLES: dict[str, Any] = {
    "optimizer": {"name": "adam"},
    "batch_size": None,
    "epochs": 1000,
    "patience": 10,
    "max_restarts": 2,
    "repeats": 5,
    "dense": {"hidden_units": [64, 64]},
    "cross": {"layers": 2},
    "deep_cross": {"layers": 2},
}
"""What a table is trained by without a preset; fields given beside it take precedence.

It is patience that ends each training: cross layers learn for longer than dense ones, which look
better than they are where the others are cut off.
"""

BEST_FOR_TABLES: dict[str, Any] = {
    **FOR_TABLES,
    "models": ["dense", "deep_cross"],
    "optimizer": {"name": "adamw"},
    "epochs": 100,
    "repeats": 1,
    "ensemble": 8,
    "dropout": 0.3,
    "weight_decay": 0.004,
    "numeric_embedding": {},
    "dense": {"hidden_units": [256, 256]},
    "deep_cross": {"layers": 2, "rank": 64, "hidden_units": [256, 256]},
}
"""The best that we know within ten minutes: see docs/comparison.md."""


PRESETS_OF_TABLES: dict[str | None, dict[str, Any]] = {None: FOR_TABLES, "best": BEST_FOR_TABLES}


def overlay(recipe: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`recipe` with what is given beside it; another optimizer replaces the recipe's whole."""
    result = {**recipe, **given}
    for part, theirs in recipe.items():
        ours = given.get(part)
        if not (isinstance(theirs, dict) and isinstance(ours, dict)):
            continue
        if ours.get("name", theirs.get("name")) == theirs.get("name"):
            result[part] = {**theirs, **ours}
    return result


def recipe(preset: object, of_table: bool) -> dict[str, Any]:
    """What a preset fills in; None is no preset. One that is not known fills in nothing."""
    name = preset if isinstance(preset, str) else None
    return (PRESETS_OF_TABLES if of_table else PRESETS).get(name, {})
