"""What serves, of many datasets."""

import os
from pathlib import Path

from models.schema import TRIPLES
from service.registry.versions import Registry
from service.tables.store import Tables
from service.telemetry.standing import Served, served
from tests.predict.tables import publish
from tests.registry.versions import metadata
from tests.registry.versions import publish as publish_triples


def test_serving_versions_are_told_with_their_errors_on_rows_held_out(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.prepare()
    publish_triples(registry, metadata())
    publish(tmp_path, scores={"validation_rmse": 1.0, "test_rmse": 2.5})
    publish(tmp_path, dataset="old")  # from before there was a test split
    assert sorted(served(registry, Tables(tmp_path), 10)) == [
        Served("houses", "dense", 1, 2.5),
        Served("old", "dense", 1, None),
        Served(TRIPLES, "cross", 1, 0.1),
    ]


def test_of_many_datasets_those_are_told_that_changed_last(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.prepare()
    publish_triples(registry, metadata())
    for number in range(5):
        publish(tmp_path, dataset=f"d{number}")
        os.utime(tmp_path / f"d{number}" / "dense", (number, number))
    found = [each.dataset for each in served(registry, Tables(tmp_path), 3)]
    assert found == [TRIPLES, "d4", "d3"]


def test_what_is_damaged_is_not_told_and_keeps_nothing_else_from_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.prepare()
    publish(tmp_path)
    publish(tmp_path, dataset="flats")
    (tmp_path / "flats" / "dense" / "1" / "saved_model.pb").write_bytes(b"gra")
    assert [each.dataset for each in served(registry, Tables(tmp_path), 10)] == ["houses"]
