"""What was promised to anybody, what the service says, and what lies on the disk."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.config import COMPARED
from models.schema import TRIPLES
from service.registry.manifest import METADATA, ONNX
from service.schemas import Metadata
from service.tables.store import Tables

Job = dict[str, Any]
Key = str
"""A version as the service calls it, like `triples/cross/1`; its folder in the artifacts."""

INSTANCES: dict[str, list[list[Any]]] = {
    TRIPLES: [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [0.9, 0.05, 0.4]],
    "houses": [[50.0, "Oslo"], [120.5, "Rome"], [77.0, "Bern"]],
}
"""Rows that are predicted again and again, and with what."""


class Revision(NamedTuple):
    """A revision of a table, and the digest of the bytes that it was made of."""

    dataset: str
    number: int
    sha256: str


@dataclass
class Ledger:
    """All that was promised to anybody since the service was first started, and all it did."""

    artifacts: Path
    accepted: dict[str, list[str]] = field(default_factory=dict)
    """The jobs and what each is to train, like `triples/cross`."""
    doomed: set[str] = field(default_factory=set)
    """The jobs that somebody tried to cancel, if only once."""
    cancelled: set[str] = field(default_factory=set)
    """Those of them that the service called cancelled."""
    bygone: set[str] = field(default_factory=set)
    """The jobs whose dataset was deleted, with all that they had published."""
    damaged: set[Path] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)
    """As the service told of them after the last round."""
    before: dict[str, Job] = field(default_factory=dict)
    """As it told of them a round earlier."""
    named: set[str] = field(default_factory=set)
    """The damaged versions that the service told of after the last round."""
    serving: dict[str, int | None] = field(default_factory=dict)
    """The versions that served after the last round, by their networks, like `triples/cross`."""
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The changes of what serves, newest first, as the service told of them after the round."""
    published: dict[Key, str] = field(default_factory=dict)
    """The job of each version, as it lies on the disk."""
    published_before: dict[Key, str] = field(default_factory=dict)
    """As it lay there when the disk was looked at a time earlier."""
    predictions: dict[Key, NDArray[Any]] = field(default_factory=dict)
    """What each version gives, by the file that was whole when first seen."""
    revisions: list[Revision] = field(default_factory=list)
    """Those that were accepted, of datasets that nobody has deleted."""
    begun: set[str] = field(default_factory=set)
    """Digests of tables that may come late: between machines, what was asked can arrive when nobody
    waits for the answer any more."""
    listed: list[Revision] = field(default_factory=list)
    """As the service told of them after the last round."""

    def __post_init__(self) -> None:
        self.tables = Tables(self.artifacts)

    def accept(self, job: Job) -> None:
        """Keeps that a job was accepted."""
        dataset = job["config"]["dataset"].get("name", TRIPLES)
        self.accepted[job["id"]] = [f"{dataset}/{model}" for model in job["config"]["models"]]

    def forget(self, dataset: str) -> None:
        """Keeps that a dataset was deleted."""
        of_it = f"{dataset}/"
        self.bygone |= {
            job_id
            for job_id, networks in [*self.accepted.items()]  # others go on to post
            if networks[0].startswith(of_it)
        }
        self.revisions = [each for each in self.revisions if each.dataset != dataset]
        for key in [key for key in self.published if key.startswith(of_it)]:
            del self.published[key]
        for key in [key for key in self.predictions if key.startswith(of_it)]:
            del self.predictions[key]

    def read_versions(self) -> None:
        """Looks at the disk, by no way that the service goes."""
        folders = [*self.artifacts.glob("[a-z]*/[a-z]*/[1-9]*")]
        self.published_before = self.published
        self.published = {str(each.relative_to(self.artifacts)): "" for each in folders}
        for key in self.published:
            if self.folder(key) in self.damaged:
                self.published[key] = self.published_before.get(key, "")
            else:
                self._read(key)

    def _read(self, key: Key) -> None:
        folder = self.folder(key)
        try:
            job_id = Metadata.model_validate_json((folder / METADATA).read_bytes()).job_id
            if key not in self.predictions:
                session = onnxruntime.InferenceSession(folder / ONNX)
                (column,) = session.run(None, dict(_features(session, key)))
                self.predictions[key] = column[:, 0]
        except Exception:  # half-written: of no job, and giving no predictions
            return
        self.published[key] = job_id

    def networks(self) -> Iterator[str]:
        """Those that serve at all times, like `triples/cross`."""
        for dataset in INSTANCES:
            for name in COMPARED:
                yield f"{dataset}/{name}"

    def names_of_damaged(self) -> set[str]:
        """As the service calls them."""
        return {str(folder.relative_to(self.artifacts)) for folder in self.damaged}

    def folder(self, key: Key) -> Path:
        """Where a version lies."""
        return self.artifacts / key


def _features(
    session: onnxruntime.InferenceSession, key: Key
) -> Iterator[tuple[str, NDArray[Any]]]:
    """The instances of a version's dataset, as its graph takes them."""
    instances = INSTANCES[TRIPLES if key.startswith(f"{TRIPLES}/") else "houses"]
    inputs = [each.name for each in session.get_inputs()]
    if inputs == ["features"]:
        yield "features", np.array(instances, np.float32)
    else:
        for name, values in zip(inputs, zip(*instances, strict=True), strict=True):
            yield name, np.array(values, None if isinstance(values[0], float) else np.object_)
