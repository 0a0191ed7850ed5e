"""What happened to whom, and when: all that the invariants are told, in monotonic seconds."""

from dataclasses import dataclass
from typing import Any

from models.schema import TRIPLES


@dataclass(frozen=True)
class Answered:
    """A question for predictions, through the balancer, and its answer."""

    client: str
    asked_at: float
    answered_at: float
    status: int | None
    """None if nobody answered."""
    body: Any = None
    epoch: int = 0
    """Of which the answer tells."""
    knew: int = 0
    """The epoch that the client sent, or would have sent."""
    may_be_old: bool = False
    """Whether the balancer says so, since nobody was ready."""
    dataset: str = TRIPLES

    @property
    def is_of_nothing(self) -> bool:
        """Whether there is no such table, nothing serves of it, or that cannot be told now."""
        is_ours = isinstance(self.body, str) and '"detail"' in self.body
        return self.dataset != TRIPLES and self.status in {404, 409, 503} and is_ours


@dataclass(frozen=True)
class Promoted:
    """A promotion of triples that was answered by 200 once the whole fleet was known to follow."""

    answered_at: float
    epoch: int


@dataclass(frozen=True)
class AskedDirectly:
    """An API was asked past the balancer, after it had been asked whether it is ready."""

    asked_at: float
    ready: bool
    epoch: int


@dataclass(frozen=True)
class Died:
    """A worker was killed, stopped or cut off."""

    worker: str
    at: float
    more_seconds: float = 0.0
    """What else in the round keeps others from taking over."""
    others: int = 1
    """How many other workers there are."""


@dataclass(frozen=True)
class Seen:
    """What the job database said of a job."""

    at: float
    job_id: str
    status: str
    worker: str


@dataclass(frozen=True)
class Predicts:
    """What a version gives, by its own file, for what everybody asks."""

    model: str
    version: int
    prediction: float
    dataset: str = TRIPLES
    after: int = 0
    """The epoch after which its life began: one that is made anew counts its versions anew."""


@dataclass(frozen=True)
class Deleted:
    """A dataset was deleted, at this time or later, to be made anew."""

    dataset: str
    at: float


@dataclass(frozen=True)
class Made:
    """A dataset was found that was made after an epoch: all greater ones are of it."""

    dataset: str
    after: int


Event = Answered | Promoted | AskedDirectly | Died | Seen | Predicts | Deleted | Made
