"""Every setting, from environment variables that start with `CROSSCHECK_`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """The one place that reads the environment."""

    model_config = SettingsConfigDict(env_prefix="CROSSCHECK_", frozen=True)

    artifacts_dir: Path = Path("artifacts")
    database_url: str = Field(
        default="", description="`postgresql://…`. Empty: an SQLite file in the artifacts folder."
    )
    executor_id: str = Field(
        default="local",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of this machine's worker. It must be the same after a restart, and "
        "another one on each machine.",
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)

    max_body_bytes: Count = 16 * 2**20
    max_rows_per_request: Count = 100_000
    max_large_requests: Count = Field(
        default=8, description="Bodies over 100 kB that are worked on at once."
    )
    max_dataset_size: Count = 10_000_000
    max_epochs: Count = 10_000
    max_queued_jobs: Count = 100
    max_job_attempts: Count = Field(
        default=20, description="How often a job may lose its worker before it is given up."
    )
    refresh_seconds: float = Field(
        default=0.2, gt=0, description="How often an API process looks for new versions."
    )

    access_log: bool = True

    @property
    def jobs_url(self) -> str:
        """The URL of the job database."""
        return self.database_url or f"sqlite:///{(self.artifacts_dir / 'jobs.sqlite').absolute()}"
