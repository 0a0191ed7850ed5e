"""The names of a table's columns, and which column is for what."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from models.schema import TableSchema
from service.errors import Conflict, Invalid, TooLarge, excerpt
from service.nearest import nearest
from service.tables.options import Options

NAME_LENGTH = 200
SHOWN = 5

Role = Literal["feature", "target", "other"]


def check(names: Sequence[str], max_columns: int) -> None:
    """Raises Invalid or TooLarge if the columns of a table cannot be called so."""
    if len(names) > max_columns:
        raise TooLarge(f"the table has {len(names)} columns, and {max_columns} are allowed")
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise Invalid(
                f"column {number} has no name; is it an index, which pandas writes unless told "
                "`index=False`, or does each line end with a delimiter?"
            )
        if len(name) > NAME_LENGTH:
            raise Invalid(
                f"column {number}: its name is longer than {NAME_LENGTH} characters: "
                f"{excerpt(name)}; does the first row hold the names?"
            )
        if not name.isprintable():
            raise Invalid(f"column {number}: its name holds control characters: {excerpt(name)}")
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise Invalid(f"{count} columns are called {excerpt(name)}")


def roles(names: Sequence[str], options: Options, expected: TableSchema | None) -> dict[str, Role]:
    """What each column is for, in the order of the table, or of the schema that is expected.

    Raises:
        Invalid: The options name a column that there is not, or leave no feature.
        Conflict: The columns are others than the expected ones.
    """
    named = (options.target, *(options.features or ()), *options.categorical)
    known = set(names)
    for name in (*named, *options.exclude):
        if name not in known:
            raise Invalid(f"there is no column {excerpt(name)}{_nearest(name, names)}")
    if expected is not None:
        return _expected_roles(names, options, expected)
    excluded = set(options.exclude)
    features = set(names) - excluded if options.features is None else set(options.features)
    features.discard(options.target)
    if not features:
        raise Invalid(f"no column but {excerpt(options.target)} is left to learn from")
    return {
        name: "target" if name == options.target else "feature" if name in features else "other"
        for name in names
    }


def _expected_roles(
    names: Sequence[str], options: Options, expected: TableSchema
) -> dict[str, Role]:
    if options.target != expected.target:
        raise Conflict(
            f"the target of this dataset is {excerpt(expected.target)}, "
            f"not {excerpt(options.target)}; another target needs another name of a dataset"
        )
    features = [column.name for column in expected.features]
    chosen = set(features if options.features is None else options.features)
    chosen -= set(options.exclude)
    ours = {*features, *expected.others, expected.target}
    optional = set(options.exclude) if options.features is None else set(names) - chosen
    differences = {
        "missing": [name for name in (*features, *expected.others) if name not in names],
        "no features now": [name for name in features if name in names and name not in chosen],
        "unknown": [name for name in names if name not in ours and name not in optional],
        "features now": sorted(chosen - set(features)),
    }
    found = "; ".join(f"{what}: {listed(which)}" for what, which in differences.items() if which)
    if found:
        raise Conflict(
            f"the columns must be those of the dataset's other revisions; {found}. "
            "Exclude what is too much, or use another name of a dataset"
        )
    roles: dict[str, Role] = dict.fromkeys(features, "feature")
    return roles | {expected.target: "target"} | dict.fromkeys(expected.others, "other")


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    all_names = list(names)
    more = len(all_names) - SHOWN
    shown = ", ".join(excerpt(name) for name in all_names[:SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _nearest(name: str, names: Sequence[str]) -> str:
    near = nearest(name, names)
    return f": did you mean {excerpt(near)}?" if near else f"; there are {listed(names)}"
