import numpy as np
import onnxruntime
import pytest

from models.data import Array, synthetic_triples, target
from models.onnx_graph import Layer, graph

FEATURES = synthetic_triples(50, seed=3).features


def predict(layers: list[Layer], features: Array) -> Array:
    session = onnxruntime.InferenceSession(
        graph(layers).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    predictions: Array = session.run(["predictions"], {"features": features})[0]
    return predictions


def test_a_cross_layer_holds_the_true_function() -> None:
    products = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 1]])
    layers = [
        Layer(products, np.full(3, -1.0), "cross"),
        Layer(np.ones((3, 1)), np.zeros(1), "linear"),
    ]
    np.testing.assert_allclose(predict(layers, FEATURES)[:, 0], target(FEATURES), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_every_kind_follow_their_formulas(dtype: str) -> None:
    draw = np.random.default_rng(1)
    features = FEATURES.astype(dtype)
    w0, w1, w2, w3 = (
        draw.normal(size=shape).astype(dtype) for shape in ((3, 3), (3, 5), (5, 3), (3, 1))
    )
    b0, b1, b2, b3 = (draw.normal(size=size).astype(dtype) for size in (3, 5, 3, 1))
    x = features * (features @ w0 + b0) + features
    x = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    x = features * (x @ w0 + b0) + x
    expected = x @ w3 + b3
    layers = [
        Layer(w0, b0, "cross"),
        Layer(w1, b1, "relu"),
        Layer(w2, b2, "linear"),
        Layer(w0, b0, "cross"),
        Layer(w3, b3, "linear"),
    ]
    predictions = predict(layers, features)
    assert predictions.dtype == dtype
    np.testing.assert_allclose(predictions, expected, rtol=1e-4 if dtype == "float32" else 1e-12)
