"""The settings of a server, as a command is given them."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from service.settings import Settings


def settings_of(**given: Any) -> "Settings":
    """The settings of the environment, but for what is given. Ends the command if one is wrong."""
    from pydantic import ValidationError

    from service.errors import element
    from service.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for fault in error.errors():
            why = fault["msg"].removeprefix("Value error, ")
            typer.echo(f"CROSSCHECK_{element(fault['loc']).upper()}: {why}", err=True)
        raise typer.Exit(2) from None
