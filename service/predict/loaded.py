"""A version in ONNX Runtime, ready to answer; what comes at the same time in one run."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.config import ModelName
from models.schema import TRIPLES
from service.errors import NotFound
from service.predict.formats.intake import Intake, missing
from service.predict.formats.question import Features, Predictions
from service.registry.manifest import ONNX, Damaged
from service.registry.versions import Registry

TOGETHER_ROWS = 1000
"""Requests for up to so many rows are predicted together."""


TYPES: Mapping[str, type] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(string)": np.object_,
}


def rows_of(features: Features) -> int:
    """The number of rows."""
    return len(next(iter(features.values())))


class Loaded:
    """A version that is ready to answer.

    `named` is who it is, for the log. `takes` are the types of its inputs by their names, `says` is
    that of its predictions.
    """

    def __init__(
        self,
        model: ModelName,
        version: int,
        onnx: Path,
        intake: Intake,
        job_id: str = "",
        dataset: str = TRIPLES,
    ) -> None:
        self.model = model
        self.version = version
        self.named = (dataset, str(model), str(version))
        self.intake = intake
        self.job_id = job_id
        self.headers = [(b"x-model", model.encode()), (b"x-model-version", b"%d" % version)]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            onnx, options, providers=["CPUExecutionProvider"]
        )
        self.takes = {each.name: TYPES[each.type] for each in self._session.get_inputs()}
        (output,) = self._session.get_outputs()
        self.says = TYPES[output.type]
        self._outputs = [output.name]
        self._narrows = np.float32 in self.takes.values()
        self._alone = True
        self._asked = 0
        self._gathered: list[tuple[Features, asyncio.Future[Predictions]]] = []

    def __str__(self) -> str:
        return f"{self.model} version {self.version}"

    def predict(self, features: Features) -> Predictions:
        """The predictions `(rows,)`."""
        rows = rows_of(features)
        if rows == 1 and self.intake.are_triples:
            # With the rows last, ONNX Runtime rounds a row alone otherwise than in company.
            features = {name: values.repeat(2, axis=0) for name, values in features.items()}
        if self._narrows:
            with np.errstate(over="ignore"):  # what is too large shows in the prediction
                features = self._converted(features)
        else:
            features = self._converted(features)
        (column,) = self._session.run(self._outputs, features)
        predictions: Predictions = column[:rows, 0]
        return predictions

    def _converted(self, features: Features) -> dict[str, NDArray[Any]]:
        return {
            name: np.ascontiguousarray(values, self.takes[name])
            for name, values in features.items()
        }

    async def predict_together(self, features: Features) -> Predictions:
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
        predictions: asyncio.Future[Predictions] = loop.create_future()
        self._gathered.append((features, predictions))
        return await predictions

    def _end_turn(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._alone, self._asked = self._asked == 1, 0
        if not gathered:
            return
        try:
            predictions = self.predict(_joined([features for features, _ in gathered]))
        except Exception as error:
            for _, asked in gathered:
                if not asked.done():
                    asked.set_exception(error)
            return
        start = 0
        for features, asked in gathered:
            end = start + rows_of(features)
            if not asked.done():
                asked.set_result(predictions[start:end])
            start = end


def _joined(many: list[Features]) -> Features:
    if len(many) == 1:
        return many[0]
    return {name: np.concatenate([each[name] for each in many]) for name in many[0]}


def load(registry: Registry, model: ModelName, version: int) -> Loaded:
    """Loads a version and lets it predict once, so that the first request need not wait.

    Raises:
        NotFound: There is no such version, or it is damaged.
    """
    about = registry.version(model, version).metadata
    intake = Intake(about.table)
    try:
        onnx = registry.folder(model, version) / ONNX
    except Damaged as damage:  # found as it is fetched
        whose = f"version {version} of the model {registry.dataset}/{model}"
        raise NotFound(f"{whose} is damaged: {damage}") from None
    loaded = Loaded(model, version, onnx, intake, about.job_id, registry.dataset)
    loaded.predict(intake.take([missing(feature, 1) for feature in intake.features]))
    return loaded
