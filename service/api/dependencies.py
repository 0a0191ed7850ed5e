"""What endpoints ask for by its type."""

from typing import Annotated

from fastapi import Depends, Request

from models.schema import TRIPLES, DatasetName
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


def _models_of(request: Request, dataset: DatasetName) -> Registry:
    _tables(request).require(dataset)
    return _registry(request).of(dataset)


def _models(request: Request, dataset: DatasetName = TRIPLES) -> Registry:
    return _models_of(request, dataset)


TheSettings = Annotated[Settings, Depends(_settings)]
TheJobs = Annotated[JobStore, Depends(_jobs)]
TheRegistry = Annotated[Registry, Depends(_registry)]
TheModels = Annotated[Registry, Depends(_models)]
"""Of the dataset that the query names, or of triples."""
TheModelsOf = Annotated[Registry, Depends(_models_of)]
"""Of the dataset in the path."""
TheTables = Annotated[Tables, Depends(_tables)]
TheUploads = Annotated[Uploads, Depends(_uploads)]
