"""What is removed that is left over."""

from datetime import timedelta
from pathlib import Path

import pytest

from service.objects import Objects
from service.store import tidying
from service.store.places import Places
from service.store.tidying import UPLOADS
from tests.store.machines import keys


def test_what_fails_keeps_nothing_else_from_being_removed(
    here: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put(f"{UPLOADS}an-id", b"datasets/houses/a-life/tables/an-id/")
    objects.put("datasets/houses/a-life/tables/an-id/data.parquet", b"rows")

    def cannot(path: Path) -> list[Path]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(tidying, "entries", cannot)
    monkeypatch.setattr(tidying, "UPLOAD_KEPT", timedelta(0))
    tidying.tidy_up(here)
    assert keys(objects) == []
