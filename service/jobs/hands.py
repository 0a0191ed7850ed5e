"""Who trains the parts of a job: the child that has the job, and other workers that have time.

Parts are offered as soon as they are known, but for the one that comes next. The child trains them
in their order, without those that somebody else has begun; what others do not bring, it trains
itself. So a job needs nobody, and what comes of it does not depend on who has helped.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from models.config import ModelName
from models.least_squares import LeastSquares, Look
from models.parts import Part, Results, steps_of, timed
from models.starts import Start
from models.training import Training
from service.jobs.packing import unpack
from service.jobs.recorder import Recorder
from service.schemas import Progress

LOOK_SECONDS = 0.3
"""Between two looks at parts that are all in the hands of others."""


class Claim(NamedTuple):
    """Whose a part is from now on, and how far it is there."""

    state: Literal["ours", "theirs", "done"]
    progress: Progress | None = None
    """Of a part that is theirs."""
    packed: bytes = b""
    """What they have made of a part that is done."""


class Others(Protocol):
    """Those who may train a part of a job."""

    def offer(self, parts: Sequence[Part]) -> None:
        """Lets them know of parts."""

    def claim(self, part: Part) -> Claim:
        """Takes a part back, unless somebody trains it, or has done so."""

    def withdraw(self, parts: Sequence[Part]) -> None:
        """Nobody need train these parts any more."""

    def end(self) -> None:
        """Everything is trained."""

    def look(self, network: ModelName, problem: LeastSquares) -> Look:
        """A way to look at all rows of a problem that leaves some of them to others."""


class Hands:
    """All that train a job's networks."""

    def __init__(
        self,
        trainings: Mapping[ModelName, Training[Any]],
        recorder: Recorder,
        others: Others | None,
    ) -> None:
        """Without others, each part is trained here when it is asked for."""
        self._trainings = trainings
        self._recorder = recorder
        self._others = others
        self._open: dict[str, Part] = {}
        self._offered: set[str] = set()
        self._done: dict[str, list[Start]] = {}
        if others:
            for name, training in trainings.items():
                if problem := training.trainer.problem:
                    problem.look = others.look(name, problem)
            self._offer([part for each in trainings.values() for part in each.trainer.first])

    def share(self, parts: Sequence[Part]) -> Results:
        """As `models.parts.Share`."""
        if self._others:
            self._offer([part for part in parts if part.key not in {*self._open, *self._done}])
        return self._results(parts)

    def end(self) -> None:
        """Everything is trained."""
        if self._others:
            self._others.end()

    def _results(self, parts: Sequence[Part]) -> Results:
        try:
            for part in parts:
                yield self._result(part)
        finally:
            left = [part for part in parts if self._open.pop(part.key, None)]
            offered = [part for part in left if part.key in self._offered]
            if offered and self._others:
                self._others.withdraw(offered)

    def _offer(self, parts: Sequence[Part]) -> None:
        assert self._others
        self._open |= {part.key: part for part in parts}
        if others := [part for part in parts[1:] if not self._is_spread_by_rows(part)]:
            self._offered |= {part.key for part in others}
            self._others.offer(others)

    def _is_spread_by_rows(self, part: Part) -> bool:
        return part.on == "rows" and self._trainings[part.network].trainer.problem is not None

    def _result(self, part: Part) -> list[Start]:
        if self._others is None:
            return self._train(part)
        while part.key not in self._done:
            if not self._go_on(part, self._others):
                time.sleep(LOOK_SECONDS)
        return self._done.pop(part.key)

    def _go_on(self, wanted: Part, others: Others) -> bool:
        """Gets the wanted part done, or meanwhile another one; false if others have all of them."""
        for part in sorted(self._open.values(), key=lambda part: part.key != wanted.key):
            claim = others.claim(part) if part.key in self._offered else Claim("ours")
            if claim.state == "theirs":
                if claim.progress and part.key == wanted.key:
                    self._recorder.report(claim.progress)
                continue
            is_done = claim.state == "done"
            self._done[part.key] = self._took(part, claim.packed) if is_done else self._train(part)
            del self._open[part.key]
            return True
        return False

    def _train(self, part: Part) -> list[Start]:
        training = self._trainings[part.network].trainer.train
        return timed(training, part, self._recorder.of(part.network))

    def _took(self, part: Part, packed: bytes) -> list[Start]:
        starts = unpack(packed, self._trainings[part.network].build)
        self._recorder.add(part.network, steps_of(part, starts))
        return starts
