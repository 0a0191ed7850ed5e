"""What other protocols tell of a served model: its versions, its inputs and its output."""

from asyncio import to_thread
from typing import Any, NamedTuple

from starlette.datastructures import State

from service.predict.following import Following
from service.predict.formats.question import Question
from service.predict.loaded import Loaded
from service.schemas import Ready

UNREADY: dict[int | str, dict[str, Any]] = {
    503: {"description": "The service cannot predict yet, or is stopping."}
}


class Tensor(NamedTuple):
    """An input or an output of a network; of -1, a shape says that it may be any number."""

    name: str
    type: type
    """float32, float64, or object for texts."""
    shape: tuple[int, ...]


def inputs(loaded: Loaded) -> list[Tensor]:
    """What a network takes: a matrix of triples, or a vector for each column of a table."""
    shape = (-1, len(loaded.intake.names)) if loaded.intake.are_triples else (-1,)
    return [Tensor(name, takes, shape) for name, takes in loaded.takes.items()]


def output(loaded: Loaded) -> Tensor:
    """What it says, a row for each row."""
    return Tensor("predictions", loaded.says, (-1, 1))


async def find(state: State, question: Question) -> Loaded:
    """The version that is asked for; raises as `Following.find` does."""
    following: Following = state.following
    return (await following.find(question)).loaded


async def versions(state: State, dataset: str, loaded: Loaded) -> list[int]:
    """All of a network that can be asked: the one that is loaded first, then the newest ones."""

    def others() -> list[int]:
        found = state.registry.of(dataset).whole(loaded.model)
        return [number for number, _ in found if number != loaded.version]

    return [loaded.version, *await to_thread(others)]


async def is_ready(state: State) -> bool:
    """Whether the service can predict."""
    found: Ready = await state.readiness["predictions"].check()
    return found.ready
