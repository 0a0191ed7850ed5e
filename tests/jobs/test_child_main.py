"""The beginning of a child, in this process."""

import json
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from models.config import TrainConfig
from service.errors import Unavailable
from service.jobs import child_main, patience
from service.objects import Objects
from service.settings import Settings
from tests.registry.versions import JOB
from tests.store.machines import in_memory, machine


class OurWorker:
    """Keeps what it is sent, and is never gone."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def send_bytes(self, message: bytes) -> None:
        self.told.append(json.loads(message))

    def recv_bytes(self) -> bytes:
        threading.Event().wait()
        raise AssertionError


def test_a_child_waits_for_a_store_that_is_away_as_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = machine(tmp_path, in_memory())
    where.registry.staging.cancel(JOB)
    monkeypatch.setattr(child_main, "places", lambda *_: where)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0)
    get, away = Objects.get, [True]

    def away_once(self: Objects, key: str, *others: Any) -> Any:
        if key.endswith("/verdict") and away:
            away.pop()
            raise Unavailable("the object store does not answer")
        return get(self, key, *others)

    monkeypatch.setattr(Objects, "get", away_once)
    worker, settings = OurWorker(), Settings(artifacts_dir=tmp_path)
    config = TrainConfig().model_dump_json()
    child_main.main(cast(Any, worker), JOB, config, None, None, settings)
    assert worker.told == [{"cancelled": True}]
    assert not away
