from pathlib import Path

import pytest

from service.registry.versions import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path)
    made.prepare()
    return made
