"""The spans of a job: an attempt, below the request that posted it, and in it each network and
baseline."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.config import TrainConfig
from service.tracing import Span, Tracing


@contextmanager
def of_job(
    tracing: Tracing | None, job_id: str, config: TrainConfig, above: str | None
) -> Iterator[Callable[[str], None]]:
    """Traces an attempt to run a job, from its child's start to its end.

    Yields what is to be told whenever the child has come to another network or baseline.
    """
    if tracing is None:
        yield lambda _: None
        return
    about = {"crosscheck.job_id": job_id, "crosscheck.dataset": config.dataset.name}
    whole = tracing.begin("train", about, "consumer", above)
    parts: dict[str, Span] = {}

    def come_to(part: str) -> None:
        if part not in parts:
            end_parts()
            parts[part] = tracing.begin(f"train {part}", {}, above=whole.traceparent)

    def end_parts() -> None:
        for span in parts.values():
            span.end()
        parts.clear()

    try:
        yield come_to
    except BaseException as error:
        whole.fail(str(error) or type(error).__name__)
        raise
    finally:
        end_parts()
        whole.end()
