"""`/livez` and `/readyz`, which ask for no key."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.readiness import Subject
from service.schemas import Live, Ready

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> Live:
    """Answers as long as the process does."""
    return Live()


@router.get("/readyz", responses={503: {"model": Ready}})
async def readyz(
    request: Request,
    response: Response,
    subject: Annotated[Subject, Query(alias="for")] = "predictions",
) -> Ready:
    """Whether the service can predict or, with `for=jobs`, train; 503 and what is missing if not.

    Predictions need neither the job database nor a worker. Damaged versions are named, and do not
    make it unready: others serve.
    """
    ready: Ready = await request.app.state.readiness[subject].check()
    response.status_code = 200 if ready.ready else 503
    return ready
