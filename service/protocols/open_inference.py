"""The Open Inference Protocol, version 2: `infer`, with Triton's extension for binary tensors.

As with others who speak it, the content type is passed over, and so is what is not known in a body.
"""

import re
import struct
from functools import partial

import msgspec
import numpy as np
from starlette.responses import Response

from models.config import FEATURES
from models.schema import TRIPLES
from service.errors import BadRequest, Conflict, CrosscheckError, Invalid, NotFound, excerpt
from service.http import json_body
from service.predict.exchange import Answer, Exchange, Headers
from service.predict.formats.json_format import write_array
from service.predict.formats.question import (
    Features,
    Predictions,
    Question,
    element_first,
    finite_predictions,
)
from service.predict.loaded import Loaded
from service.protocols import infer_request, names, tensor_rows
from service.protocols.infer_request import OfTensors, OfTriples, Request
from service.protocols.json_exchange import JSON, JsonExchange, refuse_query
from service.protocols.json_rows import Unread
from service.protocols.tensors import DATATYPES

OUTPUT = "predictions"

_at = re.compile(r"/v2/models/([^/:]+)(?:/versions/([^/:]+))?/infer").fullmatch


_decode_triples = msgspec.json.Decoder(OfTriples).decode
_decode_tensors = msgspec.json.Decoder(OfTensors).decode


def exchange_at(path: str) -> Exchange | None:
    """The exchange that answers a `POST` to this path."""
    found = _at(path)
    return Infer(*found.groups()) if found else None


class Infer(JsonExchange):
    """`infer`, of a version of a model or of the one that serves."""

    rows = "rows"

    def __init__(self, model: str, version: str | None) -> None:
        self.model, self.version = model, version

    def begin(self, headers: Headers, query: bytes) -> None:
        refuse_query(query)
        self._asked = names.read(self.model).ask(names.version_of(self.version))
        self._id = headers[b"x-request-id"]
        self._json_bytes = _size(headers.get(b"inference-header-content-length"))
        if self._json_bytes is not None:
            self.large_bytes = 300_000

    def refuse_too_many(self, body: bytes, most: int) -> None:
        """Nothing: each tensor is held against its shape before it is read."""

    def ask(self, body: bytes) -> Question:
        try:
            return self._asked.about(self._tensors_in(body))
        except json_body.UNREADABLE as error:
            if self._json_bytes is not None:
                raise BadRequest(f"the inference header is not JSON: {error}") from None
            return self.ask(json_body.without_mark(body, error))

    def _tensors_in(self, body: bytes) -> Unread:
        size = self._json_bytes
        if size is None and self._asked.dataset == TRIPLES and len(body) <= self.large_bytes:
            try:
                asked = _decode_triples(body)
            except msgspec.ValidationError:
                pass
            else:
                (triples,) = asked.inputs
                rows, width = triples.shape
                if rows > 0 and width == FEATURES and len(triples.data) == rows * width:
                    self._wish(asked)
                    return _of_triples(triples.data)
        if size is not None and size > len(body):
            raise BadRequest(f"the inference header has {size} bytes, and the body {len(body)}")
        try:
            request = _decode_tensors(body if size is None else body[:size])
        except msgspec.ValidationError as error:
            raise Invalid(element_first(str(error))) from None
        self._wish(request)
        raw = memoryview(b"") if size is None else memoryview(body)[size:]
        tensors = infer_request.tensors(request.inputs, raw)
        self._rows = max((tensor.shape[0] for tensor in tensors if tensor.shape), default=0)
        return partial(tensor_rows.read, tensors)

    def _wish(self, request: Request) -> None:
        """Notes how it is to be answered."""
        self._rows = 0
        if request.id is not None:
            self._id = msgspec.json.encode(request.id)
        else:
            self._id = b'"%b"' % self._id
        self._binary = request.parameters is not None and request.parameters.binary_data_output
        for number, output in enumerate(request.outputs or ()):
            if output.name != OUTPUT or number:
                what = f"{OUTPUT} is the only one, received {excerpt(output.name)}"
                raise Invalid(f"outputs[{number}]: {what}")
            if output.parameters is not None:
                if output.parameters.classification:
                    raise Invalid(f"outputs[{number}]: classification is not offered")
                if output.parameters.binary_data is not None:
                    self._binary = output.parameters.binary_data

    def most_rows(self, body: bytes) -> int:
        return self._rows

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        if self._binary:
            raw = finite_predictions(predictions).tobytes()
            data = b'"parameters":{"binary_data_size":%d}' % len(raw)
        else:
            raw = b""
            data = b'"data":%b' % write_array(predictions)
        answer = (
            b'{"model_name":"%b","model_version":"%d","id":%b,"outputs":'
            b'[{"name":"predictions","datatype":"%b","shape":[%d,1],%b}]}'
        ) % (
            self.model.encode(),
            loaded.version,
            self._id,
            DATATYPES[loaded.says].encode(),
            len(predictions),
            data,
        )
        if not self._binary:
            return answer, JSON
        size = (b"inference-header-content-length", b"%d" % len(answer))
        return answer + raw, [(b"content-type", b"application/octet-stream"), size]

    def refuse(self, refusal: CrosscheckError) -> Response:
        if isinstance(refusal, Conflict):  # that nothing serves yet
            refusal = NotFound(refusal.detail)
        return super().refuse(refusal)


def _size(given: bytes | None) -> int | None:
    if given is None:
        return None
    if not (given.isdigit() and len(given) < 10):
        raise Invalid("the header Inference-Header-Content-Length must be a number of bytes")
    return int(given)


def _of_triples(numbers: list[float]) -> Features:
    packed = struct.pack(f"{len(numbers)}d", *numbers)
    return {"features": np.frombuffer(packed).reshape(-1, FEATURES)}
