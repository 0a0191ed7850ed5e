"""What endpoints ask for by its type."""

from typing import Annotated

from fastapi import Depends, Request

from service.jobs.store import JobStore
from service.registry.versions import Registry
from service.settings import Settings


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _jobs(request: Request) -> JobStore:
    jobs: JobStore = request.app.state.jobs
    return jobs


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


TheSettings = Annotated[Settings, Depends(_settings)]
TheJobs = Annotated[JobStore, Depends(_jobs)]
TheRegistry = Annotated[Registry, Depends(_registry)]
