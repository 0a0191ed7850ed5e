"""Where Levenberg–Marquardt can train."""

from itertools import pairwise

from models.config import FEATURES, CrossNetwork, ModelName, TrainConfig
from models.schema import TableSchema

EXACT_WEIGHTS = 1000
"""At most so many can Levenberg–Marquardt find: its time grows with their cube."""

ITS = "levenberg_marquardt"


def why_not_exact(config: TrainConfig, schema: TableSchema | None) -> str | None:
    """Why Levenberg–Marquardt cannot train on such a table; None if it can, or is not asked for.

    Args:
        schema: Of the table; None of triples.
    """
    if config.optimizer.name != "levenberg_marquardt":
        return None
    if schema is None:
        return _too_many_weights(config, FEATURES, "is to have", "")
    return _unfit(schema) or _too_many_weights(
        # A mark beside each number, until it is known which ones are ever missing.
        config,
        2 * len(schema.numeric),
        "may have",
        " on this table",
    )


def _unfit(schema: TableSchema) -> str | None:
    if schema.task == "binary":
        return f"{ITS} minimizes squares, and the target {schema.target!r} is binary; use adam"
    if schema.categorical:
        names = ", ".join(repr(column.name) for column in schema.categorical[:5])
        more = len(schema.categorical) - 5
        others = f" and {more} more" if more > 0 else ""
        return f"{ITS} takes numbers alone; of this table it cannot take {names}{others}; use adam"
    return None


def _too_many_weights(config: TrainConfig, width: int, has: str, where: str) -> str | None:
    for name in config.models:
        weights = _weights(name, config, width)
        if weights > EXACT_WEIGHTS:
            return (
                f"{ITS} finds at most {EXACT_WEIGHTS:,} weights, and `{name}` {has} "
                f"{weights:,}{where}; make it smaller or use adam"
            )
    return None


def _weights(name: ModelName, config: TrainConfig, width: int) -> int:
    """The number of weights of a network whose `x0` is so wide."""
    match name:
        case "dense":
            return _of_layers([width, *config.dense.hidden_units, 1])
        case "cross":
            return _of_crosses(config.cross, width) + width + 1
        case "deep_cross":
            network = config.deep_cross
            deep = [width, *network.hidden_units]
            beside = width if network.structure == "parallel" else 0
            return _of_crosses(network, width) + _of_layers([*deep, 1]) + beside


def _of_layers(widths: list[int]) -> int:
    return sum((inputs + 1) * units for inputs, units in pairwise(widths))


def _of_crosses(network: CrossNetwork, width: int) -> int:
    rank, experts = network.rank, network.experts
    kernel = width * width if rank is None else 2 * width * rank * experts
    mixing = experts * (rank * rank + width) if rank is not None and experts > 1 else 0
    return network.layers * (kernel + mixing + width)
