import pytest
from pydantic import ValidationError

from service.settings import Settings


@pytest.mark.parametrize(
    "url",
    [
        "jobs",
        "postgres://host/jobs",
        "sqlite:///jobs.sqlite",
        "postgresql://",
        "postgresql://host",
        "postgresql://user:secret@host:port/jobs",
        "postgresql://user:secret@[::1/jobs",
    ],
)
def test_what_is_no_url_of_a_postgres_database_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(
        ValidationError, match="postgresql://user:password@host/database"
    ) as refusal:
        Settings(database_url=url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_a_loopback_address_is_local(host: str) -> None:
    assert Settings(host=host).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example.org"])  # noqa: S104
def test_every_other_address_is_not(host: str) -> None:
    assert not Settings(host=host).is_local


def test_misspelt_variables_are_found() -> None:
    names = ["CROSSCHECK_PORT", "CROSSCHECK_PROT", "CROSSCHECK_API_KEY", "PATH"]
    assert Settings.unknown(names) == ["CROSSCHECK_PROT"]
