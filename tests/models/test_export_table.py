import shutil
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

from models.columns import Columns
from models.data import Array
from models.export import ONNX_FILE, ParityError, compare, load_onnx, load_saved_model
from models.export_table import check_table_parity, export_table, with_gaps
from models.preprocessing import Preprocessing
from models.schema import TableSchema, Task, Type
from models.vocabularies import FIRST_WORD, MISSING, UNSEEN, Values
from tests.models import family
from tests.models.exported import (
    WORDS,
    make_columns,
    make_network,
    make_preprocessing,
    make_schema,
    make_version,
)

TASKS = get_args(Task)
DTYPES = ("float32", "float64")


def by_hand(network: keras.Model, preprocessing: Preprocessing, columns: Columns) -> Array:
    """The predictions of the network, with a preprocessing that is nothing but its definition."""
    numbers = [
        [
            0.0
            if np.isnan(x)
            else x / np.hypot(1, x / 3)
            if number.bent
            else min(max(x, -6.0), 6.0)
            for x in (values - number.mean) / number.scale
        ]
        for number in preprocessing.numbers
        for values in [columns[number.name]]
    ]
    marks = [np.isnan(columns[number.name]) for number in preprocessing.numbers if number.marked]
    codes = []
    for words in preprocessing.words:
        known = {word: code for code, word in enumerate(words.vocabulary, FIRST_WORD)}
        known[""] = MISSING
        codes.append([known.get(word, UNSEEN) for word in columns[words.name]])
    codes += [
        [code_of(number, values.known) for number in columns[values.name]]
        for values in preprocessing.values
    ]
    rows = len(next(iter(columns.values())))
    output = network(
        [
            np.array([*numbers, *marks]).reshape(-1, rows).T,
            np.array(codes, np.int32).reshape(-1, rows).T,
        ]
    )
    unscaled: Array = output.numpy()[:, 0].astype(np.float64)
    if preprocessing.task == "binary":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-unscaled))
    return unscaled * preprocessing.target_scale + preprocessing.target_mean


def code_of(number: float, known: tuple[float, ...]) -> int:
    if np.isnan(number):
        return MISSING
    return FIRST_WORD + known.index(number) if number in known else UNSEEN


WAVES = family.WAVES
ROUNDING = {"float32": 1e-4, "float64": 1e-12}


