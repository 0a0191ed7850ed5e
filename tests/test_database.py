"""A database without room or on a read-only disk is one to ask again, over a new connection."""

from pathlib import Path

import pytest
import sqlalchemy
from dbos._utils import retriable_postgres_exception
from sqlalchemy import text

from service.database import count_disk_faults_as_lost_connections


@pytest.fixture
def engine(tmp_path: Path) -> sqlalchemy.Engine:
    count_disk_faults_as_lost_connections()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE jobs (content BLOB)"))
    return engine


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("PRAGMA max_page_count = 2", "disk is full"),
        ("PRAGMA query_only = ON", "readonly database"),
    ],
)
def test_dbos_tries_again_and_gets_a_new_connection(
    engine: sqlalchemy.Engine, trouble: str, said: str
) -> None:
    insert = text("INSERT INTO jobs VALUES (zeroblob(100000))")
    with engine.connect() as connection:
        connection.execute(text(trouble))  # stays with the connection
    with (
        pytest.raises(sqlalchemy.exc.OperationalError, match=said) as refusal,
        engine.begin() as connection,
    ):
        connection.execute(insert)
    assert retriable_postgres_exception(refusal.value)
    with engine.begin() as connection:
        connection.execute(insert)
    engine.dispose()


def test_other_faults_are_not_tried_again(engine: sqlalchemy.Engine) -> None:
    with pytest.raises(sqlalchemy.exc.OperationalError) as refusal, engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    assert not retriable_postgres_exception(refusal.value)
    engine.dispose()
