"""`/whoami`: what a key may do. It needs none: who has none, or a wrong one, is told so."""

from fastapi import APIRouter, Request

from service import access
from service.api.dependencies import TheSettings
from service.schemas import Whoami

router = APIRouter(tags=["health"])


@router.get("/whoami")
async def whoami(request: Request, settings: TheSettings) -> Whoami:
    """Whether a key is needed, and what the one that came with the request may do."""
    if not settings.api_keys:
        return Whoami(needs_key=False, key=None, role="admin")
    key = access.key_of(settings, dict(request.scope["headers"]))
    return Whoami(needs_key=True, key=key and key.name, role=key and key.role)
