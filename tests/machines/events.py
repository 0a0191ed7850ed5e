"""What happened to whom, and when: all that the invariants are told, in monotonic seconds."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answered:
    """A question for predictions of triples, through the balancer, and its answer."""

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


@dataclass(frozen=True)
class Promoted:
    """A promotion that was answered by 200 once the whole fleet was known to follow."""

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


Event = Answered | Promoted | AskedDirectly | Died | Seen | Predicts
