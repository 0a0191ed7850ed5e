"""Other workers, as the child of a job reaches them: through its own worker."""

from collections.abc import Sequence
from functools import partial

from models.parts import Part
from service.jobs.child_main import Worker
from service.jobs.hands import Claim
from service.jobs.packing import pack_part
from service.jobs.patience import patiently
from service.registry.staging import Staging
from service.schemas import Progress


class OtherWorkers:
    """Those who may train parts of a job, as `hands.Others`."""

    def __init__(self, job_id: str, worker: Worker, staging: Staging) -> None:
        self._job_id, self._worker, self._staging = job_id, worker, staging

    def offer(self, parts: Sequence[Part]) -> None:
        """Has them queued."""
        self._worker.tell(offers=[(part.key, pack_part(part)) for part in parts])

    def claim(self, part: Part) -> Claim:
        """Asks whose a part is."""
        state, progress = self._worker.ask(claims=part.key)
        return Claim(state, Progress.model_validate(progress) if progress else None)

    def withdraw(self, parts: Sequence[Part]) -> None:
        """Has them ended."""
        self._worker.tell(withdraws=[part.key for part in parts])

    def result(self, part: Part) -> bytes | None:
        """Fetches what was left with the job."""
        return patiently(partial(self._staging.part, self._job_id, part.key))
