from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from models.columns import Columns
from models.export import ONNX_FILE, load_onnx
from models.export_table import export_table
from tests.models.exported import (
    make_columns,
    make_preprocessing,
    make_schema,
    make_version,
)
from tests.models.family import WAVES, make_network


def described(values: Any) -> list[tuple[str, str, list[Any]]]:
    return [(value.name, value.type, value.shape) for value in values]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_inputs_are_the_columns_in_the_order_of_the_schema(dtype: str, tmp_path: Path) -> None:
    make_version(tmp_path / "1", dtype=dtype)
    session = onnxruntime.InferenceSession(tmp_path / "1" / ONNX_FILE)
    assert described(session.get_inputs()) == [
        ("rooms", "tensor(double)", ["batch"]),
        ("area", "tensor(double)", ["batch"]),
        ("garden", "tensor(double)", ["batch"]),
        ("city", "tensor(string)", ["batch"]),
    ]
    assert described(session.get_outputs()) == [("predictions", "tensor(double)", ["batch", 1])]


def test_a_column_may_be_called_as_something_in_the_graph(tmp_path: Path) -> None:
    make_version(tmp_path / "plain", make_schema({"a": "number", "b": "text"}))
    plain = onnx.load(tmp_path / "plain" / ONNX_FILE).graph
    made = {*(node.name for node in plain.node), *(weight.name for weight in plain.initializer)}
    assert "predictions" in made
    schema = make_schema({name: "text" if "_" in name else "number" for name in sorted(made)})
    make_version(tmp_path / "1", schema)
    session = onnxruntime.InferenceSession(tmp_path / "1" / ONNX_FILE)
    assert {value.name for value in session.get_inputs()} == made
    assert [value.name for value in session.get_outputs()] == ["predictions_1"]
    assert np.isfinite(load_onnx(tmp_path / "1")(make_columns(schema, 10))).all()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("dense", {}),
        ("very wide", {}),
        ("low rank", {}),
        ("experts", {}),
        ("three of parallel", WAVES),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_company_changes_no_bit_of_a_prediction(
    dtype: str, kind: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    schema = make_schema()
    preprocessing = make_preprocessing(schema)
    network = make_network(kind, preprocessing, precision=dtype, **fields)
    export_table(network, preprocessing, schema, tmp_path / "1")
    predict, columns = load_onnx(tmp_path / "1"), make_columns(schema, 300)
    together = predict(columns)

    def part(start: int, rows: int) -> Columns:
        return {name: values[start : start + rows] for name, values in columns.items()}

    for rows in (1, 2, 3, 5, 16, 100):
        for start in (0, 7, 150):
            apart = predict(part(start, rows))
            np.testing.assert_array_equal(apart, together[start : start + rows])
