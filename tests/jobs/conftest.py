"""A job database on Postgres."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from service.jobs import database
from service.settings import Settings


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Connections to one that has its tables."""
    settings = Settings(database_url=database_url)
    asyncio.run(database.prepare(settings))
    made = database.engine(settings)
    yield made
    made.dispose()
