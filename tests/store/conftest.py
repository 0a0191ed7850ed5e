"""Two machines that share a store in memory."""

from pathlib import Path

import pytest

from service.objects import Objects
from service.store.places import Places
from tests.store.machines import in_memory, machine


@pytest.fixture
def objects() -> Objects:
    return in_memory()


@pytest.fixture
def here(tmp_path: Path, objects: Objects) -> Places:
    return machine(tmp_path / "here", objects)


@pytest.fixture
def there(tmp_path: Path, objects: Objects) -> Places:
    return machine(tmp_path / "there", objects)
