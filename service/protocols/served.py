"""What other protocols tell of a served model: its versions, its inputs and its output."""

from asyncio import to_thread
from typing import NamedTuple

from starlette.datastructures import State

from service.predict.formats.question import Question
from service.predict.loaded import Loaded
from service.predict.predictor import Predictor


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
    """The version that is asked for; raises as `Predictor.find` does."""
    predictor: Predictor = state.predictor
    return await predictor.find(question)


async def versions(state: State, question: Question) -> list[int]:
    """All that can be asked for where a question names none: the serving one, then the newest ones.

    Raises:
        NotFound: There is no such dataset.
        Conflict: Nothing serves.
    """
    serving = await find(state, question)

    def others() -> list[int]:
        found = state.registry.of(question.dataset).whole(serving.model)
        return [number for number, _ in found if number != serving.version]

    return [serving.version, *await to_thread(others)]
