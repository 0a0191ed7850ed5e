"""What a worker does beside jobs."""

from pathlib import Path

import pytest

from service.jobs import database
from service.jobs.store import JobStore
from service.jobs.workflows import tidy_up
from service.settings import Settings
from tests.registry.versions import fill, metadata
from tests.store.machines import in_memory, machine, refresh
from tests.tables.revisions import publish

pytestmark = pytest.mark.anyio


async def test_a_worker_removes_from_its_machine_what_was_removed_elsewhere(tmp_path: Path) -> None:
    objects = in_memory()
    elsewhere, here = (machine(tmp_path / name, objects) for name in ("elsewhere", "here"))
    publish(elsewhere.tables, "houses")
    refresh(here)
    table, models = here.tables.folder("houses", 1), here.registry.of("houses")
    fill(models.place("cross", 1), metadata())
    settings = Settings(artifacts_dir=here.registry.artifacts)
    await database.prepare(settings)
    jobs = JobStore(settings, here)
    await tidy_up(jobs)
    assert table.exists()
    elsewhere.tables.remove("houses")
    await tidy_up(jobs)
    assert not table.exists()
    assert not models.root.exists()
    jobs.close()
