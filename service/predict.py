"""`POST /predict`: bytes → array → ONNX Runtime → bytes.

This is the hot path, so it stands in front of FastAPI: FastAPI's middleware and dependencies
cost several times what the prediction does. Nothing here waits, but for the request's body.
"""

import asyncio
import logging
import re
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from models.config import FEATURES, MODEL_NAMES, ModelName
from service.errors import (
    BadRequest,
    Conflict,
    CrosscheckError,
    Invalid,
    TooLarge,
    UnsupportedMediaType,
    problem,
)
from service.manifest import ONNX
from service.registry import Registry
from service.settings import Settings

logger = logging.getLogger(__name__)


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request; `schemas.PredictRequest` documents it."""

    instances: list[tuple[float, float, float]]
    model: ModelName | None = None
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Loaded(NamedTuple):
    """A version that is ready to answer."""

    model: ModelName
    version: int
    eval_rmse: float
    session: onnxruntime.InferenceSession
    dtype: type[np.floating[Any]]

    def predict(self, features: NDArray[np.float64]) -> NDArray[Any]:
        """The predictions `(rows,)` for features `(rows, 3)`."""
        with np.errstate(over="ignore"):  # what is too large for float32 shows in the prediction
            converted = features.astype(self.dtype)
        (predictions,) = self.session.run(None, {"features": converted})
        return np.asarray(predictions)[:, 0]


class Predictor:
    """Answers `POST /predict` with the versions that the registry says are serving."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings
        self.serving: dict[ModelName, Loaded] = {}
        self._others: dict[tuple[ModelName, int], Loaded] = {}
        self._state: tuple[int, ...] = ()
        self._decoder = msgspec.json.Decoder(Request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._read(Headers(scope=scope), receive)
            status, answer, headers = 200, await self._answer(body), _JSON
        except CrosscheckError as error:
            refusal = problem(error.status, error.detail, error.headers)
            await refusal(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, body: bytes) -> bytes:
        request = self._parse(body)
        loaded = await self._choose(request.model, request.version)
        predictions = loaded.predict(np.array(request.instances))
        if not np.isfinite(predictions).all():
            row = int(np.argmin(np.isfinite(predictions)))
            raise Invalid(f"instances[{row}]: its prediction is not a finite number")
        answer: bytes = orjson.dumps(
            {
                "predictions": np.ascontiguousarray(predictions),
                "model": loaded.model,
                "version": loaded.version,
            },
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
        return answer

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType("the content type must be application/json")
        limit = self.settings.max_body_bytes
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("the client went away")
            body += message.get("body", b"")
            if len(body) > limit:
                raise TooLarge(f"the body is larger than {limit} bytes")
            if not message.get("more_body"):
                return bytes(body)

    def _parse(self, body: bytes) -> Request:
        try:
            request = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise Invalid(_place_first(str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"the body is not JSON: {error}") from None
        if not request.instances:
            raise Invalid("instances: it is empty")
        if len(request.instances) > self.settings.max_rows_per_request:
            raise TooLarge(
                f"instances: more than {self.settings.max_rows_per_request} rows in one request"
            )
        return request

    async def _choose(self, model: ModelName | None, version: int | None) -> Loaded:
        if not self.serving:
            await self.refresh()
        if version is not None:
            if model is None:
                raise Invalid("version: it needs `model` beside it")
            return await self._load(model, version)
        if model is not None and model in self.serving:
            return self.serving[model]
        if model is None and self.serving:
            return min(self.serving.values(), key=lambda loaded: loaded.eval_rmse)
        what = f"the model {model} has" if model else "there is"
        raise Conflict(f"{what} no serving version yet: train one with POST /train")

    async def _load(self, model: ModelName, version: int) -> Loaded:
        for loaded in (self.serving.get(model), self._others.get((model, version))):
            if loaded is not None and loaded.version == version:
                return loaded
        loaded = await asyncio.to_thread(load, self.registry, model, version)
        while len(self._others) >= KEPT_LOADED:
            self._others.pop(next(iter(self._others)))
        self._others[model, version] = loaded
        return loaded

    async def refresh(self) -> None:
        """Loads what the registry serves now, and swaps it in whole."""
        state = await asyncio.to_thread(self.registry.state)
        if state != self._state:
            self.serving = await asyncio.to_thread(self._load_serving)
            self._state = state

    async def keep_fresh(self) -> None:
        """Follows the registry until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                logger.exception("could not read the registry; still serving what is loaded")
            await asyncio.sleep(self.settings.refresh_seconds)

    def _load_serving(self) -> dict[ModelName, Loaded]:
        serving = dict(self.serving)
        for name in MODEL_NAMES:
            number = self.registry.serving(name)
            if number is not None and (name not in serving or serving[name].version != number):
                serving[name] = load(self.registry, name, number)
                logger.info("serving %s version %d", name, number)
        return serving


KEPT_LOADED = 8
"""How many versions that do not serve stay loaded for requests that name them."""

_JSON = [(b"content-type", b"application/json")]


def load(registry: Registry, model: ModelName, version: int) -> Loaded:
    """Loads a version and lets it predict once, so that the first request need not wait."""
    metadata = registry.version(model, version).metadata
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        registry.folder(model, version) / ONNX, options, providers=["CPUExecutionProvider"]
    )
    double = session.get_inputs()[0].type == "tensor(double)"
    loaded = Loaded(
        model, version, metadata.scores.eval_rmse, session, np.float64 if double else np.float32
    )
    loaded.predict(np.zeros((1, FEATURES)))
    return loaded


def _place_first(message: str) -> str:
    """`Expected `float`, got `str` - at `$.instances[3][1]`` names the element first."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message, re.DOTALL)
    return f"{found[2]}: {found[1]}" if found else f"the body: {message}"
