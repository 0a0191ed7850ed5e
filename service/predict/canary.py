"""A version that is tried on a share of the clients, which every machine picks alike."""

from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from service.access_log import Answerer
from service.predict.formats.question import Predictions
from service.predict.loaded import Loaded


class Trial(NamedTuple):
    """A version that answers some of those who name a key, instead of the one that serves."""

    loaded: Loaded
    percent: float
    epoch: int
    """Of the change that began it."""

    def takes(self, key: bytes) -> bool:
        """Whether it answers whoever names this key.

        Who is taken at some percent is taken at more, too; another version takes others.
        """
        named = "/".join(self.loaded.named).encode()
        digest = blake2b(named + b"\0" + key, digest_size=8)
        return int.from_bytes(digest.digest()) < self.percent / 100 * 2**64


class TrialAnswer(NamedTuple):
    """What one who named a key was answered while a version was tried."""

    answerer: Answerer
    epoch: int
    rows: int
    total: float
    squares: float

    @classmethod
    def of(cls, predictions: Predictions, loaded: Loaded, trial: Trial) -> "TrialAnswer":
        """What is counted of an answer, whoever of both has given it."""
        exact = predictions.astype(np.float64)
        return cls(loaded.named, trial.epoch, len(exact), float(exact.sum()), float(exact @ exact))
