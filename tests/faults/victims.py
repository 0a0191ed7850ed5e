"""Processes of a service, as they are at the moment; any may be gone at the next one."""

from collections.abc import Iterator
from contextlib import suppress

import psutil

from tests.conftest import Service


def processes(service: Service, role: str) -> list[psutil.Process]:
    """The API processes or the worker; none if it is being started again."""
    supervisor = psutil.Process(service.process.pid)
    return [process for process, command in _children(supervisor) if role in command]


def fork_servers(service: Service) -> list[psutil.Process]:
    """What trainers are forked from."""
    return [
        process
        for worker in processes(service, "worker")
        for process, command in _children(worker)
        if "forkserver" in str(command)
    ]


def trainers(service: Service) -> list[psutil.Process]:
    """What trains; there may be none."""
    return [process for each in fork_servers(service) for process, _ in _children(each)]


def readers(service: Service) -> list[psutil.Process]:
    """What reads uploads; there may be none."""
    return [
        process
        for api in processes(service, "api")
        for process, command in _children(api)
        if "service.tables.reader" in command
    ]


def _children(parent: psutil.Process) -> Iterator[tuple[psutil.Process, list[str]]]:
    """The processes that a process has started, and their command lines."""
    with suppress(psutil.NoSuchProcess):
        for process in parent.children():
            with suppress(psutil.NoSuchProcess):
                yield process, process.cmdline()
