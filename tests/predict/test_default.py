import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.config import ModelName, TrainConfig
from models.schema import TableSchema
from service.predict.default import choose
from service.predict.loaded import Loaded, load
from service.registry.manifest import HELD_OUT, ONNX, seal
from service.registry.versions import Registry
from tests.models.chain import Layer, graph
from tests.predict.tables import HOUSES, NUMBERS, expected, publish
from tests.registry.versions import fill, metadata

BINARY = HOUSES.model_copy(update={"task": "binary", "classes": ("no", "yes")})
BINARY_NUMBERS = NUMBERS.model_copy(update={"task": "binary", "classes": ("no", "yes")})


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path)
    made.prepare()
    return made


def version(
    registry: Registry,
    name: ModelName,
    *,
    bias: float,
    says: float,
    rows: int = 0,
    day: int = 1,
    **dataset: Any,
) -> Loaded:
    """A version that answers its bias to everything, where 0 is right, and says it errs so much."""
    about = metadata(name).model_copy(
        update={
            "scores": {"eval_rmse": says},
            "config": TrainConfig.model_validate({"dataset": dataset}),
            "created_at": datetime(2026, 1, day, tzinfo=UTC),
        }
    )
    folder = registry.folder(name, 1)
    fill(folder, about)
    onnx.save(
        graph([Layer(np.zeros((3, 1)), np.array([bias], np.float64), "linear")]), folder / ONNX
    )
    if rows:
        kept = {"instances": [[0, 0, 0]] * rows, "targets": [0] * rows}
        (folder / HELD_OUT).write_text(json.dumps(kept))
    seal(folder, about)
    return load(registry, name, 1)


def test_where_nothing_serves_nobody_answers(registry: Registry) -> None:
    assert choose([], registry) is None


def test_the_only_one_answers(registry: Registry) -> None:
    only = version(registry, "dense", bias=1, says=1)
    default = choose([only], registry)
    assert default is not None
    assert default.loaded is only
    assert default.reason == "no other network serves"


def test_figures_from_the_same_dataset_are_compared_as_they_are(registry: Registry) -> None:
    dense = version(registry, "dense", bias=1, says=0.1)
    cross = version(registry, "cross", bias=0, says=0.2)
    default = choose([dense, cross], registry)
    assert default is not None
    assert default.loaded is dense
    assert "0.1 on the rows that the jobs of all of them held out" in default.reason
    assert "cross version 1 is 0.2" in default.reason


def test_figures_from_other_datasets_are_not_but_both_are_measured_on_the_most_rows(
    registry: Registry,
) -> None:
    dense = version(registry, "dense", bias=0.25, says=0.1, rows=10, size=100, day=2)
    cross = version(registry, "cross", bias=0, says=0.2, rows=20, size=200)
    default = choose([dense, cross], registry)
    assert default is not None
    assert default.loaded is cross
    assert default.reason == (
        "its RMSE is 0 on 20 rows that the job of cross version 1 held out; "
        "that of dense version 1 is 0.25"
    )


def test_one_whose_error_is_no_number_does_not_answer(registry: Registry) -> None:
    dense = version(registry, "dense", bias=np.nan, says=0.1, rows=10, size=100, day=2)
    cross = version(registry, "cross", bias=9, says=0.2, size=200)
    default = choose([dense, cross], registry)
    assert default is not None
    assert default.loaded is cross


def test_where_no_rows_are_kept_the_newest_answers(registry: Registry) -> None:
    dense = version(registry, "dense", bias=1, says=0.1, size=100)
    cross = version(registry, "cross", bias=1, says=0.2, size=200, day=2)
    default = choose([dense, cross], registry)
    assert default is not None
    assert default.loaded is cross
    assert "newest" in default.reason


def of_table(folder: Path, network: ModelName, **differently: Any) -> Loaded:
    return load(publish(folder, network=network, **differently), network, 1)


ROWS: dict[str, Any] = {"instances": [[1, True, "Oslo", "7"], [None, None, "Rome", None]]}
RIGHT = [expected(row) for row in ROWS["instances"]]


@pytest.mark.parametrize(
    ("schema", "score", "name"),
    [(HOUSES, "validation_rmse", "RMSE"), (BINARY, "validation_log_loss", "log loss")],
)
def test_versions_of_the_same_rows_of_a_table_are_compared_by_what_chooses(
    tmp_path: Path, schema: TableSchema, score: str, name: str
) -> None:
    # The errors on the test rows say the contrary: they choose nothing.
    of_test = score.replace("validation", "test")
    dense = of_table(tmp_path, "dense", schema=schema, scores={score: 0.5, of_test: 9.0})
    cross = of_table(tmp_path, "cross", schema=schema, scores={score: 0.7, of_test: 1.0})
    default = choose([dense, cross], Registry(tmp_path, "houses"))
    assert default is not None
    assert default.loaded is dense
    assert default.reason.startswith(f"its {name} is 0.5 on the rows that the jobs of all of them")


def test_versions_of_other_revisions_are_measured_on_the_rows_that_one_has_kept(
    tmp_path: Path,
) -> None:
    dense = of_table(tmp_path, "dense", bias=3, revision=2, day=2, **ROWS, targets=RIGHT)
    cross = of_table(tmp_path, "cross", scores={"validation_rmse": 100.0})
    default = choose([dense, cross], Registry(tmp_path, "houses"))
    assert default is not None
    assert default.loaded is cross
    assert default.reason == (
        "its RMSE is 0 on 2 rows that the job of dense version 1 held out; "
        "that of dense version 1 is 3"
    )


def test_probabilities_are_measured_by_their_log_loss(tmp_path: Path) -> None:
    rows = {"instances": [[0.0, 0.0], [0.0, 0.0]], "targets": [0.0, 1.0]}
    fair = of_table(tmp_path, "dense", schema=BINARY_NUMBERS, bias=0.5, **rows)
    sure = of_table(tmp_path, "cross", schema=BINARY_NUMBERS, bias=1.0, revision=2)
    default = choose([fair, sure], Registry(tmp_path, "houses"))
    assert default is not None
    assert default.loaded is fair
    assert default.reason == (
        "its log loss is 0.6931471806 on 2 rows that the job of dense version 1 held out; "
        "that of cross version 1 is 18.02182669"
    )
