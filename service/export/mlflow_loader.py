"""Runs a model of Crosscheck under MLflow. This file goes with the model, and stands alone."""

from typing import Any

import numpy as np
import onnxruntime


class Model:
    """Predicts the rows of a data frame, by the names of its columns."""

    def __init__(self, path: str) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._inputs = self._session.get_inputs()

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> Any:
        """The predictions `(rows,)`; of a binary target, the probabilities of its second class."""
        first = self._inputs[0]
        if len(first.shape) == 2:  # triples, in the order of the signature
            dtype = np.float64 if first.type == "tensor(double)" else np.float32
            given = {first.name: np.ascontiguousarray(frame.to_numpy(np.float64), dtype)}
        else:
            given = {each.name: _column(frame, each.name, each.type) for each in self._inputs}
        (column,) = self._session.run(None, given)
        return column[:, 0].astype(np.float64)


def _column(frame: Any, name: str, kind: str) -> Any:
    """A column as the network takes it: a missing number is NaN, a missing text is empty."""
    is_text = kind == "tensor(string)"
    if name not in frame:
        return np.full(len(frame), "" if is_text else np.nan, object if is_text else np.float64)
    values = frame[name]
    if is_text:
        missing = values.isna().to_numpy()
        texts = ["" if gone else _text(value) for value, gone in zip(values, missing, strict=True)]
        return np.array(texts, object)
    dtype = np.float64 if kind == "tensor(double)" else np.float32
    return np.ascontiguousarray(values.to_numpy(np.float64, na_value=np.nan), dtype)


def _text(value: Any) -> str:
    """A text; a whole number is one, too, however it is written."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


def _load_pyfunc(path: str) -> Model:
    """What MLflow calls."""
    return Model(path)
