"""`crosscheck data`: tables come, are looked at, and go."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import DEFAULT_URL, Url

app = typer.Typer(no_args_is_help=True, help="Put tables, list them, look at them, remove them.")

Name = Annotated[str, typer.Argument(help="Of the dataset.")]
Columns = list[str] | None


@app.command()
def put(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, Parquet, an Arrow stream or JSON lines; - is the standard input; and what "
            "is at s3://bucket/folder/*.parquet stays there.",
        ),
    ],
    target: Annotated[str, typer.Option(help="The column to learn.")],
    name: Annotated[
        str | None, typer.Option(help="Of the dataset.", show_default="as the file is called")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="regression or binary.", show_default="as the target looks")
    ] = None,
    features: Annotated[
        Columns, typer.Option(help="A column to learn from; repeat it.", show_default="all")
    ] = None,
    exclude: Annotated[Columns, typer.Option(help="A column that is no feature.")] = None,
    categorical: Annotated[Columns, typer.Option(help="A column of codes.")] = None,
    missing: Annotated[Columns, typer.Option(help="A text that means a missing value.")] = None,
    missing_target: Annotated[
        str | None, typer.Option(help="drop: leave rows without a target out.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="csv, parquet, arrow or ndjson.", show_default="as it looks"),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Of CSV: . or ,")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of CSV.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a table a dataset, or the next revision of one."""
    from service.commands.asking import service_at
    from service.commands.dataset_table import described
    from service.commands.files import STANDARD_INPUT, opened
    from service.commands.output import show
    from service.commands.upload import dataset_name, link, upload

    if file == STANDARD_INPUT and name is None:
        raise typer.BadParameter("the standard input has none: give one", param_hint="--name")
    if (is_linked := "://" in file) and name is None:
        raise typer.BadParameter("what stays elsewhere has none: give one", param_hint="--name")
    parameters = {
        "target": target,
        "task": task,
        "features": _as_csv(features),
        "exclude": _as_csv(exclude),
        "categorical": _as_csv(categorical),
        "missing": _as_csv(missing),
        "missing_target": missing_target,
        "format": format_,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
    }
    with service_at(url) as service:
        if is_linked:
            made = link(service, file, str(name), parameters)
        else:
            with opened(file) as content:
                made = upload(service, content, name or dataset_name(Path(file).name), parameters)
        show([made], described)


@app.command("list")
def list_datasets(url: Url = DEFAULT_URL) -> None:
    """List the datasets."""
    from service.commands.asking import service_at
    from service.commands.output import show
    from service.commands.tables import datasets_table

    with service_at(url) as service:
        show(service.pages("/datasets", "datasets", limit=100), datasets_table)


@app.command("show")
def show_dataset(
    name: Name,
    revision: Annotated[
        int | None, typer.Option(help="Which.", show_default="the newest one")
    ] = None,
    rows: Annotated[int, typer.Option(min=0, max=100, help="Show so many rows instead.")] = 0,
    url: Url = DEFAULT_URL,
) -> None:
    """Show what is in a dataset's columns, or its first rows."""
    from service.client import path_of
    from service.commands.asking import service_at
    from service.commands.dataset_table import described
    from service.commands.output import show
    from service.commands.tables import rows_table

    with service_at(url) as service:
        path = path_of("datasets", name)
        if rows:
            found = service.get(f"{path}/rows", revision=revision, limit=rows)["rows"]
            show(found, rows_table)
        else:
            show([service.get(path, revision=revision)], described)


@app.command()
def rm(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Remove a dataset: its revisions, and the models that were trained on it."""
    from service.client import path_of
    from service.commands.asking import service_at

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Remove {name} and all its models?", abort=True, err=True)
    with service_at(url) as service:
        service.send("DELETE", path_of("datasets", name))


def _as_csv(texts: Columns) -> str | None:
    """A list as the service takes it in a URL's query; None, where there is none."""
    import csv
    import io

    if not texts:
        return None
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="").writerow(texts)
    return written.getvalue()
