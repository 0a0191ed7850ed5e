"""A training job of the demo: posted, followed to its end, compared."""

from typing import Any

from service.client import Client, Failed
from service.commands.comparison_table import compared
from service.commands.following import follow
from service.commands.output import out
from service.demo.calls import get, post, show


def train(service: Client, config: dict[str, Any] | None) -> None:
    """Trains both networks, prints their comparison and the verdict.

    Args:
        config: The body of the request; None posts none.
    """
    job_id = post(service, "/train", config)["id"]
    show(f"curl -N {service.url_of(f'/jobs/{job_id}/events')}")
    job = follow(service, job_id)
    if job["status"] != "succeeded":
        raise Failed(f"The job {job['status']}: {job['error']}")
    out.print(compared([get(service, "/metrics", job_id=job_id)]))
