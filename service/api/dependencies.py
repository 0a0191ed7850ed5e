"""What endpoints ask for by its type."""

from typing import Annotated

from fastapi import Depends, Request

from service.jobs.store import JobStore
from service.registry.versions import Registry
from service.settings import Settings
from service.tables.store import Tables
from service.tables.uploads import Uploads


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _jobs(request: Request) -> JobStore:
    jobs: JobStore = request.app.state.jobs
    return jobs


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


def _tables(request: Request) -> Tables:
    tables: Tables = request.app.state.tables
    return tables


def _uploads(request: Request) -> Uploads:
    uploads: Uploads = request.app.state.uploads
    return uploads


TheSettings = Annotated[Settings, Depends(_settings)]
TheJobs = Annotated[JobStore, Depends(_jobs)]
TheRegistry = Annotated[Registry, Depends(_registry)]
TheTables = Annotated[Tables, Depends(_tables)]
TheUploads = Annotated[Uploads, Depends(_uploads)]
