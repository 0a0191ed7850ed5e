"""A version in ONNX Runtime, ready to answer; what comes at the same time in one run."""

import asyncio
from pathlib import Path

import numpy as np
import onnxruntime

from models.config import FEATURES, ModelName
from service.predict.formats.question import Features
from service.registry.manifest import ONNX
from service.registry.versions import Registry

TOGETHER_ROWS = 1000
"""Requests for up to so many rows are predicted together."""


class Loaded:
    """A version that is ready to answer."""

    def __init__(self, model: ModelName, version: int, onnx: Path) -> None:
        self.model = model
        self.version = version
        self.headers = [(b"x-model", model.encode()), (b"x-model-version", b"%d" % version)]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            onnx, options, providers=["CPUExecutionProvider"]
        )
        (takes,), (gives,) = self._session.get_inputs(), self._session.get_outputs()
        self._dtype = np.float64 if takes.type == "tensor(double)" else np.float32
        self._outputs = [gives.name]
        self._alone = True
        self._asked = 0
        self._gathered: list[tuple[Features, asyncio.Future[Features]]] = []

    def __str__(self) -> str:
        return f"{self.model} version {self.version}"

    def predict(self, features: Features) -> Features:
        """The predictions `(rows,)` for features `(rows, 3)`."""
        rows = len(features)
        if rows == 1:  # ONNX Runtime rounds a row alone otherwise than the same row in company
            features = features.repeat(2, axis=0)
        if self._dtype is np.float64:
            converted = np.ascontiguousarray(features, np.float64)
        else:
            with np.errstate(over="ignore"):  # what is too large shows in the prediction
                converted = np.ascontiguousarray(features, self._dtype)
        (column,) = self._session.run(self._outputs, {"features": converted})
        predictions: Features = column[:rows, 0]
        return predictions

    async def predict_together(self, features: Features) -> Features:
        """As `predict`, in one run with what else is asked for in this turn of the event loop.

        A run for one row takes as long as one for a hundred. Where only one request came in the
        last turn, the first of this one is taken to be alone again, and need not wait.

        Company does not change a prediction by a bit, unless a layer has more than 128 inputs:
        then ONNX Runtime adds up in another order for many rows than for few.
        """
        loop = asyncio.get_running_loop()
        self._asked += 1
        if self._asked == 1:
            loop.call_soon(self._end_turn)
            if self._alone:
                return self.predict(features)
        predictions: asyncio.Future[Features] = loop.create_future()
        self._gathered.append((features, predictions))
        return await predictions

    def _end_turn(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._alone, self._asked = self._asked == 1, 0
        if not gathered:
            return
        try:
            predictions = self.predict(np.concatenate([features for features, _ in gathered]))
        except Exception as error:
            for _, asked in gathered:
                if not asked.done():
                    asked.set_exception(error)
            return
        start = 0
        for features, asked in gathered:
            end = start + len(features)
            if not asked.done():
                asked.set_result(predictions[start:end])
            start = end


def load(registry: Registry, model: ModelName, version: int) -> Loaded:
    """Loads a version and lets it predict once, so that the first request need not wait.

    Raises:
        NotFound: There is no such version, or it is damaged.
    """
    registry.version(model, version)
    loaded = Loaded(model, version, registry.folder(model, version) / ONNX)
    loaded.predict(np.zeros((1, FEATURES)))
    return loaded
