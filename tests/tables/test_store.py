"""The store of tables, as processes share it."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.config import TableDataset
from service.errors import Invalid, NotFound
from service.registry.manifest import Damaged
from service.tables.store import SchemaChanged, Tables
from tests.tables.revisions import OPTIONS, publish, schema_of, stage, stored


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def test_a_published_table_is_listed_and_described(tables: Tables) -> None:
    assert tables.names() == []
    revision, is_new = publish(tables, "houses")
    assert is_new
    assert tables.names() == ["houses"]
    assert tables.revision("houses") == revision
    assert (revision.name, revision.revision, revision.rows) == ("houses", 1, 2)
    assert revision.options == {"target": "price"}
    assert tables.expected("houses") == schema_of(["rooms"])
    tables.verify("houses", 1)


def test_a_revision_can_be_checked_by_hand(tables: Tables) -> None:
    publish(tables, "houses")
    command = ["sha256sum", "--check", "manifest.sha256"]
    subprocess.run(command, cwd=tables.folder("houses", 1), check=True, capture_output=True)


def test_the_same_bytes_read_in_the_same_way_are_the_same_revision(tables: Tables) -> None:
    first, _ = publish(tables, "houses", b"rows")
    again, is_new = publish(tables, "houses", b"rows")
    assert again == first
    assert not is_new
    assert tables.numbers("houses") == [1]


def test_other_bytes_or_other_options_are_a_new_revision(tables: Tables) -> None:
    publish(tables, "houses", b"rows")
    assert publish(tables, "houses", b"more rows")[1]
    options = OPTIONS.model_copy(update={"missing": ("?",)})
    assert publish(tables, "houses", b"more rows", options=options)[1]
    assert publish(tables, "houses", b"rows")[1]  # the newest is what was put last
    assert tables.numbers("houses") == [4, 3, 2, 1]


def test_a_table_that_was_read_for_other_columns_is_not_published(tables: Tables) -> None:
    folder = stage(tables)
    publish(tables, "houses", features=["area"])
    with pytest.raises(SchemaChanged):
        tables.publish("houses", folder, stored(b""), expected=None)
    assert tables.expected("houses") == schema_of(["area"])


def test_of_tables_that_come_at_once_one_is_the_first(tables: Tables) -> None:
    def put(number: int) -> str:
        features = [f"x{number}"]
        folder = stage(tables, features)
        try:
            tables.publish("houses", folder, stored(b"", features), expected=None)
        except SchemaChanged:
            return "refused"
        return "published"

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(put, range(8)))
    assert sorted(outcomes) == ["published", *["refused"] * 7]
    assert tables.numbers("houses") == [1]


def test_the_oldest_revisions_go_but_those_that_are_needed(tables: Tables) -> None:
    for number in range(5):
        publish(tables, "houses", b"%d" % number)
    tables.remove_oldest("houses", keep=2, needed={1})
    assert tables.numbers("houses") == [5, 4, 1]
    publish(tables, "houses", b"next")
    assert tables.newest("houses") == 6
    assert not list(tables.staging.rglob("*.parquet"))


def test_a_dataset_goes_with_its_models(tables: Tables) -> None:
    publish(tables, "houses")
    publish(tables, "boats")
    version = tables.artifacts / "houses" / "cross" / "1"
    version.mkdir(parents=True)
    tables.remove("houses")
    assert tables.names() == ["boats"]
    assert not (tables.artifacts / "houses").exists()
    with pytest.raises(NotFound):
        tables.remove("houses")
    assert publish(tables, "houses", features=["area"])[0].revision == 1


def test_what_is_unknown_is_refused_with_what_may_be_meant(tables: Tables) -> None:
    publish(tables, "houses")
    with pytest.raises(NotFound, match=r"no dataset house: did you mean houses\?"):
        tables.revision("house")
    with pytest.raises(NotFound, match="no revision 2 of houses; the newest is 1"):
        tables.revision("houses", 2)


def test_a_damaged_revision_is_passed_over(tables: Tables) -> None:
    for content in (b"1", b"2"):
        publish(tables, "houses", content)
    (tables.folder("houses", 2) / "schema.json").write_text("{")
    assert tables.newest("houses") == 1
    with pytest.raises(NotFound, match="revision 2 of houses is damaged"):
        tables.revision("houses", 2)
    with pytest.raises(Damaged, match=r"schema\.json has changed"):
        tables.verify("houses", 2)
    assert publish(tables, "houses", b"3")[0].revision == 3


def test_a_dataset_of_damaged_revisions_says_so_and_takes_a_new_one(tables: Tables) -> None:
    publish(tables, "houses")
    (tables.folder("houses", 1) / "schema.json").unlink()
    with pytest.raises(NotFound, match="all revisions of houses are damaged"):
        tables.revision("houses")
    assert publish(tables, "houses")[0].revision == 2


def test_rows_that_have_changed_are_damage(tables: Tables) -> None:
    publish(tables, "houses")
    (tables.folder("houses", 1) / "data.parquet").write_bytes(b"")
    with pytest.raises(Damaged, match=r"data\.parquet has changed"):
        tables.verify("houses", 1)


def table(**given: str | int) -> TableDataset:
    return TableDataset.model_validate({"kind": "table", "name": "houses", **given})


def test_a_table_is_pinned_to_its_newest_revision_or_to_the_one_it_names(tables: Tables) -> None:
    publish(tables, "houses", b"1")
    publish(tables, "houses", b"2")
    assert tables.pin(table()) == (table(revision=2), tables.find("houses", 2)[1])
    assert tables.pin(table(revision=1)) == (table(revision=1), tables.find("houses", 1)[1])
    with pytest.raises(NotFound):
        tables.pin(table(revision=3))


def test_rows_are_split_by_a_feature_or_another_column_and_no_other(tables: Tables) -> None:
    publish(tables, "houses")
    for column in ("rooms", "sold"):
        assert tables.pin(table(split_by=column))[0] == table(split_by=column, revision=1)
    with pytest.raises(Invalid, match=r'split_by.*"solt".*did you mean sold\?'):
        tables.pin(table(split_by="solt"))
    with pytest.raises(Invalid, match=r"split_by"):
        tables.pin(table(split_by="price"))
