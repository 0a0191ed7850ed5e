"""What must hold of tables after every round."""

from collections import Counter
from collections.abc import Callable, Iterator

from models.schema import TRIPLES
from service.registry.manifest import Damaged
from tests.faults.invariants import Round


def every_accepted_revision_stays(round_: Round) -> Iterator[str]:
    """What was accepted of a table is listed until somebody deletes its dataset."""
    for lost in sorted({*round_.ledger.revisions} - {*round_.ledger.listed}):
        yield f"{lost} was accepted and is not listed"


def nothing_else_is_listed(round_: Round) -> Iterator[str]:
    """Neither what was refused or only begun, nor what was deleted."""
    for foreign in sorted({*round_.ledger.listed} - {*round_.ledger.revisions}):
        if foreign.sha256 not in round_.ledger.begun:
            yield f"{foreign} is listed and was not accepted"


def no_revision_is_given_twice(round_: Round) -> Iterator[str]:
    """Each of two tables is a revision of its own."""
    given = Counter((each.dataset, each.number) for each in round_.ledger.revisions)
    for (dataset, number), count in given.items():
        if count > 1:
            yield f"revision {number} of {dataset} was given {count} times"


def every_revision_is_whole(round_: Round) -> Iterator[str]:
    """What lies in the store of tables was accepted, and is as it was sealed."""
    tables = round_.ledger.tables
    late = [each for each in round_.ledger.listed if each.sha256 in round_.ledger.begun]
    accepted = {(each.dataset, each.number) for each in [*round_.ledger.revisions, *late]}
    for revision in [(name, number) for name in tables.names() for number in tables.numbers(name)]:
        try:
            tables.verify(*revision)
        except (Damaged, FileNotFoundError) as damage:
            yield f"{revision} is damaged: {damage}"
        if revision not in accepted:
            yield f"{revision} lies there and was not accepted"


def what_is_deleted_is_gone(round_: Round) -> Iterator[str]:
    """With a dataset go its models."""
    known = {TRIPLES, *(each.dataset for each in round_.ledger.revisions)}
    for folder in round_.ledger.artifacts.glob("[a-z]*/"):
        if folder.is_dir() and folder.name not in known:
            yield f"{folder.name} has models and is no dataset"


PROMISES: list[Callable[[Round], Iterator[str]]] = [
    every_accepted_revision_stays,
    nothing_else_is_listed,
    no_revision_is_given_twice,
    every_revision_is_whole,
    what_is_deleted_is_gone,
]
