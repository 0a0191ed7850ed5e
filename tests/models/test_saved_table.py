import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from models.columns import Columns
from models.export import load_onnx, load_saved_model
from models.schema import TableSchema, Type
from tests.models.exported import make_columns, make_schema, make_version

ODD_NAMES = (
    "self",
    "a b",
    "a_b",
    "größe",
    "x/y",
    "x²",
    "日本",
    "0",
    "for",
    "None",
    "Rooms",
    "rooms",
    "predictions",
    "name",
    "args",
    "kwargs",
    "column_1",
    "_private",
    " ",
    "\n",
    '"quoted"',
    "^a",
    "a:0",
    "x" * 200,
    "ü" * 200,
)

ANOTHER_PROCESS = """
import json, sys
import numpy as np
import tensorflow as tf

folder, rows = sys.argv[1], json.loads(sys.stdin.read())
serve = tf.saved_model.load(folder).signatures["serving_default"]
arrays = {
    name: np.array(values, object if isinstance(values[0], str) else float)
    for name, values in rows.items()
}
try:
    by_keyword = serve(**{name: tf.constant(values) for name, values in arrays.items()})
    by_keyword = by_keyword["predictions"].numpy().tolist()
except TypeError:
    by_keyword = None

# As TensorFlow Serving does: by the names of the signature, whatever they stand for.
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    signature = loaded.signature_def["serving_default"]
    feed = {signature.inputs[name].name: values for name, values in arrays.items()}
    answer = session.run({k: v.name for k, v in signature.outputs.items()}, feed)

describe = lambda part: {
    name: [tf.dtypes.as_dtype(info.dtype).name, [d.size for d in info.tensor_shape.dim]]
    for name, info in part.items()
}
print(json.dumps({
    "inputs": describe(signature.inputs),
    "outputs": describe(signature.outputs),
    "by_keyword": by_keyword,
    "served": {name: values.tolist() for name, values in answer.items()},
    "knows_models": "models" in sys.modules,
}))
"""


def ask_another_process(folder: Path, columns: Columns, outside: Path) -> dict[str, Any]:
    """What a process without this package makes of a SavedModel, and what it answers."""
    rows = json.dumps({name: values.tolist() for name, values in columns.items()})
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(folder)]
    # From another folder, so that loading cannot find this package in the working directory.
    process = subprocess.run(
        command, cwd=outside, input=rows, check=True, stdout=subprocess.PIPE, text=True
    )
    answer: dict[str, Any] = json.loads(process.stdout)
    assert answer.pop("knows_models") is False
    return answer


def inputs(schema: TableSchema) -> dict[str, Any]:
    return {
        column.name: ["float64" if column.kind == "numeric" else "string", [-1]]
        for column in schema.features
    }


def test_a_process_without_this_package_calls_it_by_the_names_of_the_columns(
    tmp_path: Path,
) -> None:
    schema = make_version(tmp_path / "1")
    columns = make_columns(schema, 20)
    expected = load_onnx(tmp_path / "1")(columns)[:, np.newaxis]
    answer = ask_another_process(tmp_path / "1", columns, tmp_path)
    assert answer["inputs"] == inputs(schema)
    assert answer["outputs"] == {"predictions": ["float64", [-1, 1]]}
    np.testing.assert_allclose(answer["by_keyword"], expected, rtol=1e-4)
    np.testing.assert_allclose(answer["served"]["predictions"], expected, rtol=1e-4)


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    types: dict[str, Type] = {
        name: "text" if index % 3 else "number" for index, name in enumerate(ODD_NAMES)
    }
    schema = make_schema(types)
    make_version(tmp_path / "1", schema, "dense", "float64")
    columns = make_columns(schema, 20)
    expected = load_saved_model(tmp_path / "1")(columns)
    np.testing.assert_allclose(load_onnx(tmp_path / "1")(columns), expected, rtol=1e-12)
    answer = ask_another_process(tmp_path / "1", columns, tmp_path)
    assert answer["inputs"] == inputs(schema)
    assert answer["by_keyword"] is None  # Python has no way to call it with "self"
    np.testing.assert_allclose(np.ravel(answer["served"]["predictions"]), expected, rtol=1e-12)


def test_python_takes_odd_names_as_keywords_too(tmp_path: Path) -> None:
    schema = make_schema({"a b": "number", "größe": "number", "x/y": "text", "for": "boolean"})
    make_version(tmp_path / "1", schema)
    columns = make_columns(schema, 20)
    answer = ask_another_process(tmp_path / "1", columns, tmp_path)
    np.testing.assert_allclose(
        np.ravel(answer["by_keyword"]), load_onnx(tmp_path / "1")(columns), rtol=1e-4
    )


def test_each_column_goes_to_its_own_input(tmp_path: Path) -> None:
    schema = make_schema(dict.fromkeys(ODD_NAMES, "number"))
    make_version(tmp_path / "1", schema, "dense", "float64")
    predict_saved, predict_onnx = load_saved_model(tmp_path / "1"), load_onnx(tmp_path / "1")
    known = {name: np.zeros(1) for name in ODD_NAMES}
    seen = set()
    for name in ODD_NAMES:
        columns = {**known, name: np.ones(1)}
        (prediction,) = predict_saved(columns)
        np.testing.assert_allclose(prediction, predict_onnx(columns)[0], rtol=1e-12)
        seen.add(prediction)
    assert len(seen) == len(ODD_NAMES)
