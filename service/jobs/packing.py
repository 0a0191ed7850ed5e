"""Parts and trained starts as bytes, for whoever trains, or has asked for it."""

from collections.abc import Sequence
from typing import Literal

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from models.courses import Born
from models.parts import Build, Part
from models.starts import Start


class _Array(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    content: bytes


class _Part(msgspec.Struct, frozen=True):
    network: ModelName
    starts: list[Born]
    on: Literal["rows", "sample"]
    hopeful: bool
    weights: list[_Array] | None
    before: int


class _Start(msgspec.Struct, frozen=True):
    seed: int
    weights: list[_Array]
    losses: list[float]
    error: float
    stopped_early: bool
    validation_losses: list[float]
    best_epoch: int | None
    seconds: float


def pack_parts(parts: Sequence[Part]) -> bytes:
    """Parts, with the weights that they go on from."""
    return msgspec.msgpack.encode([_packed_part(part) for part in parts])


def unpack_parts(packed: bytes) -> list[Part]:
    """The parts that `pack_parts` was given."""
    return [_unpacked_part(of) for of in msgspec.msgpack.decode(packed, type=list[_Part])]


def pack(starts: Sequence[Start]) -> bytes:
    """Trained starts, with the weights of their networks."""
    return msgspec.msgpack.encode(
        [
            _Start(
                start.seed,
                _packed(start.network.get_weights()),
                start.losses,
                start.error,
                start.stopped_early,
                list(start.validation_losses),
                start.best_epoch,
                start.seconds,
            )
            for start in starts
        ]
    )


def unpack(packed: bytes, build: Build) -> list[Start]:
    """The starts that `pack` was given; `build` makes their networks."""
    return [
        Start(
            of.seed,
            _with_weights(build(of.seed), _unpacked(of.weights)),
            of.losses,
            of.error,
            of.stopped_early,
            of.validation_losses,
            of.best_epoch,
            of.seconds,
        )
        for of in msgspec.msgpack.decode(packed, type=list[_Start])
    ]


def _packed_part(part: Part) -> _Part:
    weights = None if part.weights is None else _packed(part.weights)
    return _Part(part.network, list(part.starts), part.on, part.hopeful, weights, part.before)


def _unpacked_part(of: _Part) -> Part:
    weights = None if of.weights is None else _unpacked(of.weights)
    return Part(of.network, tuple(of.starts), of.on, of.hopeful, weights, of.before)


def _packed(arrays: Sequence[NDArray[np.generic]]) -> list[_Array]:
    return [_Array(each.dtype.str, each.shape, each.tobytes()) for each in arrays]


def _unpacked(arrays: Sequence[_Array]) -> list[NDArray[np.generic]]:
    return [
        np.frombuffer(each.content, np.dtype(each.dtype)).reshape(each.shape) for each in arrays
    ]


def _with_weights(network: keras.Model, weights: list[NDArray[np.generic]]) -> keras.Model:
    network.set_weights(weights)
    return network
