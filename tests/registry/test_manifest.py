import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from service.registry.manifest import MANIFEST, METADATA, ONNX, Damaged, signature, verify
from tests.registry.versions import fill, metadata


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "1", metadata())
    return tmp_path / "1"


def test_a_sealed_folder_gives_its_metadata_back(folder: Path) -> None:
    assert verify(folder) == metadata()


def test_the_manifest_is_one_that_sha256sum_checks(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", MANIFEST], cwd=folder, check=True)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit in the model": lambda folder: flip(folder / ONNX),
    "a flipped bit in the metadata": lambda folder: flip(folder / METADATA),
    "a flipped bit in the manifest": lambda folder: flip(folder / MANIFEST),
    "a truncated graph": lambda folder: (folder / "saved_model.pb").write_bytes(b""),
    "a missing graph": lambda folder: (folder / "saved_model.pb").unlink(),
    "a missing manifest": lambda folder: (folder / MANIFEST).unlink(),
    "an empty manifest": lambda folder: (folder / MANIFEST).write_text(""),
    "a manifest of bytes": lambda folder: (folder / MANIFEST).write_bytes(b"\xff\n"),
    "a foreign file": lambda folder: (folder / "extra").write_text(""),
    "a foreign link": lambda folder: (folder / "link").symlink_to("/"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_any_damage_is_found(folder: Path, damage: Callable[[Path], object]) -> None:
    before = signature(folder)
    damage(folder)
    assert signature(folder) != before
    with pytest.raises(Damaged):
        verify(folder)


def test_an_empty_folder_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="manifest"):
        verify(tmp_path)
