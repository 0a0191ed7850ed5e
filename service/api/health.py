"""`/livez` and `/readyz`, which ask for no key."""

from fastapi import APIRouter, Request, Response

from service.schemas import Live, Ready

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> Live:
    """Answers as long as the process does."""
    return Live()


@router.get("/readyz", responses={503: {"model": Ready}})
async def readyz(request: Request, response: Response) -> Ready:
    """Whether the service can do its work; 503 and what is missing if it cannot."""
    ready: Ready = await request.app.state.readiness.check()
    response.status_code = 200 if ready.ready else 503
    return ready
