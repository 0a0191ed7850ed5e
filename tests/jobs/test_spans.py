"""A job that nobody traces."""

from models.config import TrainConfig
from service.jobs.spans import of_job


def test_without_tracing_a_job_has_no_spans() -> None:
    with of_job(None, "id", TrainConfig(), None) as come_to:
        come_to("dense")
