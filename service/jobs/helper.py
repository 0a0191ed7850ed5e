"""What the child process of a helper runs: it trains parts of a job that another worker has."""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

from models.config import ModelName
from models.experiment import Experiment
from models.least_squares import LeastSquares
from models.parts import timed
from models.training import Training
from service import taken_folder
from service.jobs.child_main import Worker
from service.jobs.looks import LOOK, help_to_look
from service.jobs.packing import pack, unpack_parts
from service.jobs.patience import patiently
from service.jobs.recorder import Recorder, Report
from service.jobs.work import Work, compiling, experiment_of
from service.schemas import Progress


def help_out(work: Work, worker: Worker, helper: str, offer: str) -> None:
    """Does what nobody has claimed of what a job has offered, and leaves what comes of it with it.

    Args:
        worker: Knows whether the job is still at work.
        helper: The id under which it claims; what it has claimed before, it does now.
        offer: The name under which parts were left, or `LOOK`; if it is gone, the job has ended.

    Raises:
        NotFound, Damaged, Unsuitable, TrainingDiverged: As `trainer.train`.
    """

    @cache
    def experiment() -> Experiment:
        return patiently(partial(experiment_of, work))

    with compiling(work.where.registry):
        if offer == LOOK:
            _look(work, worker, helper, experiment)
        else:
            _train(work, helper, offer, experiment)
    taken_folder.discard(work.attempt)


def _look(work: Work, worker: Worker, helper: str, experiment: Callable[[], Experiment]) -> None:
    @lru_cache(1)
    def problem_of(network: ModelName) -> LeastSquares | None:
        return experiment().training(network).trainer.problem

    help_to_look(work.where.registry.staging, work.job_id, helper, worker, problem_of)


def _train(work: Work, helper: str, offer: str, experiment: Callable[[], Experiment]) -> None:
    staging, job_id = work.where.registry.staging, work.job_id
    recorder = Recorder("mean squared error", _only_progress(work.report))

    @lru_cache(1)  # what others have compiled is not kept
    def training_of(network: ModelName) -> Training[Any]:
        return experiment().training(network)

    offered = patiently(partial(staging.part, job_id, offer))
    for part in unpack_parts(offered) if offered else []:
        owner = patiently(partial(staging.claim_part, job_id, part.key, helper))
        if owner == helper and patiently(partial(staging.part, job_id, part.key)) is None:
            train = training_of(part.network).trainer.train
            starts = timed(train, part, recorder.of(part.network))
            patiently(partial(staging.keep_part, job_id, part.key, pack(starts)))


def _only_progress(report: Report) -> Report:
    return lambda told: report(told) if isinstance(told, Progress) else None
