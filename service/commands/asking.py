"""A service to ask, and how a command ends that asked it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import typer

from service.client import KEY_VARIABLE, Client, Failed, KeyRefused, key_from_environment
from service.commands.output import tell

FAILED, CANCELLED, KEY = 1, 3, 4
"""Exit codes, beside 0 for what succeeded and 2, Typer's, for what cannot be asked so."""

INTERRUPTED = 130


@contextmanager
def failures_end_it() -> Iterator[None]:
    """Ends the command where something fails, with a line that says why."""
    try:
        yield
    except KeyRefused as refusal:
        tell(f"{refusal}\nThe key is read from {KEY_VARIABLE}.")
        raise typer.Exit(KEY) from None
    except (Failed, httpx.TransportError) as failure:
        tell(str(failure) or type(failure).__name__)
        raise typer.Exit(FAILED) from None


@contextmanager
def service_at(url: str) -> Iterator[Client]:
    """Asks the service there, with the key in the environment; what fails, ends the command."""
    with failures_end_it(), closing(Client(url, key_from_environment(), tell)) as client:
        yield client
