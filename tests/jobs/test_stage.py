from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.config import TableDataset, TrainConfig
from models.experiment import TableExperiment
from models.parquet import OneFile
from models.schema import TableSchema, Task
from models.splits import TEST, sides
from models.table import prepare
from service.jobs.stage import stage
from service.registry.manifest import COMPARISON, INTERACTIONS, METADATA, ONNX
from service.registry.shapes import Interactions, Measured
from service.schemas import Metadata
from tests.models.tables import make_table

CONFIG: dict[str, Any] = {"dataset": "houses", "epochs": 3, "repeats": 2}


def staged(parquet: OneFile, schema: TableSchema, folder: Path, **fields: Any) -> Path:
    config = TrainConfig.model_validate(CONFIG | fields)
    assert isinstance(config.dataset, TableDataset)
    table = prepare(parquet, schema, config.dataset, folder / "rows", 2**20, config.precision)
    stage("a job", config, TableExperiment(config, table), folder, lambda progress: None, None)
    return folder


def metadata(folder: Path, network: str) -> Metadata:
    return Metadata.model_validate_json((folder / network / METADATA).read_bytes())


def measured(folder: Path, network: str) -> Measured:
    return Measured.model_validate_json((folder / network / COMPARISON).read_bytes())


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_no_target_of_a_test_row_has_a_say_in_anything_but_the_report(
    task: Task, tmp_path: Path
) -> None:
    parquet, schema = make_table(tmp_path, rows=400, task=task)
    dataset = TableDataset(kind="table", name="houses")
    for_test = sides(parquet, schema, dataset) == TEST
    table = pq.read_table(parquet.path)
    targets = table[schema.target].to_numpy().copy()
    targets[for_test] = np.random.default_rng(0).permutation(targets[for_test])[::-1]
    index = table.column_names.index(schema.target)
    noise = OneFile(tmp_path / "noise.parquet")
    pq.write_table(table.set_column(index, schema.target, pa.array(targets)), noise.path)

    told, of_noise = (staged(file, schema, tmp_path / file.path.stem) for file in (parquet, noise))
    for network in ("dense", "cross"):
        assert (told / network / ONNX).read_bytes() == (of_noise / network / ONNX).read_bytes()
        first, second = (metadata(folder, network) for folder in (told, of_noise))
        for same in ("losses", "validation_losses", "best_epoch", "attempts"):
            assert getattr(first, same) == getattr(second, same)
        for name, score in first.scores.items():
            assert (second.scores[name] == score) != name.startswith("test_"), name
        assert [of.kept for of in first.repeats] == [of.kept for of in second.repeats]
    for name, row in measured(told, "dense").baselines.items():
        of_both = (row, measured(of_noise, "dense").baselines[name])
        here, there = (of.model_dump()["validation_" + LOSS[task]] for of in of_both)
        assert here == there, name


LOSS = {"regression": "rmse", "binary": "log_loss"}


def test_the_same_request_twice_gives_the_same_figures_to_the_last_digit(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=400, task="regression")
    first, again = (staged(parquet, schema, tmp_path / name) for name in ("first", "again"))
    for network in ("dense", "cross"):
        one, other = (metadata(folder, network) for folder in (first, again))
        assert (one.scores, one.repeats) == (other.scores, other.repeats)
        assert measured(first, network).verdict == measured(again, network).verdict


def test_every_network_and_baseline_is_compared_with_every_other(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=400, task="binary")
    folder = staged(parquet, schema, tmp_path / "job", models=["dense", "deep_cross"])
    assert measured(folder, "dense") == measured(folder, "deep_cross")
    found = measured(folder, "dense")
    assert list(found.baselines) == ["mean", "linear", "products", "trees"]
    assert len(found.verdict.pairs) == 6 * 5 / 2
    assert found.verdict.score == "test_log_loss"
    assert sum(tenth.rows for tenth in found.baselines["trees"].calibration) > 0
    text = (folder / "deep_cross" / INTERACTIONS).read_text()
    interactions = Interactions.model_validate_json(text)
    names = {column.name for column in schema.features}
    assert {each.feature for each in interactions.importances} == names
    assert interactions.interactions is not None
    assert len(interactions.interactions) == len(names) * (len(names) + 1) / 2
