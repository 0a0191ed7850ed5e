import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

from service.errors import Conflict, NotFound
from service.export.chosen import Chosen, Tensor, chosen
from service.export.folder import WRITERS, export
from service.export.triton import _config
from tests.commands.conftest import environment
from tests.conftest import CROSSCHECK, Service
from tests.export.conftest import MIXED

TYPES = {"TYPE_FP32": 11, "TYPE_FP64": 12, "TYPE_STRING": 13}
"""Of Triton's model_config.proto."""


def model_config(text: str) -> Any:
    """A configuration, parsed as Triton does: by the fields of its proto that we write."""
    file = descriptor_pb2.FileDescriptorProto(name="triton.proto", package="t", syntax="proto3")
    kind = descriptor_pb2.FieldDescriptorProto
    types = file.enum_type.add(name="DataType")
    types.value.add(name="TYPE_INVALID", number=0)
    for name, number in TYPES.items():
        types.value.add(name=name, number=number)
    tensor = file.message_type.add(name="Tensor")
    tensor.field.add(name="name", number=1, type=kind.TYPE_STRING, label=1)
    tensor.field.add(name="data_type", number=2, type=14, label=1, type_name=".t.DataType")
    tensor.field.add(name="dims", number=3, type=kind.TYPE_INT64, label=3)
    config = file.message_type.add(name="ModelConfig")
    config.field.add(name="name", number=1, type=kind.TYPE_STRING, label=1)
    config.field.add(name="platform", number=2, type=kind.TYPE_STRING, label=1)
    config.field.add(name="max_batch_size", number=4, type=kind.TYPE_INT32, label=1)
    config.field.add(name="input", number=5, type=11, label=3, type_name=".t.Tensor")
    config.field.add(name="output", number=6, type=11, label=3, type_name=".t.Tensor")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.ModelConfig"))()
    return text_format.Parse(text, made)


def declared(tensors: Any) -> list[tuple[str, int, list[int]]]:
    return [(each.name, each.data_type, [*each.dims]) for each in tensors]


def test_triton_is_given_a_repository_with_the_types_and_shapes_of_the_onnx_file(
    of_mixed: Service, tmp_path: Path
) -> None:
    version = chosen(of_mixed.artifacts, MIXED, "cross")
    export("triton", version, tmp_path / "repository")
    model = tmp_path / "repository" / f"{MIXED}_cross"
    config = model_config((model / "config.pbtxt").read_text())
    assert config.name == model.name
    assert config.platform == "onnxruntime_onnx"
    assert config.max_batch_size == 0
    number, text = TYPES["TYPE_FP64"], TYPES["TYPE_STRING"]
    assert declared(config.input) == [
        *(("area", number, [-1]), ("rooms", number, [-1]), ("garden", number, [-1])),
        *(("city", text, [-1]), ("code", text, [-1])),
    ]
    assert declared(config.output) == [("predictions", number, [-1, 1])]
    onnx = model / str(version.version) / "model.onnx"
    assert onnx.read_bytes() == version.onnx.read_bytes()


def test_names_of_columns_may_hold_any_sign() -> None:
    names = ['a "b"', "c\\d", "e\nf", "\u00e9\u2028", "] }", "\x01"]
    tensors = [Tensor(name, "tensor(string)", (-1,)) for name in names]
    config = model_config(_config("m", tensors, tensors[:1]))
    assert [each.name for each in config.input] == names


def test_tensorflow_serving_is_given_a_base_path(
    service: Service, trained: dict[str, Any], tmp_path: Path
) -> None:
    version = chosen(service.artifacts, "triples", "dense", 1)
    export("tfserving", version, tmp_path / "base")
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["1"]
    made = tmp_path / "base" / "1"
    ours = {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    assert Path("saved_model.pb") in ours
    assert Path("variables/variables.index") in ours
    assert ours == {path: (version.folder / path).read_bytes() for path in ours}
    assert not (made / "assets.extra").exists()


def test_what_answers_is_exported_where_nothing_is_named(of_mixed: Service) -> None:
    default = of_mixed.get("/models", dataset=MIXED)["default"]
    found = chosen(of_mixed.artifacts, MIXED)
    assert (found.network, found.version) == (default["model"], default["version"])


@pytest.mark.parametrize(
    ("dataset", "network", "version"),
    [
        *(("nothing", None, None), ("nothing", "cross", None), ("triples", "tree", None)),
        *(("triples", "cross", 99_999), ("../x", None, None), ("triples", "..", None)),
    ],
)
def test_what_is_not_there_is_not_exported(
    dataset: str, network: str | None, version: int | None, service: Service, trained: Any
) -> None:
    with pytest.raises(NotFound):
        chosen(service.artifacts, dataset, network, version)


@pytest.mark.parametrize("server", WRITERS)
def test_nothing_is_written_over(
    server: str, service: Service, trained: dict[str, Any], tmp_path: Path
) -> None:
    version = chosen(service.artifacts, "triples", "cross")
    (tmp_path / "empty").mkdir()
    export(server, version, tmp_path / "empty")
    with pytest.raises(Conflict, match="not empty"):
        export(server, version, tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Conflict):
        export(server, version, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_whole_or_not_there(
    service: Service, trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(version: Chosen, folder: Path) -> None:
        folder.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.export.folder.WRITERS", {"triton": half})
    with pytest.raises(OSError, match="No space"):
        export("triton", chosen(service.artifacts, "triples", "cross"), tmp_path / "folder")
    assert [*tmp_path.iterdir()] == []


def test_the_command_exports_from_the_artifacts_folder(
    service: Service, trained: dict[str, Any], tmp_path: Path
) -> None:
    given = environment("", CROSSCHECK_ARTIFACTS_DIR=str(service.artifacts))

    def exported(*arguments: str) -> int:
        command = [CROSSCHECK, "export", *arguments]
        return subprocess.run(command, env=given, cwd=tmp_path, check=False).returncode

    assert exported("mlflow", "made/model") == 0
    assert (tmp_path / "made/model/MLmodel").exists()
    assert not [*tmp_path.rglob("*.pkl")]
    assert exported("mlflow", "made/model") == 1
    assert exported("mlflow", "other", "--dataset", "nothing") == 1
    assert exported("mlflow", "other", "--version", "1") == 2
    assert exported("bentoml", "other") == 2
