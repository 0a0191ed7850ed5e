"""What serves, loaded, as an API process follows it; and which of it answers a question."""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

from models.config import ModelName
from models.schema import TRIPLES
from service import clock
from service.errors import RETRY_LATER, BadRequest, Conflict, NotFound, Unavailable
from service.predict.canary import Trial
from service.predict.formats.question import Question
from service.predict.loaded import Loaded, load
from service.predict.serving import NOTHING, Serving, look
from service.registry.versions import Registry
from service.settings import Settings
from service.single_flight import SingleFlight
from service.tables.store import Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_DATASETS = 64
"""Of how many tables stays loaded what serves: those that were asked for last."""

KEPT_LOADED = 8
"""How many versions that do not serve stay loaded for requests that name them."""

CATCH_UP_SECONDS = 1.0
"""How long a request waits for news of what serves, where what is loaded could answer."""

SILENT_SECONDS = 2.5
"""After that long without news of the store, nobody waits for what was never loaded."""

LOOKS_AT_ONCE = 8
"""Each at another dataset: one that is long in loading holds up no others."""

EPOCH = b"x-serving-epoch"
CANARY_KEY = b"x-canary-key"

_is_epoch = re.compile(rb"[0-9]{1,15}").fullmatch


class Client(NamedTuple):
    """What a client says of itself."""

    epoch: int = 0
    """That of the last answer that it knows of: by no older state it is to be answered."""
    key: bytes | None = None
    """By which it is decided whether a version answers it that is tried."""


ANYBODY = Client()


def client(given: dict[bytes, bytes]) -> Client:
    """Reads it from the headers of a request. Raises BadRequest if it has no such epoch."""
    epoch, key = given.get(EPOCH), given.get(CANARY_KEY)
    if epoch is None and key is None:
        return ANYBODY
    if epoch is not None and not _is_epoch(epoch):
        raise BadRequest("X-Serving-Epoch: it must be a number, as an answer has told it")
    return Client(int(epoch or 0), key)


class Found(NamedTuple):
    """A version that answers, and what serves beside it."""

    loaded: Loaded
    serving: Serving
    trial: Trial | None = None
    """What is tried, where that could have answered as well."""


