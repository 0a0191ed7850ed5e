"""Which version is exported, and what its ONNX file takes."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime

from models.config import MODEL_NAMES, ModelName
from models.schema import DATASET_NAME
from service.errors import NotFound, excerpt
from service.predict.default import choose
from service.predict.formats.intake import Intake
from service.predict.loaded import load
from service.registry.manifest import ONNX
from service.registry.versions import Registry
from service.store.places import places


class Tensor(NamedTuple):
    """An input or an output; the first of its dimensions are the rows."""

    name: str
    type: str
    """As ONNX Runtime has it: `tensor(float)`, `tensor(double)`, `tensor(string)`."""
    shape: tuple[int, ...]
    """-1 for as many as there are."""


class Chosen(NamedTuple):
    """A whole version."""

    dataset: str
    network: ModelName
    version: int
    folder: Path
    intake: Intake

    @property
    def onnx(self) -> Path:
        """Its ONNX twin."""
        return self.folder / ONNX


def chosen(
    artifacts: Path,
    dataset: str,
    network: str | None = None,
    version: int | None = None,
    store_url: str = "",
) -> Chosen:
    """Finds a version: by default the one that serves, of the network that errs least.

    Raises:
        NotFound: There is no such version, or it is damaged, or nothing serves.
    """
    if not re.fullmatch(DATASET_NAME, dataset):
        raise NotFound(f"{excerpt(dataset)} is no name of a dataset")
    registry = places(artifacts, store_url).registry.of(dataset)
    if network is None:
        name, number = _by_default(registry)
    else:
        name = _named(network)
        number = version or registry.serving(name) or 0
    if not number:
        raise NotFound(f"no version of {dataset}/{name} serves")
    about = registry.version(name, number).metadata
    return Chosen(dataset, name, number, registry.folder(name, number), Intake(about.table))


def _named(network: str) -> ModelName:
    found = next((name for name in MODEL_NAMES if name == network), None)
    if found is None:
        raise NotFound(f"{excerpt(network)} is none of the networks {', '.join(MODEL_NAMES)}")
    return found


def _by_default(registry: Registry) -> tuple[ModelName, int]:
    serving = ((name, registry.serving(name)) for name in MODEL_NAMES)
    loaded = [load(registry, name, number) for name, number in serving if number is not None]
    best = choose(loaded, registry)
    if best is None:
        raise NotFound(f"no version of {registry.dataset} serves")
    return best.loaded.model, best.loaded.version


def tensors(onnx: Path) -> tuple[list[Tensor], list[Tensor]]:
    """What an ONNX file takes, and what it says."""
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    return [*map(_tensor, session.get_inputs())], [*map(_tensor, session.get_outputs())]


def _tensor(found: Any) -> Tensor:
    return Tensor(
        found.name, found.type, tuple(d if isinstance(d, int) else -1 for d in found.shape)
    )
