"""The commands: serve, worker, health, demo; the verbs that ask a service are in `commands/`."""

import logging
import os
import signal
import socket
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from service import surroundings
from service.commands import data, export, jobs, models, predict
from service.commands.given import settings_of

if TYPE_CHECKING:
    from service.settings import Settings

logger = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # whose panels take as long to import as all the rest
)

ASKING = "Asking a service"

Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]


@app.callback()
def crosscheck() -> None:
    """Train a cross-layer and a dense network, compare them, serve the better one."""
    surroundings.put_in_order()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of API processes.")] = 1,
    worker: Annotated[
        bool | None, typer.Option(help="Run a worker for training jobs, too.", show_default="run")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Listen beyond this machine without API keys."),
    ] = None,
) -> None:
    """Serve the API, and run training jobs beside it."""
    _end_when_told()
    from service import supervisor

    _start(supervised=False)
    settings = settings_of(host=host, port=port, worker=worker, insecure=insecure)
    if not (settings.is_local or settings.api_keys or settings.insecure):
        typer.echo(
            f"Without API keys anybody who reaches {settings.host} could train and promote. "
            "Set CROSSCHECK_API_KEYS, listen on 127.0.0.1, or say --insecure.",
            err=True,
        )
        raise typer.Exit(2)
    _prepare(settings, to_write=settings.worker)
    try:
        listener = supervisor.bind(settings)
    except OSError as error:
        typer.echo(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Choose another with --port.",
            err=True,
        )
        raise typer.Exit(1) from None
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    with suppress(OSError):  # nobody may be left to read it
        typer.echo(f"Crosscheck listens on http://{address}:{listener.getsockname()[1]}")
    supervisor.supervise(listener, settings, workers)
    os._exit(0)  # else it would flush what nobody may be left to read, and fail


@app.command()
def worker(
    slots: Annotated[
        int | None, typer.Option(min=1, help="Jobs, or parts of jobs, at once.", show_default="1")
    ] = None,
    supervised: Supervised = False,
) -> None:
    """Run training jobs, without the API."""
    _end_when_told()
    from service.jobs.child import CannotTrain
    from service.jobs.worker import work

    _start(supervised)
    settings = settings_of(slots=slots)
    _prepare(settings, to_write=True)
    try:
        work(settings)
    except CannotTrain as error:
        typer.echo(f"This worker cannot train: {error}.", err=True)
        raise typer.Exit(1) from None


@app.command(hidden=True)
def api(
    fd: Annotated[int, typer.Option()],
    host: Annotated[str, typer.Option()],
    slot: Annotated[int, typer.Option()],
    slots: Annotated[list[int], typer.Option()],
    supervised: Supervised = False,
) -> None:
    """Run one API process on a socket and with slots that the supervisor has opened."""
    from service import server
    from service.telemetry.slots import Given

    _start(supervised)
    server.run(settings_of(host=host), socket.socket(fileno=fd), Given(slot, tuple(slots)))


@app.command()
def health() -> None:
    """Ask the service that these settings start on this machine whether it lives."""
    from http.client import HTTPConnection, HTTPException

    settings = settings_of()
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    # No proxy stands between, whatever the environment says of proxies.
    connection = HTTPConnection(every.get(settings.host, settings.host), settings.port, timeout=5)
    try:
        connection.request("GET", "/livez")
        status = connection.getresponse().status
    except (OSError, HTTPException, ValueError) as error:
        typer.echo(f"Nothing answers on {settings.host} port {settings.port}: {error}", err=True)
        raise typer.Exit(1) from None
    if status != HTTPStatus.OK:
        typer.echo(f"GET /livez was answered with {status}.", err=True)
        raise typer.Exit(1)


@app.command()
def demo(
    url: Annotated[
        str | None, typer.Option(help="Of a running service; else one is started.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="A file to train on, like houses.csv; else it is the triples.",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of the table to learn.")] = None,
) -> None:
    """Train both networks over HTTP, print the comparison, predict."""
    from service.demo import own_table, triples
    from service.demo.service import Steps, run

    if table is None and target is None:
        steps: Steps = triples.demonstrate
    elif table is None or target is None:
        raise typer.BadParameter("give both or none", param_hint="--table and --target")
    else:
        steps = own_table.steps(table, target)
    settings = settings_of()
    if url is None:
        _prepare(settings, to_write=True)
    run(url, settings, steps)


app.add_typer(data.app, name="data", rich_help_panel=ASKING)
for verb in (
    *(jobs.train, jobs.watch, jobs.jobs, jobs.cancel),
    *(models.metrics, predict.predict, models.models, models.promote, models.history),
):
    app.command(rich_help_panel=ASKING)(verb)
app.command()(export.export)


def _prepare(settings: "Settings", to_write: bool) -> None:
    """Makes the artifacts folder, or ends the command: nothing works without it."""
    from service.errors import Unavailable
    from service.store.places import places

    folder = settings.artifacts_dir
    try:
        places(folder, settings.store_url).registry.prepare()
        os.listdir(folder)
        if to_write:
            with TemporaryFile(dir=folder):
                pass
    except OSError as error:
        typer.echo(
            f"The artifacts folder {folder} cannot be used: {error.strerror}. "
            "CROSSCHECK_ARTIFACTS_DIR names another one.",
            err=True,
        )
        raise typer.Exit(1) from None
    except Unavailable as unavailable:
        typer.echo(f"CROSSCHECK_STORE_URL: {unavailable.detail}", err=True)
        raise typer.Exit(1) from None


def _end_when_told() -> None:
    """Ends this process at once when it is told to stop, until it has something to put in order."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def _start(supervised: bool) -> None:
    from service import log_lines
    from service.settings import without_effect

    log_lines.install()
    if supervised:
        from service.supervisor import end_with_supervisor

        end_with_supervisor()
    else:
        for line in without_effect(os.environ):
            logger.warning(line)
