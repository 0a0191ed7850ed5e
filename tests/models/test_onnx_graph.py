from typing import Any

import numpy as np
import onnxruntime
import pytest

from models.data import Array
from models.onnx_graph import Graph

ROWS = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]])


def run(made: Graph, output: str, **inputs: Any) -> Array:
    session = onnxruntime.InferenceSession(
        made.model(output, "float64").SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, inputs)
    return np.asarray(result)


@pytest.mark.parametrize("rows_last", [True, False])
def test_an_affine_map_is_one_of_each_row_wherever_the_rows_run(rows_last: bool) -> None:
    made = Graph(rows_last)
    x = made.input("x", "float64", [2, "batch"] if rows_last else ["batch", 2])
    kernel, bias = np.array([[1.0, 10], [100, 1000]]), np.array([0.5, 0.25])
    affine = made.affine(x, kernel, bias)
    joined = made.join(affine, x, name="joined")
    last = made.affine(joined, np.array([[1.0], [2], [4], [8]]), np.zeros(1))
    column = made.constant("column", np.array([-1, 1]))
    output = made.apply("Reshape", last, column, name="output")
    expected = np.hstack([ROWS @ kernel + bias, ROWS]) @ [1, 2, 4, 8]
    given = ROWS.T if rows_last else ROWS
    assert run(made, output, x=np.ascontiguousarray(given))[:, 0].tolist() == expected.tolist()


def test_a_name_is_given_once() -> None:
    made = Graph(rows_last=False)
    x = made.input("sum", "float64", ["batch", 1])
    one = made.constant("one", np.array(1.0))
    two = made.constant("one", np.array(2.0))
    three = made.apply("Add", x, one, name="sum")
    output = made.apply("Mul", three, two, name="sum")
    assert [one, two, three, output] == ["one", "one_1", "sum_1", "sum_2"]
    assert run(made, output, sum=np.array([[4.0]])).tolist() == [[10.0]]
