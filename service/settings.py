"""Every setting, from environment variables that start with `CROSSCHECK_`.

What a platform tells its containers counts where these say nothing.
"""

import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from models.schema import TRIPLES, DatasetName
from service.keys import Key, parse_keys
from service.loopback import is_loopback
from service.nearest import did_you_mean
from service.origins import parse_origins
from service.platforms import OF_VERTEX, is_route, told

PREFIX = "CROSSCHECK_"

FOR_OTHERS = {"CROSSCHECK_API_KEY", "CROSSCHECK_URL"}
"""What the commands read that ask a service."""

DEFAULT_PORT = 8000

_beginning = re.compile(r"CROS+_?CHECK_?")

# Kubernetes tells each container of all services beside it, and one may be called `crosscheck`.
_names_service_link = re.compile(
    r"CROSSCHECK_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?)"
).fullmatch
_is_service_link = re.compile(r"(tcp|udp|sctp)://").match

OWN_PATHS = frozenset(
    (
        *("datasets", "docs", "jobs", "livez", "metrics", "models", "monitoring", "openapi.json"),
        *("page", "predict", "readyz", "serving", "train", "v1", "v2", "whoami"),
        *("health", "invocations", "ping", "score", "version"),
    )
)
"""How our own paths begin. Below one of them, nobody could tell whether a proxy took it off."""

_is_root_path = re.compile(r"(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~-]+)+").fullmatch

_is_collector = re.compile(r"https?://[^/?#@\s]+/?").fullmatch

_is_store = re.compile(r"(s3|gs|az)://[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?").fullmatch

HEALTH = frozenset({"/livez", "/readyz", "/ping", "/health", "/v2/health/live", "/v2/health/ready"})
"""What is answered whatever else is wrong."""

Count = Annotated[int, Field(ge=1)]


def _keys(given: Any) -> Any:
    if not given:
        return ()
    return parse_keys(given) if isinstance(given, str) else given


def _folder(given: Any) -> Any:
    path = str(given)
    if "://" in path:
        raise ValueError("it must be a folder, not a URL")
    try:
        path.encode()
        return Path(path).expanduser()
    except UnicodeEncodeError:
        raise ValueError("its name must be UTF-8") from None
    except RuntimeError:
        raise ValueError("there is no such home folder") from None


def _port(given: Any) -> Any:
    return DEFAULT_PORT if isinstance(given, str) and _is_service_link(given) else given


def _database(given: str) -> str:
    if not given:
        # What DBOS makes of time in a file of SQLite: milliseconds from Python 3.12 on.
        if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
            raise ValueError(
                f"a file needs SQLite 3.42, and this Python comes with {sqlite3.sqlite_version}: "
                "set it to a Postgres database, or use Python 3.11"
            )
    else:
        import sqlalchemy

        try:
            url = sqlalchemy.make_url(given)
        except (sqlalchemy.exc.ArgumentError, ValueError):
            url = None
        if url is None or url.drivername != "postgresql" or not url.database:
            raise ValueError("it must be like postgresql://user:password@host/database")
    return given


def _store(given: str) -> str:
    if given and not _is_store(given):
        raise ValueError("it must be like s3://bucket/prefix, gs://bucket/prefix or az://container")
    return given.rstrip("/")


