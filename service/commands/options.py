"""Options that several verbs have."""

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(envvar="CROSSCHECK_URL", help="Where the service is.")]

OfDataset = Annotated[
    str | None, typer.Option("--dataset", help="Its name.", show_default="triples")
]

Named = Annotated[
    str, typer.Argument(metavar="DATASET/NETWORK", help="A network, like triples/cross.")
]


def dataset_and_network(given: str) -> tuple[str, str]:
    """Both names of a network. Raises BadParameter where there are not two."""
    dataset, slash, network = given.partition("/")
    if not (dataset and slash and network) or "/" in network:
        raise typer.BadParameter(f"'{given}' is not like triples/cross")
    return dataset, network