class Following:
    """What serves of triples, and of the tables that were asked for last."""

    def __init__(
        self, registry: Registry, tables: Tables, settings: Settings, threads: Executor
    ) -> None:
        """
        Args:
            threads: Where it loads what is asked for by its number.
        """
        self.registry = registry
        self.triples = NOTHING
        self._settings = settings
        self._threads = threads
        self._tables = tables
        self._of_tables: OrderedDict[str, Serving] = OrderedDict()
        self._others: dict[tuple[str, ModelName, float], Loaded] = {}
        # Of their own, as a store that does not answer holds them.
        self._look_threads = ThreadPoolExecutor(LOOKS_AT_ONCE)
        self._looks: dict[str, SingleFlight[Serving]] = {}
        self._confirmed: dict[str, float] = {}
        self._news = SingleFlight(self._has_caught_up)
        self._blind_until: dict[str, float] = {}

    @property
    def has_looked(self) -> bool:
        """Whether what the registry served of triples, now or a while ago, is loaded."""
        return self.triples is not NOTHING

    @property
    def tables(self) -> list[str]:
        """The tables of which it is loaded what serves."""
        return list(self._of_tables)

    def unconfirmed_seconds(self) -> float:
        """For how long what is loaded might not be what serves any more."""
        now = clock.now()
        return max(now - self._confirmed.get(name, now) for name in (TRIPLES, *self.tables))

    def at_hand(self, question: Question, asking: Client = ANYBODY) -> Found | None:
        """The version that is asked for, if it is loaded, and surely not an old one."""
        dataset = question.dataset
        if dataset == TRIPLES:
            serving = self.triples
        elif dataset in self._of_tables:
            self._of_tables.move_to_end(dataset)
            serving = self._of_tables[dataset]
        else:
            return None
        if asking.epoch > serving.epoch or self._is_stale(dataset):
            return None
        return self._among(serving, question, asking)

    def _is_stale(self, dataset: str) -> bool:
        age = clock.now() - self._confirmed.get(dataset, 0.0)
        return age > self._settings.staleness_seconds

    def _among(self, serving: Serving, question: Question, asking: Client) -> Found | None:
        model, version = serving.resolve(question.model, question.version)
        loaded = serving.at_hand(model, version, asking.key)
        if loaded is None and model and version:
            loaded = self._others.get((question.dataset, model, version))
        if loaded is None:
            return None
        is_open = asking.key is not None and version is None
        return Found(loaded, serving, serving.trials.get(loaded.model) if is_open else None)

    async def find(self, question: Question, asking: Client = ANYBODY) -> Found:
        """The version that is asked for.

        Raises:
            NotFound: There is no such dataset or version, or it is damaged.
            Conflict: Nothing serves yet.
            Unavailable: It cannot be told whether what is loaded is older than what the client
                knows of.
        """
        return self.at_hand(question, asking) or await self._fetch(question, asking)

    async def _fetch(self, question: Question, asking: Client) -> Found:
        """The version that is asked for, after a look, and loaded first."""
        dataset = question.dataset
        serving = await self._look_or_keep(dataset, asking)
        if found := self._among(serving, question, asking):
            return found
        model, version = serving.resolve(question.model, question.version)
        if model is not None and version is not None:
            arguments = self.registry.of(dataset), model, int(version)
            loaded = await self._known(lambda: self._in_thread(load, *arguments))
            while len(self._others) >= KEPT_LOADED:
                self._others.pop(next(iter(self._others)))
            self._others[dataset, model, version] = loaded
            return Found(loaded, serving)
        what = f"the model {model} has" if model else "there is"
        of = "" if dataset == TRIPLES else f" of the dataset {dataset}"
        how = "POST /train" if dataset == TRIPLES else f'POST /train {{"dataset": "{dataset}"}}'
        raise Conflict(f"{what} no serving version{of} yet: train one with {how}")

    async def _look_or_keep(self, dataset: str, asking: Client) -> Serving:
        """What serves now; what is loaded, where that cannot be found out in time.

        After a failure it is not asked again for a while, unless the client knows of more.
        """
        serving = self._loaded(dataset)
        if serving is NOTHING:
            await self._load_first(dataset)
            serving = self._loaded(dataset)
        may_keep = bool(serving.networks)
        blind_until = self._blind_until.get(dataset, 0.0)
        if may_keep and asking.epoch <= serving.epoch and clock.now() < blind_until:
            return serving
        try:
            async with _bounded(CATCH_UP_SECONDS if may_keep else None):
                serving = await self.of(dataset)
                is_behind = asking.epoch > serving.epoch or not serving.networks
                if is_behind or self._is_stale(dataset):
                    await self._catch_up(is_behind)
                    serving = await self.of(dataset)
        except (OSError, Unavailable) as error:
            if not serving.networks:
                raise
            self._blind_until[dataset] = clock.now() + self._settings.staleness_seconds
            if asking.epoch > serving.epoch:
                detail = f"what serves since epoch {asking.epoch} cannot be found out now"
                raise Unavailable(detail, RETRY_LATER) from error
        return serving

    async def _load_first(self, dataset: str) -> None:
        """Waits for what was never loaded, however long, but not for a store that is silent."""
        loading = asyncio.create_task(self.of(dataset))
        try:
            while not (await asyncio.wait([loading], timeout=CATCH_UP_SECONDS))[0]:
                if self.registry.unconfirmed_seconds() > SILENT_SECONDS:
                    raise _cannot_tell()
            loading.result()
        finally:
            loading.cancel()

    async def _catch_up(self, is_behind: bool = True) -> None:
        """Asks where versions are for what is new; all who wait for it ask together.

        Args:
            is_behind: What is under way may have been asked too early, before what is looked for
                has come.

        Raises:
            Unavailable: There is no answer.
        """
        come = self._news.new_answer if is_behind else self._news.answer
        async with _bounded(CATCH_UP_SECONDS):
            if not await come(None):
                raise _cannot_tell()

    async def _has_caught_up(self) -> bool:
        try:
            await self._to_look(self.registry.catch_up)
        except (OSError, Unavailable):
            return False
        return True

    def _loaded(self, dataset: str) -> Serving:
        return self.triples if dataset == TRIPLES else self._of_tables.get(dataset, NOTHING)

    async def of(self, dataset: str = TRIPLES) -> Serving:
        """What serves of a dataset now. It is loaded, and followed from then on.

        Raises:
            NotFound: There is no such dataset.
            Unavailable: It is not known here, and where it could be does not answer.
        """
        if self._loaded(dataset) is NOTHING:
            await self._known(lambda: self._to_look(self._tables.require, dataset))
        if dataset not in self._looks:
            self._looks[dataset] = SingleFlight(partial(self._look, dataset))
        return await self._looks[dataset].new_answer(None)

    async def _known(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer about something that may just have come on another machine."""
        try:
            return await ask()
        except NotFound:
            await self._catch_up()
            return await ask()

    async def _look(self, dataset: str) -> Serving:
        before = self._loaded(dataset)
        now, confirmed_at = await self._to_look(_look, self.registry.of(dataset), before)
        if self._loaded(dataset) is before:  # else meanwhile others took its place
            if now is not before:
                self._swap(dataset, now)
            if self._loaded(dataset) is not NOTHING:
                self._confirmed[dataset] = confirmed_at
        return now

    def _swap(self, dataset: str, now: Serving) -> None:
        for key in [key for key in self._others if key[0] == dataset]:
            del self._others[key]
        if dataset == TRIPLES:
            self.triples = now
            return
        if now.networks:
            self._of_tables[dataset] = now
        else:  # it costs nothing to look again, and anybody can ask for it
            self._forget(dataset)
        while len(self._of_tables) > KEPT_DATASETS:
            self._forget(next(iter(self._of_tables)))

    def _forget(self, dataset: str) -> None:
        self._of_tables.pop(dataset, None)
        self._confirmed.pop(dataset, None)
        self._blind_until.pop(dataset, None)

    async def keep_fresh(self) -> None:
        """Follows the registry until cancelled: triples, and the tables that are loaded."""
        looks: dict[str, asyncio.Task[None]] = {}
        faults: dict[str, str] = {}
        while True:
            looks = {dataset: look for dataset, look in looks.items() if not look.done()}
            for dataset in {TRIPLES, *self.tables} - looks.keys():
                looks[dataset] = asyncio.create_task(self._keep_fresh(dataset, faults))
            await asyncio.sleep(self._settings.refresh_seconds)

    async def _keep_fresh(self, dataset: str, faults: dict[str, str]) -> None:
        if self._loaded(dataset) is NOTHING and dataset != TRIPLES:
            return  # meanwhile, others took its place
        try:
            await self.of(dataset)
        except Exception as error:
            if faults.get(dataset) != repr(error):  # say it once, not five times a second
                faults[dataset] = repr(error)
                logger.exception(
                    "could not read the versions of %s; still serving what is loaded", dataset
                )
        else:
            faults.pop(dataset, None)

    async def _to_look(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._look_threads, do, *arguments)

    async def _in_thread(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *arguments)


def _look(registry: Registry, before: Serving) -> tuple[Serving, float]:
    """What serves, and the time at which that was surely so.

    The time comes first: news that come between the two are not in what is looked at.
    """
    confirmed_at = clock.now() - registry.unconfirmed_seconds()
    return look(registry, before), confirmed_at


@asynccontextmanager
async def _bounded(seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise _cannot_tell() from None


def _cannot_tell() -> Unavailable:
    return Unavailable("it cannot be found out what serves now", RETRY_LATER)
