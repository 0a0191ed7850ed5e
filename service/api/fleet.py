"""What all API processes, on whatever machine, are known to have done after a while."""

import asyncio

from starlette.datastructures import State

from service.errors import RETRY_LATER, Unavailable
from service.settings import Settings


async def wait(state: State) -> None:
    """Returns when each API process answers by what serves now, or has come to be unready.

    Nobody need be asked for that: who has not looked for `staleness_seconds` says so at `/readyz`,
    and a balancer takes it out within `balancer_seconds`.

    Raises:
        Unavailable: This process stops before that.
    """
    settings: Settings = state.settings
    try:
        async with asyncio.timeout(settings.staleness_seconds + settings.balancer_seconds):
            await state.stopping.wait()
    except TimeoutError:
        return
    raise Unavailable(
        "it was done, but this process stops before all others are known to follow", RETRY_LATER
    )
