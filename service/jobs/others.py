"""Other workers, as the child of a job, and that of a helper, reach them: by claims.

A claim is made once for a part, by whoever comes first, and never changed. The child of the job
trains what a helper has claimed that is not at work any more.
"""

from collections.abc import Sequence
from functools import partial
from itertools import count, islice

from models.config import ModelName
from models.least_squares import LeastSquares, Look
from models.parts import Part
from service.jobs.child_main import Worker
from service.jobs.hands import Claim
from service.jobs.looks import LOOK, Helpers, Looks
from service.jobs.packing import pack_parts
from service.jobs.patience import patiently
from service.registry.staging import Staging
from service.schemas import Progress

MOST_HELPERS = 32
"""Of one job at a time."""


class OtherWorkers:
    """Those who may train parts of a job, as `hands.Others`."""

    def __init__(self, job_id: str, attempt: str, worker: Worker, staging: Staging) -> None:
        """
        Args:
            attempt: The name of this one.
            worker: That of this process, which queues helpers, and knows whether they are at work.
        """
        self._job_id, self._attempt = job_id, attempt
        self._worker, self._staging = worker, staging
        self._owners: dict[str, str] = {}
        self._numbers = count(1)
        self._lookers = Helpers(lambda most: worker.tell(offers=[self._helpers(most), LOOK]))

    def offer(self, parts: Sequence[Part]) -> None:
        """Queues a helper for each part, but not too many."""
        helpers = self._helpers(len(parts))
        offer = f"offer-to-{helpers[0]}"
        patiently(partial(self._staging.keep_part, self._job_id, offer, pack_parts(parts)))
        self._worker.tell(offers=[helpers, offer])

    def claim(self, part: Part) -> Claim:
        """Claims a part, or says how far its helper is."""
        owner = self._owner(part)
        if owner == self._attempt:
            return Claim("ours")
        if (made := self._made(part)) is not None:
            return Claim("done", packed=made)
        is_at_work, progress = self._worker.ask(finds=owner)
        if is_at_work:
            return Claim("theirs", Progress.model_validate(progress) if progress else None)
        # It may have ended just now; else it has died, or was an attempt at the job itself.
        made = self._made(part)
        return Claim("ours") if made is None else Claim("done", packed=made)

    def withdraw(self, parts: Sequence[Part]) -> None:
        """Claims them, so that nobody begins them."""
        for part in parts:
            self._owner(part)

    def look(self, network: ModelName, problem: LeastSquares) -> Look:
        """A way to look at all rows of a problem that leaves some of them to others."""
        staging, job_id = self._staging, self._job_id
        worker, lookers = self._worker, self._lookers
        return Looks(network, problem, staging, job_id, self._attempt, worker, lookers)

    def end(self) -> None:
        """There is nothing to look at any more."""
        if self._lookers.were_asked:
            patiently(partial(self._staging.drop_parts, self._job_id, [LOOK]))

    def _made(self, part: Part) -> bytes | None:
        """What was left with the job."""
        return patiently(partial(self._staging.part, self._job_id, part.key))

    def _helpers(self, most: int) -> list[str]:
        """The ids of new ones, but not of too many."""
        numbers = islice(self._numbers, min(most, MOST_HELPERS))
        return [f"{self._job_id}-{self._attempt}-{number}" for number in numbers]

    def _owner(self, part: Part) -> str:
        if part.key not in self._owners:
            claim = partial(self._staging.claim_part, self._job_id, part.key, self._attempt)
            self._owners[part.key] = patiently(claim)
        return self._owners[part.key]
