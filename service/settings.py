"""Every setting, from environment variables that start with `CROSSCHECK_`."""

from collections.abc import Iterable
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.keys import Key, parse_keys

FOR_OTHERS = {"CROSSCHECK_API_KEY"}
"""What the demo reads."""

Count = Annotated[int, Field(ge=1)]


def _keys(given: Any) -> Any:
    if not given:
        return ()
    return parse_keys(given) if isinstance(given, str) else given


def _postgres(given: str) -> str:
    if given:
        import sqlalchemy

        try:
            url = sqlalchemy.make_url(given)
        except (sqlalchemy.exc.ArgumentError, ValueError):
            url = None
        if url is None or url.drivername != "postgresql" or not url.database:
            raise ValueError("it must be like postgresql://user:password@host/database")
    return given


def _words(given: Any) -> Any:
    return given.replace(",", " ").split() if isinstance(given, str) else given


class Settings(BaseSettings):
    """The one place that reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix="CROSSCHECK_", frozen=True, hide_input_in_errors=True
    )

    artifacts_dir: Path = Path("artifacts")
    database_url: Annotated[str, AfterValidator(_postgres)] = Field(
        default="",
        description="`postgresql://host/database`. Empty: an SQLite file in the artifacts folder.",
    )
    executor_id: str = Field(
        default="local",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of this machine's worker. It must be the same after a restart, and "
        "another one on each machine.",
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)

    api_keys: Annotated[tuple[Key, ...], NoDecode, BeforeValidator(_keys)] = Field(
        default=(),
        description="`name:role:key` entries, or the path of a file that holds them; a role is "
        "predict, train or admin. Empty: nobody is asked for a key.",
    )
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_words)] = Field(
        default=[], description="Origins of pages whose scripts may call the service."
    )

    max_body_bytes: Count = 16 * 2**20
    max_rows_per_request: Count = 100_000
    max_large_requests: Count = Field(
        default=8, description="Bodies over 100 kB (binary ones: 300 kB) at once."
    )
    max_dataset_size: Count = 10_000_000
    max_epochs: Count = 10_000
    max_queued_jobs: Count = 100
    max_ended_jobs: Count = Field(
        default=10_000, description="Beyond, the oldest jobs that have ended are forgotten."
    )
    max_connections: Count = Field(default=1000, description="Of one API process.")
    max_event_streams: Count = Field(default=100, description="Of one API process.")
    request_seconds: float = Field(
        default=30, gt=0, description="Within which a request must arrive and its answer be read."
    )
    drain_seconds: float = Field(
        default=0.5,
        ge=0,
        le=5,
        description="How long `/readyz` says 503 before the service stops to listen.",
    )
    max_job_attempts: Count = Field(
        default=20, description="How often a job may lose its worker before it is given up."
    )
    refresh_seconds: float = Field(
        default=0.2, gt=0, description="How often an API process looks for new versions."
    )

    access_log: bool = True

    @classmethod
    def unknown(cls, names: Iterable[str]) -> list[str]:
        """Of names of environment variables, those that look like settings and are none."""
        known = {f"CROSSCHECK_{name.upper()}" for name in cls.model_fields}
        return sorted(
            name
            for name in names
            if name.startswith("CROSSCHECK_") and name not in known | FOR_OTHERS
        )

    @cached_property
    def is_local(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"
