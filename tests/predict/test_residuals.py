import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.schema import TableSchema
from service.errors import NotFound
from service.predict import residuals as module
from service.predict.residuals import ResidualsOf, residuals
from service.registry.manifest import HELD_OUT, ONNX, seal
from service.registry.versions import Registry
from tests.models.chain import Layer, graph
from tests.predict.tables import HOUSES, NUMBERS, expected, publish
from tests.registry.versions import OTHER_JOB, fill, metadata

BINARY = NUMBERS.model_copy(update={"task": "binary", "classes": ("no", "yes")})


def of_table(
    artifacts: Path, instances: Any, targets: Any, schema: TableSchema = HOUSES, **more: Any
) -> Registry:
    return publish(artifacts, schema, instances=instances, targets=targets, **more)


def test_the_residuals_are_those_of_the_file_that_serves(tmp_path: Path) -> None:
    rows = [[number, number % 2 == 0, "Oslo", "7"] for number in range(600)]
    off = [0.5 if number < 300 else -1.5 for number in range(600)]
    targets = [expected(row) + by for row, by in zip(rows, off, strict=True)]
    found = residuals(of_table(tmp_path, rows, targets), "dense", 1)
    assert (found.dataset, found.model, found.version) == ("houses", "dense", 1)
    assert (found.task, found.split) == ("regression", "validation")
    assert (found.rows, found.not_finite, len(found.sample)) == (600, 0, 500)
    assert {round(true - predicted, 6) for true, predicted in found.sample} == {0.5, -1.5}
    rooms, new, city, zip_ = found.features
    assert (rooms.name, rooms.kind, len(rooms.bins)) == ("rooms", "numeric", 20)
    assert [each.rows for each in rooms.bins] == [30] * 20
    assert (rooms.bins[0].low, rooms.bins[0].high) == (0, 29)
    assert (rooms.bins[-1].low, rooms.bins[-1].high) == (570, 599)
    assert [each.mean for each in rooms.bins] == pytest.approx([0.5] * 10 + [-1.5] * 10)
    assert [(each.low, each.high, each.rows) for each in new.bins] == [(0, 0, 300), (1, 1, 300)]
    assert [(each.value, each.rows) for each in city.bins] == [("Oslo", 600)]
    assert city.bins[0].p10 == pytest.approx(-1.5)
    assert city.bins[0].p90 == pytest.approx(0.5)
    assert zip_.kind == "categorical"


def test_what_is_missing_and_what_is_rare_have_bins_of_their_own(tmp_path: Path) -> None:
    words = [f"w{number:02}" for number in range(30)] + ["often"] * 5 + [None] * 3
    rows = [[None if word is None else 1, True, word, "7"] for word in words]
    found = residuals(of_table(tmp_path, rows, [expected(row) for row in rows]), "dense", 1)
    rooms, _, city, _ = found.features
    assert [(each.low, each.rows) for each in rooms.bins] == [(1, 35), (None, 3)]
    assert (city.bins[0].value, city.bins[0].rows) == ("often", 5)
    others, missing = city.bins[-2:]
    assert (others.value, others.others, others.rows) == (None, 11, 11)
    assert (missing.value, missing.others, missing.rows) == (None, None, 3)
    assert len(city.bins) == 22


def test_of_a_binary_target_the_probability_is_held_against_0_and_1(tmp_path: Path) -> None:
    registry = of_table(tmp_path, [[0, 0], [0, 0]], [0, 1], BINARY, bias=0.25)
    found = residuals(registry, "dense", 1)
    assert found.task == "binary"
    assert sorted(found.sample) == [(0, 0.25), (1, 0.25)]


def test_predictions_that_are_no_number_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [[1e308, 1e308], [1, 1]]
    found = residuals(of_table(tmp_path, rows, [0, 11], NUMBERS), "dense", 1)
    assert (found.rows, found.not_finite, found.sample) == (2, 1, [(11, 11)])
    none = residuals(of_table(tmp_path / "other", rows[:1], [0], NUMBERS), "dense", 1)
    assert (none.not_finite, none.sample, none.features[0].bins) == (1, [], [])


def test_a_wide_table_is_measured_on_fewer_rows_and_told_of_the_first_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 21)
    monkeypatch.setattr(module, "VALUES_AT_ONCE", 3)
    monkeypatch.setattr(module, "MOST_FEATURES", 1)
    rows = [[number, 1] for number in range(50)]
    targets = [expected(row) for row in rows]
    found = residuals(of_table(tmp_path, rows, targets, NUMBERS), "dense", 1)
    assert found.rows == 10
    assert [true for true, _ in found.sample] == targets[:10]
    assert [feature.name for feature in found.features] == ["a"]


def test_triples_have_residuals_as_well(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.prepare()
    folder = registry.folder("cross", 1)
    fill(folder, metadata("cross"))
    layer = Layer(np.array([[1.0], [2.0], [3.0]]), np.zeros(1), "linear")
    onnx.save(graph([layer]), folder / ONNX)
    kept = {"instances": [[1, 0, 0], [0, 0, 1]], "targets": [1, 5]}
    (folder / HELD_OUT).write_text(json.dumps(kept))
    seal(folder, metadata("cross"))
    found = residuals(registry, "cross", 1)
    assert (found.task, found.split, found.sample) == ("regression", "eval", [(1, 1), (5, 3)])
    assert [feature.name for feature in found.features] == ["x0", "x1", "x2"]
    assert [(each.low, each.mean) for each in found.features[2].bins] == [(0, 0), (1, 2)]


def test_a_version_that_kept_no_rows_has_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="before held-out rows were kept"):
        residuals(publish(tmp_path), "dense", 1)


@pytest.mark.anyio
async def test_they_are_worked_out_once_for_each_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 1)
    kept = ResidualsOf()
    registry = of_table(tmp_path, [[0, 0]], [3], NUMBERS)
    of_table(tmp_path, [[0, 0]], [4], NUMBERS, version=2, job_id=OTHER_JOB)
    first = await kept.version(registry, "dense", 1)
    assert await kept.version(registry, "dense", 1) is first
    assert (await kept.version(registry, "dense", 2)).sample == [(4, 0)]
    again = await kept.version(registry, "dense", 1)
    assert again is not first
    assert again == first
    with pytest.raises(NotFound):
        await kept.version(registry, "dense", 3)


@pytest.mark.anyio
async def test_a_dataset_that_is_made_again_has_its_own(tmp_path: Path) -> None:
    kept = ResidualsOf()
    first, again = (
        of_table(tmp_path / name, [[0, 0]], [target], NUMBERS, job_id=job)
        for name, target, job in (("first", 1, "a job"), ("again", 2, OTHER_JOB))
    )
    assert (await kept.version(first, "dense", 1)).sample == [(1, 0)]
    assert (await kept.version(again, "dense", 1)).sample == [(2, 0)]
