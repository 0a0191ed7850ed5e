from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from models.config import TrainConfig
from service.jobs import database, store
from service.jobs.store import JobStore
from service.settings import Settings

pytestmark = pytest.mark.anyio


async def test_the_jobs_of_a_dataset_are_found_among_many_others_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 8)
    settings = Settings(artifacts_dir=tmp_path)
    await database.prepare(settings)
    jobs = JobStore(settings)
    seeds = {"odd": [1, 9, 10], "triples": [0, 2, 3, 4, 5, 6, 7, 8]}
    name_of = {seed: name for name, its in seeds.items() for seed in its}
    for seed in range(11):
        config = {"seed": seed, "dataset": {"kind": "table", "name": "odd", "revision": 1}}
        await jobs._enqueue(
            str(UUID(int=seed)),
            TrainConfig.model_validate(config if name_of[seed] == "odd" else {"seed": seed}),
            {"submitted_at": datetime.now(UTC).isoformat()},
        )
    for name, its in seeds.items():
        for limit in (1, 2, 20):
            found: list[int] = []
            cursor = None
            while True:
                page = await jobs.page(None, limit, cursor, name)
                assert len(page.jobs) <= limit
                found += [job.config.seed for job in page.jobs]
                if (cursor := page.next_cursor) is None:
                    break
            assert found == its[::-1]
    jobs.close()
