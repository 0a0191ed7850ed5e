"""Whom a version answers that is tried."""

from pathlib import Path

import numpy as np
import pytest

from service.predict.canary import Trial, TrialAnswer
from service.predict.loaded import Loaded, load
from tests.predict.tables import publish
from tests.registry.versions import OTHER_JOB

KEYS = [f"user-{number}".encode() for number in range(10_000)]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load(publish(tmp_path), "dense", 1)


def taken(loaded: Loaded, percent: float) -> set[bytes]:
    return {key for key in KEYS if Trial(loaded, percent, 1).takes(key)}


def test_a_share_of_the_keys_is_taken_and_with_a_larger_share_all_of_them_stay(
    loaded: Loaded,
) -> None:
    five, half = taken(loaded, 5), taken(loaded, 50)
    assert 400 < len(five) < 600
    assert 4800 < len(half) < 5200
    assert five < half
    assert taken(loaded, 100) == set(KEYS)


def test_every_machine_takes_the_same_ones(loaded: Loaded) -> None:
    taken_of_few = [key for key in KEYS[:50] if Trial(loaded, 5, 1).takes(key)]
    assert taken_of_few == [b"user-9", b"user-25", b"user-28", b"user-34"]


def test_another_version_takes_others(loaded: Loaded, tmp_path: Path) -> None:
    other = load(publish(tmp_path, version=2, job_id=OTHER_JOB), "dense", 2)
    both = taken(loaded, 10) & taken(other, 10)
    assert 50 < len(both) < 200


def test_sums_are_taken_in_double_precision(loaded: Loaded) -> None:
    predictions = np.full(3, 1e30, np.float32)
    answer = TrialAnswer.of(predictions, loaded, Trial(loaded, 5, 7))
    assert answer[:3] == (("houses", "dense", "1"), 7, 3)
    assert np.isfinite(answer.squares)
