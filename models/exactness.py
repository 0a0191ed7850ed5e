"""On which tables Levenberg–Marquardt can train."""

from itertools import pairwise

from models.config import ModelName, TrainConfig
from models.schema import TableSchema

EXACT_WEIGHTS = 1000
"""At most so many can Levenberg–Marquardt find on a table: its time grows with their square."""


def why_not_exact(config: TrainConfig, schema: TableSchema) -> str | None:
    """Why Levenberg–Marquardt cannot train on such a table; None if it can, or is not asked for."""
    if config.optimizer.name != "levenberg_marquardt":
        return None
    its = "the optimizer levenberg_marquardt"
    if schema.task == "binary":
        return f"{its} minimizes squares, and the target {schema.target!r} is binary; use adam"
    if schema.categorical:
        names = ", ".join(repr(column.name) for column in schema.categorical[:5])
        more = len(schema.categorical) - 5
        others = f" and {more} more" if more > 0 else ""
        return f"{its} takes numbers alone; of this table it cannot take {names}{others}; use adam"
    for name in config.models:
        # A mark beside each number, until it is known which ones are ever missing.
        weights = _weights(name, config, width=2 * len(schema.numeric))
        if weights > EXACT_WEIGHTS:
            return (
                f"{its} finds at most {EXACT_WEIGHTS:,} weights, and `{name}` may have "
                f"{weights:,} on this table; make it smaller or use adam"
            )
    return None


def _weights(name: ModelName, config: TrainConfig, width: int) -> int:
    """The number of weights of a network whose `x0` is so wide."""
    if name == "cross":
        return config.cross.layers * (width + 1) * width + width + 1
    layers = [width, *config.dense.hidden_units, 1]
    return sum((inputs + 1) * units for inputs, units in pairwise(layers))
