"""The family of networks, with weights at random that nobody trained."""

from typing import Any

import keras
import numpy as np
import pytest

from models.config import ModelName, TrainConfig
from models.networks import build, ensemble
from models.preprocessing import Encoded, Number, Preprocessing
from models.vocabularies import Words

FAMILY: dict[str, tuple[ModelName, dict[str, Any]]] = {
    "dense": ("dense", {"hidden_units": [4, 2]}),
    "dense of one unit": ("dense", {"hidden_units": [1]}),
    "deep": ("dense", {"hidden_units": [5, 2, 7, 4]}),
    "wide": ("dense", {"hidden_units": [40]}),
    "cross": ("cross", {"layers": 1}),
    "deeply crossed": ("cross", {"layers": 4}),
    "low rank": ("cross", {"layers": 2, "rank": 2}),
    "experts": ("cross", {"layers": 2, "rank": 2, "experts": 3}),
    "parallel": ("deep_cross", {"hidden_units": [4, 2]}),
    "stacked": ("deep_cross", {"hidden_units": [4, 2], "layers": 2, "structure": "stacked"}),
    "deep low rank": ("deep_cross", {"hidden_units": [4], "layers": 2, "rank": 1}),
    "deep experts": ("deep_cross", {"hidden_units": [4], "layers": 2, "rank": 1, "experts": 2}),
    "very wide": ("dense", {"hidden_units": [256, 256]}),
}
"""What it is called here, its name, and its shape."""

SHAPES = [kind for kind in FAMILY if kind != "very wide"]
every_shape = pytest.mark.parametrize("kind", SHAPES)

ENSEMBLES = ["three of deep", "three of experts", "three of parallel"]
every_network = pytest.mark.parametrize("kind", [*SHAPES, *ENSEMBLES])

NUMBERS = (Number("area", 0.0, 1.0, True), Number("rooms", 0.0, 1.0, False))
WORDS = (Words("city", ("Bergen", "Oslo"), 2), Words("kind", ("flat",), 1))
TABLES = {
    name: Preprocessing("regression", numbers, words, 0.0, 1.0)
    for name, numbers, words in (
        ("both", NUMBERS, WORDS),
        ("numbers", NUMBERS, ()),
        ("words", (), WORDS),
    )
}

every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())

WAVES = {"numeric_embedding": {"frequencies": 5, "lowest": 0.1, "highest": 2.0, "width": 4}}
every_features = pytest.mark.parametrize(
    ("table", "fields"),
    [
        *((table, {}) for table in TABLES.values()),
        *((TABLES[name], WAVES) for name in ("both", "numbers")),
    ],
    ids=[*TABLES, "both, waves", "numbers, waves"],
)
"""Of tables, and what is made of their numbers."""


def make_config(kind: str, **fields: Any) -> TrainConfig:
    """A config with the shape of such a network."""
    name, shape = FAMILY[kind]
    return TrainConfig.model_validate({name: shape, **fields})


def make_network(
    kind: str, table: Preprocessing | None = None, seed: int = 1, **fields: Any
) -> keras.Model:
    """A network of triples, or of a table. No bias is zero, so that a lost one shows."""
    if kind.startswith("three of "):
        of_one = kind.removeprefix("three of ")
        return ensemble([make_network(of_one, table, seed + i, **fields) for i in range(3)])
    dataset = "triples" if table is None else "houses"
    config = make_config(kind, dataset=dataset, **fields)
    network = build(FAMILY[kind][0], config, seed, table)
    draw = np.random.default_rng(seed)
    network.set_weights([w + draw.uniform(0.1, 0.5, w.shape) for w in network.get_weights()])
    return network


def triples(rows: int, dtype: str = "float32") -> Any:
    """Features `(rows, 3)`."""
    return np.random.default_rng(0).random((rows, 3)).astype(dtype)


def encoded(table: Preprocessing, rows: int, dtype: str = "float32") -> Encoded:
    """Rows of a table."""
    draw = np.random.default_rng(0)
    codes = [draw.integers(0, words.codes, rows) for words in table.words]
    return Encoded(
        draw.normal(size=(table.numeric_width, rows)).astype(dtype),
        np.array(codes, np.int32).reshape(-1, rows),
        draw.normal(size=rows).astype(dtype),
    )
