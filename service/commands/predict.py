"""`crosscheck predict`."""

import sys
from typing import Annotated

import typer

from service.commands.options import DEFAULT_URL, OfDataset, Url


def predict(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, JSON, JSON lines, npy, Arrow or Parquet; - is the standard input.",
        ),
    ] = "-",
    dataset: OfDataset = None,
    model: Annotated[
        str | None, typer.Option(help="A network.", show_default="the one that errs least")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Of that network.", show_default="the serving one")
    ] = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="What FILE is: json, ndjson, csv, npy, arrow or parquet.",
            show_default="by its suffix; of -, by its first bytes",
        ),
    ] = None,
    wanted: Annotated[
        str | None,
        typer.Option(
            "--as", help="How to answer: as with --format.", show_default="as asked; here, CSV"
        ),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Predict the rows of a file."""
    from service.commands import rows
    from service.commands.asking import service_at
    from service.commands.files import STANDARD_INPUT, contents
    from service.commands.output import on_terminal, tell

    chosen = rows.Choice(dataset, model, version)
    asked_in = rows.known(given, "--format") if given else None
    if asked_in is None and file != STANDARD_INPUT:
        asked_in = rows.format_of(file)
    content = contents(file)
    asked_in = asked_in or rows.format_by_first_bytes(content)
    answer_in = rows.known(wanted, "--as") if wanted else "csv" if on_terminal() else asked_in
    if on_terminal() and answer_in not in rows.AS_TEXT:
        raise typer.BadParameter(f"{answer_in} is not for a terminal", param_hint="--as")
    in_json = rows.MEDIA_TYPES[asked_in] == rows.MEDIA_TYPES["json"]

    with (
        service_at(url) as service,
        service.stream(
            "POST",
            "/predict",
            parameters={} if in_json else chosen._asdict(),
            headers={
                "Content-Type": rows.MEDIA_TYPES[asked_in],
                "Accept": rows.MEDIA_TYPES[answer_in],
            },
            content=rows.json_body(content, asked_in, chosen) if in_json else content,
        ) as answer,
    ):
        for piece in answer.iter_bytes():
            sys.stdout.buffer.write(piece)
        if rows.MEDIA_TYPES[answer_in] == rows.MEDIA_TYPES["json"]:
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
        if on_terminal():
            tell(f"by {answer.headers['x-model']}, version {answer.headers['x-model-version']}")