@pytest.mark.parametrize(
    ("kind", "task", "dtype", "fields"),
    [
        ("dense", "regression", "float32", {}),
        ("dense", "binary", "float64", WAVES),
        ("cross", "binary", "float32", {}),
        ("cross", "regression", "float64", {}),
        ("low rank", "regression", "float32", WAVES),
        ("experts", "regression", "float64", {}),
        ("experts", "binary", "float32", {}),
        ("parallel", "regression", "float32", {}),
        ("stacked", "binary", "float32", WAVES),
        ("three of deep experts", "regression", "float64", WAVES),
        ("three of parallel", "binary", "float32", WAVES),
    ],
)
def test_ten_thousand_rows_are_predicted_as_by_the_network(
    kind: str, task: Task, dtype: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    schema = make_schema(task=task)
    preprocessing = make_preprocessing(schema, looked_up=task == "regression")
    network = family.make_network(kind, preprocessing, precision=dtype, **fields)
    export_table(network, preprocessing, schema, tmp_path / "1")
    columns = make_columns(schema, 10_000, some_known=True)
    trained = by_hand(network, preprocessing, columns)
    assert len(np.unique(trained)) > 2000
    for predict in (load_saved_model(tmp_path / "1"), load_onnx(tmp_path / "1")):
        predictions = predict(columns)
        assert (predictions.shape, predictions.dtype) == ((10_000,), np.float64)
        scale = ROUNDING[dtype] * max(1, np.abs(trained).max())
        np.testing.assert_allclose(predictions, trained, rtol=0, atol=scale)
    check_table_parity(network, preprocessing, tmp_path / "1", columns)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("highest", [0.05, 100])
def test_waves_of_any_frequency_are_predicted_within_rounding(
    highest: float, dtype: str, tmp_path: Path
) -> None:
    schema = make_schema()
    preprocessing = make_preprocessing(schema)
    waves = {"frequencies": 20, "highest": highest, "width": 4}
    network = family.make_network(
        "parallel", preprocessing, precision=dtype, numeric_embedding=waves
    )
    export_table(network, preprocessing, schema, tmp_path / "1")
    columns = make_columns(schema, 1000)
    check_table_parity(network, preprocessing, tmp_path / "1", columns)
    frequencies, *others = network.get_weights()
    network.set_weights([frequencies * (1 + 1e5 * np.finfo(dtype).eps), *others])
    with pytest.raises(ParityError, match="differ"):
        check_table_parity(network, preprocessing, tmp_path / "1", columns)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_any_size_are_predicted_within_rounding(dtype: str, tmp_path: Path) -> None:
    schema = make_schema()
    preprocessing = make_preprocessing(schema)
    network = make_network(preprocessing, "cross", dtype)
    export_table(network, preprocessing, schema, tmp_path / "1")
    for spread in (1e-30, 1e6, 1e12):
        columns = make_columns(schema, 1000, spread=spread)
        check_table_parity(network, preprocessing, tmp_path / "1", columns)


@pytest.mark.parametrize(
    "types",
    [
        {"a": "number", "b": "number"},
        {"a": "boolean"},
        {"a": "boolean", "b": "boolean"},
        {"a": "text"},
        {"a": "code", "b": "text"},
        {"a": "text", "b": "number", "c": "text"},
    ],
    ids=str,
)
def test_any_mixture_of_features_is_exported(types: dict[str, Type], tmp_path: Path) -> None:
    schema = make_schema(types)
    preprocessing = make_preprocessing(schema)
    network = make_network(preprocessing)
    export_table(network, preprocessing, schema, tmp_path / "1")
    columns = make_columns(schema, 50)
    trained = by_hand(network, preprocessing, columns)
    for predict in (load_saved_model(tmp_path / "1"), load_onnx(tmp_path / "1")):
        np.testing.assert_allclose(predict(columns), trained, rtol=1e-4)
        np.testing.assert_allclose(
            predict({name: values[:1] for name, values in columns.items()}), trained[:1], rtol=1e-4
        )
    check_table_parity(network, preprocessing, tmp_path / "1", columns)


def test_words_without_a_vocabulary_are_all_unseen(tmp_path: Path) -> None:
    schema = make_schema({"city": "text"})
    preprocessing = make_preprocessing(schema, vocabulary=())
    network = make_network(preprocessing)
    export_table(network, preprocessing, schema, tmp_path / "1")
    columns: Columns = {"city": np.array(["Oslo", "Rome", ""], object)}
    check_table_parity(network, preprocessing, tmp_path / "1", columns)
    oslo, rome, missing = load_onnx(tmp_path / "1")(columns)
    assert oslo == rome != missing


def test_a_vocabulary_of_100_000_words_is_exported(tmp_path: Path) -> None:
    schema = make_schema({"user": "code"})
    preprocessing = make_preprocessing(schema, tuple(map(str, range(100_000))))
    network = make_network(preprocessing)
    export_table(network, preprocessing, schema, tmp_path / "1")
    users = np.random.default_rng(0).integers(100_100, size=1000).astype(str).astype(object)
    check_table_parity(network, preprocessing, tmp_path / "1", {"user": users})


@pytest.mark.parametrize("load", [load_saved_model, load_onnx])
def test_missing_and_unseen_values_are_told_apart(load: Any, tmp_path: Path) -> None:
    schema = make_schema({"plain": "number", "marked": "number", "city": "text"})
    make_version(tmp_path / "1", schema)
    plain, marked = make_preprocessing(schema).numbers
    assert (plain.marked, marked.marked) == (False, True)
    rows: list[tuple[float, float, str]] = [
        (plain.mean, marked.mean, "Oslo"),
        (np.nan, marked.mean, "Oslo"),  # without a mark it is as the mean
        (plain.mean, np.nan, "Oslo"),
        (plain.mean, marked.mean, ""),
        (plain.mean, marked.mean, "Paris"),
        (plain.mean, marked.mean, "oslo"),
    ]
    values = zip(*rows, strict=True)
    dtypes = (np.float64, np.float64, np.object_)
    columns: Columns = {
        column.name: np.array(of_column, dtype)
        for column, of_column, dtype in zip(schema.features, values, dtypes, strict=True)
    }
    known, filled, mark, missing, unseen, also_unseen = load(tmp_path / "1")(columns)
    assert known == filled
    assert unseen == also_unseen
    assert len({known, mark, missing, unseen}) == 4


@pytest.mark.parametrize("load", [load_saved_model, load_onnx])
def test_a_target_that_float32_does_not_hold_is_predicted(load: Any, tmp_path: Path) -> None:
    schema = make_schema()
    fitted = make_preprocessing(schema)
    network = make_network(fitted, "dense")
    columns = make_columns(schema, 100)
    output = (by_hand(network, fitted, columns) - fitted.target_mean) / fitted.target_scale
    for number, (mean, scale) in enumerate([(1e10, 1.0), (0.0, 1e200)]):
        preprocessing = fitted._replace(target_mean=mean, target_scale=scale)
        folder = tmp_path / str(number)
        export_table(network, preprocessing, schema, folder)
        check_table_parity(network, preprocessing, folder, columns)
        np.testing.assert_allclose(
            load(folder)(columns) - mean, output * scale, rtol=1e-4, atol=1e-5 * scale
        )


def change(preprocessing: Preprocessing, **fields: Any) -> Preprocessing:
    """The preprocessing, with something else in its last number or its last words."""
    *numbers, number = preprocessing.numbers
    *words, last = preprocessing.words
    of_number = {field: fields[field] for field in number._fields if field in fields}
    of_words = {field: fields[field] for field in last._fields if field in fields}
    return preprocessing._replace(
        numbers=(*numbers, number._replace(**of_number)),
        words=(*words, last._replace(**of_words)),
        **{field: fields[field] for field in preprocessing._fields if field in fields},
    )


def swap_onnx_file(folder: Path, other: Path) -> None:
    shutil.copy(other / ONNX_FILE, folder / ONNX_FILE)


def swap_saved_model(folder: Path, other: Path) -> None:
    all_else = shutil.ignore_patterns(ONNX_FILE.name)
    shutil.copytree(other, folder, ignore=all_else, dirs_exist_ok=True)


@pytest.mark.parametrize(
    "skew",
    [
        {"mean": 5.001},
        {"scale": 3.7001},
        {"vocabulary": (*WORDS[:4], WORDS[5], WORDS[4])},
        {"vocabulary": (*WORDS[:5], "unseen")},
        {"target_mean": 250.001},
        {"target_scale": 40.001},
        {"task": "binary"},
    ],
    ids=str,
)
def test_another_preprocessing_in_a_file_is_caught(skew: dict[str, Any], tmp_path: Path) -> None:
    schema = make_schema({"rooms": "number", "area": "number", "floor": "number", "city": "text"})
    preprocessing = make_preprocessing(schema)
    network = make_network(preprocessing)
    export_table(network, preprocessing, schema, tmp_path / "1")
    export_table(network, change(preprocessing, **skew), schema, tmp_path / "skewed")
    columns = make_columns(schema, 100)
    check_table_parity(network, preprocessing, tmp_path / "1", columns)
    swaps = ((swap_onnx_file, "ONNX file"), (swap_saved_model, "SavedModel"))
    for swap, culprit in swaps:
        swap(tmp_path / "1", tmp_path / "skewed")
        with pytest.raises(ParityError, match=f"the predictions of the {culprit} differ"):
            check_table_parity(network, preprocessing, tmp_path / "1", columns)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_difference_that_rounding_does_not_explain_is_caught(dtype: str, tmp_path: Path) -> None:
    schema = make_schema(task="binary")
    preprocessing = make_preprocessing(schema)
    network = make_network(preprocessing, "dense", dtype)
    export_table(network, preprocessing, schema, tmp_path / "1")
    change = {"float32": 1e-4, "float64": 1e-12}[dtype]
    network.set_weights([weight + change for weight in network.get_weights()])
    with pytest.raises(ParityError, match="differ"):
        check_table_parity(network, preprocessing, tmp_path / "1", make_columns(schema, 100))


def test_a_large_value_in_one_row_hides_no_difference_in_another() -> None:
    trained, tolerance = np.array([1e12, 1.0]), np.array([1e6, 1e-6])
    compare("file", trained, trained, tolerance)
    with pytest.raises(ParityError, match="in row 1"):
        compare("file", trained + 1e-3, trained, tolerance)


def test_predictions_that_are_not_finite_are_caught(tmp_path: Path) -> None:
    schema = make_schema()
    preprocessing = make_preprocessing(schema)
    network = make_network(preprocessing)
    network.set_weights([1e30 * weight for weight in network.get_weights()])
    export_table(network, preprocessing, schema, tmp_path / "1")
    columns = make_columns(schema, 10)
    with pytest.raises(ParityError, match="not all finite"):
        check_table_parity(network, preprocessing, tmp_path / "1", columns)


@pytest.mark.parametrize("rows", [1, 3, 2000])
def test_the_check_has_every_feature_missing_and_unseen_and_known(rows: int) -> None:
    schema = make_schema({"x0": "number", "x1": "number", "x2": "number", "a": "text", "b": "text"})
    preprocessing = make_preprocessing(schema, ("unseen", "Rome"), looked_up=True)
    expected = {name: {"nan", "7.0", "7.000000000000001"} for name in ("x0", "x2")}
    expected |= {"x1": {"nan", "7.0"}, **{key: {"", "unseen?", "Rome"} for key in "ab"}}
    columns: Columns = {
        column.name: np.full(rows, 7.0) if column.kind == "numeric" else np.full(rows, "Rome", "O")
        for column in schema.features
    }
    made = with_gaps(columns, preprocessing)
    for name, values in columns.items():
        assert (made[name][:rows] == values).all()
        assert set(map(str, made[name][rows:])) == expected[name]
        assert rows < len(made[name]) <= rows + max(4, min(rows, 1000))


@pytest.mark.parametrize("last", [0.0, -5.0, 5e-310, 0.1, 1e300])
def test_a_number_right_beside_the_last_known_one_is_unseen(last: float, tmp_path: Path) -> None:
    schema = make_schema({"loss": "number"})
    preprocessing = make_preprocessing(schema)._replace(
        values=(Values("loss", (-7.5, last), width=2),)
    )
    made = with_gaps({"loss": np.full(20, last)}, preprocessing)["loss"]
    assert np.nanmax(made) > last
    network = make_network(preprocessing)
    export_table(network, preprocessing, schema, tmp_path / "1")
    check_table_parity(network, preprocessing, tmp_path / "1", {"loss": np.array([last, -7.5])})


def test_a_version_folder_holds_nothing_but_the_two_formats(tmp_path: Path) -> None:
    schema: TableSchema = make_version(tmp_path / "1")
    assert [column.name for column in schema.features] == ["rooms", "area", "garden", "city"]
    found = {path.name for path in (tmp_path / "1").iterdir()}
    expected = {"assets", "assets.extra", "fingerprint.pb", "saved_model.pb", "variables"}
    assert found == expected
