from typing import Any

import keras
import numpy as np
import pytest

from models.networks import predict_rows
from models.preprocessing import Encoded, Preprocessing
from models.rounding import ROWS_AT_ONCE, rounding
from tests.models.family import (
    encoded,
    every_features,
    every_network,
    make_network,
    triples,
)


def in_float64(
    network: keras.Model, kind: str, table: Preprocessing | None = None, **fields: Any
) -> keras.Model:
    wide = make_network(kind, table, precision="float64", **fields)
    wide.set_weights(network.get_weights())
    return wide


@every_network
def test_float32_errs_by_no_more_and_not_by_far_less(kind: str) -> None:
    network, features = make_network(kind), triples(3000)
    exact = in_float64(network, kind)(features.astype(np.float64)).numpy()[:, 0]
    errors = np.abs(network(features).numpy()[:, 0] - exact)
    bound = rounding(network, features)
    assert bound.shape == (3000,)
    assert (errors <= bound).all()
    assert bound.max() < 300 * errors.max()


@every_features
@every_network
def test_float32_errs_by_no_more_on_a_table(
    kind: str, table: Preprocessing, fields: dict[str, Any]
) -> None:
    network, rows = make_network(kind, table, **fields), encoded(table, 1000)
    wide = rows._replace(numbers=rows.numbers.astype(np.float64))
    exact = predict_rows(in_float64(network, kind, table, **fields), [wide])
    errors = np.abs(predict_rows(network, [rows]) - exact)
    bound = rounding(network, rows.numbers.T, rows.codes.T)
    assert (errors <= bound).all()
    assert errors.any()


@every_features
@every_network
def test_what_is_lost_before_the_network_is_passed_on(
    kind: str, table: Preprocessing, fields: dict[str, Any]
) -> None:
    network = make_network(kind, table, precision="float64", **fields)
    rows = encoded(table, 50, "float64")
    plain, more = (
        rounding(network, rows.numbers.T, rows.codes.T, operations=operations)
        for operations in (0, 2**20)
    )
    assert (more > plain).all() if table.numbers else (more == plain).all()

    draw = np.random.default_rng(1)
    lost = 2**20 * np.finfo(np.float64).eps * draw.uniform(-1, 1, rows.numbers.shape)
    moved = Encoded(rows.numbers * (1 + lost), rows.codes, rows.targets)
    change = np.abs(predict_rows(network, [moved]) - predict_rows(network, [rows]))
    assert (change <= more).all()


def test_weights_that_cancel_each_other_round_more() -> None:
    features = triples(50)
    bounds = []
    for large in (0.0, 1e6):
        network = make_network("wide")
        kernel, bias, last, last_bias = network.get_weights()
        kernel[:, 1], bias[1] = kernel[:, 0], bias[0]
        last[0] += large
        last[1] -= large
        network.set_weights([kernel, bias, last, last_bias])
        bounds.append(rounding(network, features))
    assert (bounds[1] > 1e4 * bounds[0]).all()


def test_all_rows_have_a_bound_however_many_are_looked_at_at_once() -> None:
    network, features = make_network("cross"), triples(2 * ROWS_AT_ONCE + 5)
    bound = rounding(network, features)
    for part in (slice(0, 3), slice(ROWS_AT_ONCE - 2, ROWS_AT_ONCE + 2), slice(-3, None)):
        np.testing.assert_allclose(rounding(network, features[part]), bound[part], rtol=1e-4)


def test_a_layer_that_nobody_knows_is_refused() -> None:
    features: Any = keras.Input((3,))
    network = keras.Model(features, keras.layers.Softmax(name="odd")(features))
    with pytest.raises(TypeError, match="odd"):
        rounding(network, triples(2))
