"""A round after which every promise is kept, for tests that break one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from service.tables.store import Tables
from tests.faults.invariants import Round
from tests.faults.ledger import Ledger, Revision
from tests.faults.load import Answer
from tests.registry.versions import JOB, OTHER_JOB, fill, metadata
from tests.tables.revisions import publish

RIGHT = Answer(200, {"model": "cross", "version": 1, "predictions": [0.25, 0.5]})


@pytest.fixture
def kept(tmp_path: Path) -> Round:
    """A round after which every promise is kept."""
    ledger = Ledger(tmp_path)
    ledger.accepted = {JOB: ["triples/cross"], OTHER_JOB: ["triples/cross"]}
    ledger.before = {
        JOB: {
            "status": "succeeded",
            "config": {"promote": "always"},
            "error": None,
            "results": [{"model": "cross", "version": 1}],
        }
    }
    ledger.jobs = {
        **ledger.before,
        OTHER_JOB: {"status": "cancelled", "error": None, "results": []},
    }
    ledger.doomed = ledger.cancelled = {OTHER_JOB}
    ledger.published, ledger.published_before = {"triples/cross/1": JOB}, {"triples/cross/1": JOB}
    ledger.predictions = {"triples/cross/1": np.array([0.25, 0.5], np.float32)}
    ledger.serving = dict.fromkeys(ledger.networks(), 1)
    by_hand = {"version": 1, "job_id": None}
    ledger.history = {"triples/cross": [by_hand, by_hand, {"version": 1, "job_id": JOB}]}
    fill(tmp_path / "triples" / "cross" / "1", metadata())
    publish(Tables(tmp_path), "houses", b"rows")
    table = Revision("houses", 1, hashlib.sha256(b"rows").hexdigest())
    ledger.revisions, ledger.listed = [table], [table]
    return Round(
        ledger=ledger,
        answers=[RIGHT],
        disorderly=[],
        seconds_to_ready=9.9,
        spares_the_api=True,
        may_fail_jobs=False,
    )
