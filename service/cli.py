"""The commands: serve, worker, demo."""

import logging
import socket
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from service.errors import element
from service.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of API processes.")] = 1,
    worker: Annotated[bool, typer.Option(help="Run a worker for training jobs, too.")] = True,
) -> None:
    """Serve the API, and run training jobs beside it."""
    from service import supervisor

    settings = _settings(host=host, port=port)
    try:
        listener = supervisor.bind(settings)
    except OSError as error:
        typer.echo(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Choose another with --port.",
            err=True,
        )
        raise typer.Exit(1) from None
    typer.echo(f"Crosscheck listens on http://{settings.host}:{listener.getsockname()[1]}")
    supervisor.supervise(listener, workers, worker)


@app.command()
def worker(supervised: Supervised = False) -> None:
    """Run training jobs, without the API."""
    from service.worker import work

    _start(supervised)
    try:
        work(_settings())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command(hidden=True)
def api(fd: Annotated[int, typer.Option()], supervised: Supervised = False) -> None:
    """Run one API process on a socket that the supervisor has opened."""
    import uvicorn

    from service.app import create_app

    _start(supervised)
    application = create_app(_settings())

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            application.state.stopping.set()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    Server(config).run([socket.socket(fileno=fd)])


@app.command()
def demo(
    url: Annotated[
        str | None, typer.Option(help="Of a running service; else one is started.")
    ] = None,
) -> None:
    """Train both networks over HTTP, print the comparison, predict."""
    from service.demo import run

    run(url, _settings())


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for fault in error.errors():
            typer.echo(f"CROSSCHECK_{element(fault['loc']).upper()}: {fault['msg']}", err=True)
        raise typer.Exit(2) from None


def _start(supervised: bool) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("dbos").setLevel(logging.WARNING)
    if supervised:
        from service.supervisor import end_with_supervisor

        end_with_supervisor()
