import asyncio
from pathlib import Path

import pytest
import sqlalchemy
from dbos._utils import retriable_postgres_exception
from sqlalchemy import text

from service.errors import NotFound, Unavailable
from service.jobs import database
from service.jobs.database import count_disk_faults_as_lost_connections, within
from service.settings import Settings


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


def test_postgres_is_told_to_notice_that_the_other_end_is_gone() -> None:
    given = "postgresql://user:p%40ss@host:5/jobs?connect_timeout=9"
    url = sqlalchemy.make_url(database.url(Settings(database_url=given)))
    assert (url.password, url.host, url.port, url.database) == ("p@ss", "host", 5, "jobs")
    assert url.query["connect_timeout"] == "9"
    assert url.query["tcp_user_timeout"] == "10000"


@pytest.mark.parametrize("folder", ["%2F", "?mode=ro", "a b", "#", "'", '"', "ü", "@:", "\\", "+"])
def test_the_file_lies_in_the_artifacts_folder_whatever_that_is_called(
    tmp_path: Path, folder: str
) -> None:
    settings = Settings(artifacts_dir=tmp_path / folder)
    settings.artifacts_dir.mkdir()
    engine = sqlalchemy.create_engine(database.url(settings))
    with engine.connect():
        assert (settings.artifacts_dir / "jobs.sqlite").exists()
    engine.dispose()


@pytest.mark.anyio
async def test_a_database_that_does_not_answer_in_time_is_unavailable() -> None:
    @within(0.01)
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="does not answer") as refusal:
        await hang()
    assert int(refusal.value.headers["Retry-After"]) > 0


@pytest.mark.anyio
async def test_what_is_refused_for_another_reason_stays_so() -> None:
    @within(1)
    async def refuse() -> None:
        raise NotFound("there is no such job")

    with pytest.raises(NotFound):
        await refuse()


def test_postgres_is_told_how_soon_to_give_up_a_session(database_url: str) -> None:
    given = sqlalchemy.make_url(database_url).update_query_dict(
        {"options": "-c work_mem=5MB -c tcp_keepalives_interval=7"}
    )
    for _ in range(2):  # as a worker that makes the tables ready twice
        database.hold_nothing_for_who_is_gone()
    settings = Settings(database_url=given.render_as_string(hide_password=False))
    engine = database.engine(settings)
    with engine.connect() as connection:
        connection.rollback()
        told = {
            name: connection.scalar(text(f"SHOW {name}")) for name in (*database.HELD, "work_mem")
        }
    listeners = list(engine.pool.dispatch.connect)
    engine.dispose()
    assert told == {**database.HELD, "tcp_keepalives_interval": "7", "work_mem": "5MB"}
    assert listeners.count(database._tell_how_long_to_hold) == 1
