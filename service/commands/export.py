"""`crosscheck export`: a version as a folder that another server loads."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands.given import settings_of


class Server(StrEnum):
    mlflow = "mlflow"
    triton = "triton"
    tfserving = "tfserving"


def export(
    server: Annotated[Server, typer.Argument(help="Which is to load it.")],
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to; new, or empty.")],
    dataset: Annotated[str, typer.Option(help="Its name.")] = "triples",
    network: Annotated[
        str | None, typer.Option(help="Which.", show_default="the one that errs least")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Of that network.", show_default="the serving one")
    ] = None,
) -> None:
    """Write a version of the artifacts here as a folder that another server loads as it is."""
    from service.commands.asking import FAILED
    from service.commands.output import tell
    from service.errors import CrosscheckError
    from service.export import folder as exported
    from service.export.chosen import chosen

    if version is not None and network is None:
        raise typer.BadParameter("it needs --network beside it", param_hint="--version")
    try:
        settings = settings_of()
        found = chosen(settings.artifacts_dir, dataset, network, version, settings.store_url)
        exported.export(server, found, Path(folder))
    except CrosscheckError as refusal:
        tell(refusal.detail)
        raise typer.Exit(FAILED) from None
    except OSError as error:
        tell(f"'{folder}' cannot be written: {error.strerror}")
        raise typer.Exit(FAILED) from None
    tell(f"{folder}: {found.dataset}/{found.network}, version {found.version}, for {server}")