def _table_urls(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    return tuple(_store(url.strip()) for url in given.split(",") if url.strip())


def _origins(given: Any) -> Any:
    return parse_origins(given) if isinstance(given, str) else given


def _root_path(given: str) -> str:
    if not given:
        return given
    if not _is_root_path(given):
        raise ValueError("it must be like /crosscheck: begin with / and not end with it")
    if given.split("/")[1] in OWN_PATHS:
        raise ValueError("it must not begin like a path of the service itself")
    return given


def _route(given: str) -> str:
    if not given:
        return given
    if not is_route(given):
        raise ValueError("it must be like /my/route: begin with / and not end with it")
    if given.split("/")[1] in OWN_PATHS and not given.startswith(OF_VERTEX):
        raise ValueError("it must not begin like a path of the service itself")
    return given


def _health_route(given: str) -> str:
    return given if given in HEALTH else _route(given)


def _predict_route(given: str, others: ValidationInfo) -> str:
    if given and given == others.data.get("health_route"):
        raise ValueError("it must be another one than the health route, which needs no key")
    return _route(given)


def _collector(given: str) -> str:
    if given and not _is_collector(given):
        raise ValueError("it must be like http://host:4318, without a path")
    if given and find_spec("opentelemetry") is None:
        raise ValueError("OpenTelemetry is not installed; `pip install .[otel]` brings it")
    return given.rstrip("/")


class Settings(BaseSettings):
    """The one place that reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    artifacts_dir: Annotated[Path, BeforeValidator(_folder)] = Path("artifacts")
    database_url: Annotated[str, AfterValidator(_database)] = Field(
        default="",
        validate_default=True,
        description="`postgresql://host/database`, of Postgres 14 or later, and not through "
        "PgBouncer in transaction mode: a worker lives by a lock of its session. "
        "Empty: an SQLite file in the artifacts folder.",
    )
    store_url: Annotated[str, AfterValidator(_store)] = Field(
        default="",
        description="The object store that has all versions and tables: `s3://bucket/prefix`, "
        "`gs://…` or `az://…`; the artifacts folder keeps what is in use here. Empty: they are in "
        "the artifacts folder.",
    )
    worker: bool = Field(
        default=True, description="Whether `crosscheck serve` runs a worker for training jobs, too."
    )
    host: str = "127.0.0.1"
    port: Annotated[int, BeforeValidator(_port)] = Field(default=DEFAULT_PORT, ge=0, le=65535)
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        default="",
        description="Where a proxy shows the service, like `/crosscheck`, whether or not it takes "
        "that off the paths that it passes on.",
    )

    health_route: Annotated[str, AfterValidator(_health_route)] = Field(
        default="", description="Where a platform like Vertex AI asks whether it can predict."
    )
    predict_route: Annotated[str, AfterValidator(_predict_route)] = Field(
        default="", description="Where a platform like Vertex AI asks for predictions."
    )
    default_dataset: DatasetName = Field(
        default=TRIPLES,
        description="Which is meant on that route, on `/invocations` and on `/score`, where a "
        "request names none.",
    )

    api_keys: Annotated[tuple[Key, ...], NoDecode, BeforeValidator(_keys)] = Field(
        default=(),
        description="`name:role:key` entries, or the path of a file that holds them; a role is "
        "predict, train or admin. Empty: nobody is asked for a key.",
    )
    insecure: bool = Field(
        default=False,
        description="Whether to listen beyond this machine without API keys: where something in "
        "front, as in SageMaker or Vertex AI, lets nobody else in.",
    )
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_origins)] = Field(
        default=[], description="Origins of pages whose scripts may call the service."
    )

    max_body_bytes: Count = 16 * 2**20
    max_rows_per_request: Count = 100_000
    max_large_requests: Count = Field(
        default=8, description="Bodies over 100 kB (binary ones: 300 kB) at once."
    )
    max_dataset_size: Count = 10_000_000
    max_epochs: Count = 10_000
    max_upload_bytes: Count = Field(default=2 * 2**30, description="Of a table, decompressed.")
    max_table_rows: Count = 10_000_000
    max_table_columns: Count = 1000
    max_distinct_values: Count = Field(default=100_000, description="Of a column of text or codes.")
    table_urls: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_table_urls)] = Field(
        default=(),
        description="Where tables may stay instead of being uploaded, with commas between them: "
        "all that is below `s3://bucket/prefix`, `gs://…` or `az://…`, and that our key may read.",
    )
    max_revisions: Count = Field(
        default=20, description="Beyond, the oldest that no job needs are removed."
    )
    max_uploads: Count = Field(default=2, description="At once, of one API process.")
    upload_seconds: float = Field(
        default=600, gt=0, description="How long a table may be read once it has arrived."
    )
    upload_memory_bytes: Count = Field(
        default=2 * 2**30, description="Of the process that reads a table."
    )
    table_memory_bytes: Count = Field(
        default=2**30,
        description="For the encoded rows of a table in a training job; beyond, it reads them "
        "from disk as it goes.",
    )
    max_queued_jobs: Count = 100
    max_ended_jobs: Count = Field(
        default=10_000, description="Beyond, the oldest jobs that have ended are forgotten."
    )
    max_connections: Count = Field(default=1000, description="Of one API process.")
    max_event_streams: Count = Field(default=100, description="Of one API process.")
    request_seconds: float = Field(
        default=30, gt=0, description="Within which a request must arrive and its answer be read."
    )
    keep_alive_seconds: float = Field(
        default=75,
        gt=0,
        description="How long a connection stays open without a request: longer than a proxy in "
        "front keeps its own, mostly 60 s.",
    )
    drain_seconds: float = Field(
        default=0.5,
        ge=0,
        le=30,
        description="How long `/readyz` says 503 before the service stops to listen.",
    )
    slots: Count = Field(
        default=1, description="How many jobs, or parts of jobs, a worker runs at once."
    )
    max_job_attempts: Count = Field(
        default=20, description="How often a job may lose its worker before it is given up."
    )
    refresh_seconds: float = Field(
        default=0.2, gt=0, description="How often an API process looks for new versions."
    )
    staleness_seconds: float = Field(
        default=5,
        ge=1,
        le=3600,
        description="How long an API process may go without a look at what serves and be ready.",
    )
    balancer_seconds: float = Field(
        default=3,
        ge=0.5,
        le=3600,
        description="How long a balancer may go on to ask a process that is not ready; "
        "`?wait=fleet` waits for both.",
    )

    access_log: bool = True
    otlp_endpoint: Annotated[str, AfterValidator(_collector)] = Field(
        default="",
        description="Where traces are sent: an OpenTelemetry collector that takes OTLP over HTTP, "
        "like `http://localhost:4318`. It needs the extra `otel`. Empty: there are none.",
    )
    trace_share: float = Field(
        default=1, ge=0, le=1, description="Of requests that begin a trace, those that are sent."
    )
    trace_predictions: bool = Field(
        default=False, description="Whether requests for predictions are traced, too."
    )
    max_metrics_datasets: Count = Field(
        default=100, description="Datasets with metrics of their own; others share theirs."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given here, then what the environment says, then what a platform says."""
        platform = InitSettingsSource(settings_cls, dict(told(os.environ)))
        return init_settings, env_settings, platform

    @cached_property
    def health_paths(self) -> frozenset[str]:
        """What is answered whatever else is wrong."""
        return HEALTH | {self.health_route} if self.health_route else HEALTH

    @property
    def shares_jobs(self) -> bool:
        """Whether anybody but the child that runs a job could train a part of it."""
        return self.slots > 1 or bool(self.database_url)

    @cached_property
    def is_local(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)


def without_effect(environment: Mapping[str, str]) -> Iterator[str]:
    """What to tell of environment variables that look like settings and are not read as such."""
    settings = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name, value in sorted(environment.items()):
        given = name.upper()  # pydantic does not tell cases apart either
        if _is_service_link(value):
            if given == f"{PREFIX}PORT":
                yield (
                    f"{name} is passed over: Kubernetes put the address of a service there; "
                    "`enableServiceLinks: false` in the pod's spec keeps it from that"
                )
        elif (
            _beginning.match(given)
            and given not in settings | FOR_OTHERS
            and not _names_service_link(given)
        ):
            own_part = _beginning.sub("", given, count=1)
            fields = [name.upper() for name in Settings.model_fields]
            yield f"{name} is no setting{did_you_mean(own_part, fields, PREFIX)}"
