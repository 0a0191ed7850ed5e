import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.config import ModelName
from models.data import synthetic_triples
from service.predict.formats.intake import Intake
from service.predict.formats.question import Features, Predictions
from service.predict.loaded import Loaded, rows_of
from service.registry.manifest import ONNX
from tests.models.chain import Layer, graph
from tests.models.exported import make_columns, make_version

pytestmark = pytest.mark.anyio

ROWS = synthetic_triples(300, seed=7).features


def some(rows: slice) -> Features:
    return {"features": ROWS[rows]}


def row(number: int) -> Features:
    return some(slice(number, number + 1))


def load(folder: Path, width: int, dtype: str) -> Loaded:
    """Two hidden layers between two cross layers and a linear unit."""
    draw = np.random.default_rng(width)

    def layer(inputs: int, units: int, kind: str) -> Layer:
        kernel, bias = draw.normal(size=(inputs, units)), draw.normal(size=units)
        return Layer(kernel.astype(dtype), bias.astype(dtype), kind)  # type: ignore[arg-type]

    layers = [layer(3, 3, "cross"), layer(3, width, "relu"), layer(width, 3, "relu")]
    layers += [layer(3, 3, "cross"), layer(3, 1, "linear")]
    onnx.save(graph(layers), folder / "model.onnx")
    return Loaded("cross", 1, folder / "model.onnx", Intake())


async def predict_at_once(loaded: Loaded, requests: Sequence[Features]) -> list[Predictions]:
    return await asyncio.gather(*map(loaded.predict_together, requests))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 3, 17, 64, 128])
async def test_company_does_not_change_a_prediction_by_a_bit(
    tmp_path: Path, width: int, dtype: str
) -> None:
    loaded = load(tmp_path, width, dtype)
    alone = np.concatenate([loaded.predict(row(i)) for i in range(len(ROWS))])
    assert len(np.unique(alone)) > 1
    for size in (1, 2, 3, 5, 7, 10, 30, 100, 300):
        requests = [some(slice(i, i + size)) for i in range(0, len(ROWS), size)]
        for _ in range(2):  # in the second turn nobody is taken to be alone
            answers = await predict_at_once(loaded, requests)
            for request, answer in zip(requests, answers, strict=False):
                assert len(answer) == rows_of(request)
            np.testing.assert_array_equal(np.concatenate(answers), alone)


async def test_what_comes_in_one_turn_takes_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(tmp_path, 3, "float64")
    runs = []
    predict = loaded.predict

    def count(features: Features) -> Predictions:
        runs.append(rows_of(features))
        return predict(features)

    monkeypatch.setattr(loaded, "predict", count)
    await predict_at_once(loaded, [row(0)])
    await predict_at_once(loaded, [row(0)])
    assert runs == [1, 1]
    await predict_at_once(loaded, [row(0), some(slice(1, 3)), some(slice(3, 6))])
    assert runs == [1, 1, 1, 5]
    await predict_at_once(loaded, [row(0), some(slice(1, 3)), some(slice(3, 6))])
    assert runs == [1, 1, 1, 5, 6]


async def test_one_that_gives_up_does_not_disturb_the_others(tmp_path: Path) -> None:
    loaded = load(tmp_path, 3, "float64")
    await predict_at_once(loaded, [row(0), row(1)])
    stays, leaves, stays_too = (
        asyncio.ensure_future(loaded.predict_together(row(i))) for i in range(3)
    )
    await asyncio.sleep(0)  # all three have asked
    leaves.cancel()
    for task, number in ((stays, 0), (stays_too, 2)):
        np.testing.assert_array_equal(await task, loaded.predict(row(number)))
    with pytest.raises(asyncio.CancelledError):
        await leaves


async def test_a_fault_reaches_everybody_and_the_next_turn_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(tmp_path, 3, "float64")
    await predict_at_once(loaded, [row(0), row(1)])
    with monkeypatch.context() as patch:

        def fail(features: Features) -> Predictions:
            raise RuntimeError("out of memory")

        patch.setattr(loaded, "predict", fail)
        tasks = [asyncio.ensure_future(loaded.predict_together(row(0))) for _ in range(2)]
        done, _ = await asyncio.wait(tasks)
        assert [str(task.exception()) for task in done] == ["out of memory"] * 2
    await predict_at_once(loaded, [row(0), row(1)])


@pytest.mark.parametrize("name", ["dense", "cross"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
async def test_company_does_not_change_a_prediction_of_a_table_by_a_bit(
    tmp_path: Path, name: ModelName, dtype: str
) -> None:
    schema = make_version(tmp_path, name=name, dtype=dtype)
    columns = make_columns(schema, rows=100)
    loaded = Loaded(name, 1, tmp_path / ONNX, Intake(schema))

    def part(start: int, end: int) -> Features:
        return {column: values[start:end] for column, values in columns.items()}

    alone = np.concatenate([loaded.predict(part(i, i + 1)) for i in range(100)])
    assert np.isfinite(alone).all()
    for size in (1, 2, 3, 7, 30, 100):
        requests = [part(i, i + size) for i in range(0, 100, size)]
        for _ in range(2):
            answers = await predict_at_once(loaded, requests)
            np.testing.assert_array_equal(np.concatenate(answers), alone)
