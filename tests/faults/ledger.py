"""What was promised to anybody, what the service says, and what lies on the disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.config import MODEL_NAMES
from service.registry.manifest import METADATA, ONNX
from service.schemas import Metadata
from tests.faults.load import INSTANCES

Job = dict[str, Any]
Key = tuple[str, int]
"""A model and a version's number."""


@dataclass
class Ledger:
    """All that was promised to anybody since the service was first started, and all it did."""

    artifacts: Path
    accepted: dict[str, list[str]] = field(default_factory=dict)
    doomed: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    damaged: set[Path] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)
    """As the service told of them after the last round."""
    before: dict[str, Job] = field(default_factory=dict)
    """As it told of them a round earlier."""
    named: set[str] = field(default_factory=set)
    """The damaged versions that the service told of after the last round."""
    serving: dict[str, int] = field(default_factory=dict)
    """The versions that served after the last round."""
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The changes of what serves, newest first, as the service told of them after the round."""
    published: dict[Key, str] = field(default_factory=dict)
    """The job of each version, as it lies on the disk."""
    predictions: dict[Key, NDArray[np.float32]] = field(default_factory=dict)
    """What each version gives, by the file that was whole when first seen."""

    def read_versions(self) -> None:
        """Looks at the disk, by no way that the service goes."""
        for name in MODEL_NAMES:
            for folder in (self.artifacts / "triples" / name).glob("[1-9]*"):
                key = (name, int(folder.name))
                if key not in self.published:
                    self._read(folder, key)

    def _read(self, folder: Path, key: Key) -> None:
        try:
            about = Metadata.model_validate_json((folder / METADATA).read_bytes())
            session = onnxruntime.InferenceSession(folder / ONNX)
        except Exception:  # half-written: of no job, and giving no predictions
            self.published[key] = ""
            return
        self.published[key] = about.job_id
        (column,) = session.run(None, {"features": np.array(INSTANCES, np.float32)})
        self.predictions[key] = column[:, 0]

    def names_of_damaged(self) -> set[str]:
        """As the service calls them."""
        return {str(folder.relative_to(self.artifacts)) for folder in self.damaged}

    def folder(self, key: Key) -> Path:
        """Where a version lies."""
        return self.artifacts / "triples" / key[0] / str(key[1])
