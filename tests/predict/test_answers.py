from pathlib import Path
from typing import Any

import pytest

from models.config import ModelName
from service.errors import Unavailable
from service.predict import answers as module
from service.predict.answers import Answering, Answers
from service.registry import promotion
from service.registry.manifest import COMPARISON, ONNX, seal
from service.registry.shapes import Measured, Row, Verdict
from service.registry.versions import Registry
from service.tables.store import SCHEMA, Tables
from tests.predict.tables import HOUSES, NUMBERS, expected, publish
from tests.registry.versions import OTHER_JOB
from tests.tables import revisions

SCORES = {"validation_rmse": 1.0, "test_rmse": 1.25}


def answers(artifacts: Path) -> Answers:
    registry = Registry(artifacts)
    registry.prepare()
    return Answers(registry, Tables(artifacts))


def found(asked: Answers, dataset: str = "houses") -> Answering:
    answer = asked.of(dataset)
    assert answer is not None
    return answer


def test_it_is_told_which_version_answers_since_when_and_how_far_it_errs(tmp_path: Path) -> None:
    registry = publish(tmp_path, scores=SCORES)
    promotion.promote(registry, "dense", 1)
    answer = found(answers(tmp_path))
    assert answer.default is not None
    assert (answer.default.model, answer.default.version) == ("dense", 1)
    assert answer.since == registry.changes("dense", 1)[0].changed_at
    assert (answer.score, answer.error) == ("test_rmse", 1.25)


def test_the_same_version_answers_as_where_it_is_asked(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"instances": [[1, True, "Oslo", "7"]]}
    right = [expected(row) for row in rows["instances"]]
    publish(tmp_path, bias=3, revision=2, day=2, **rows, targets=right, scores=SCORES)
    publish(tmp_path, network="cross", scores={"validation_rmse": 100.0, "test_rmse": 100.0})
    answer = found(answers(tmp_path))
    assert answer.default is not None
    assert answer.default.model == "cross"
    assert answer.default.reason.startswith("its RMSE is 0 on 1 rows")


def test_the_baselines_are_those_of_its_job(tmp_path: Path) -> None:
    registry = publish(tmp_path, scores=SCORES)
    baselines = {name: Row(parameters=1, test_rmse=error) for name, error in BASELINES.items()}
    verdict = Verdict(score="test_rmse", summary="", pairs=[])
    measured = Measured.model_validate({"baselines": baselines, "verdict": verdict})
    folder, about = registry.folder("dense", 1), registry.metadata("dense", 1)
    (folder / COMPARISON).write_text(measured.model_dump_json())
    seal(folder, about)
    assert found(answers(tmp_path)).baselines == BASELINES


BASELINES = {"mean": 3.0, "trees": 0.5}


def test_what_has_no_serving_version_is_told_as_well(tmp_path: Path) -> None:
    triples = found(answers(tmp_path), "triples")
    assert (triples.task, triples.rows, triples.default) == ("regression", 100_000, None)
    assert answers(tmp_path).of("nothing") is None


def test_a_damaged_table_or_version_does_not_hide_the_others(tmp_path: Path) -> None:
    registry = publish(tmp_path, scores=SCORES)
    (tmp_path / ".datasets" / "houses" / "1" / SCHEMA).write_text("{")
    answer = found(answers(tmp_path))
    assert (answer.task, answer.rows) == (None, None)
    assert answer.default is not None
    (registry.folder("dense", 1) / ONNX).write_bytes(b"damaged")
    assert found(answers(tmp_path)).default is None


def test_it_is_read_once_and_again_when_something_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 1)
    registry = publish(tmp_path, scores=SCORES)
    asked = answers(tmp_path)
    first = found(asked)
    assert found(asked) is first
    publish(tmp_path, version=2, scores=SCORES, job_id=OTHER_JOB)
    promotion.promote(registry, "dense", 2)
    second = found(asked).default
    assert second is not None
    assert second.version == 2
    promotion.promote(registry, "dense", 1)
    back = found(asked)
    assert back.default == first.default
    found(asked, "triples")  # takes its place
    assert found(asked) == back
    assert found(asked) is not back


def test_a_table_that_is_made_anew_is_not_told_of_as_the_one_before(tmp_path: Path) -> None:
    asked, tables = answers(tmp_path), Tables(tmp_path)
    revisions.publish(tables, "houses")
    first = found(asked)
    assert found(asked) is first
    tables.remove("houses")
    about = revisions.stored(b"more rows")
    contents = about.contents.model_copy(update={"rows": 7})
    about = about.model_copy(update={"contents": contents})
    tables.publish("houses", revisions.stage(tables), about, None)
    assert (first.rows, found(asked).rows) == (2, 7)


def test_what_cannot_be_checked_just_now_is_told_of_without_what_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, scores=SCORES)
    asked, serving = answers(tmp_path), Registry.serving

    def away(registry: Registry, name: ModelName) -> int:
        raise Unavailable("the object store does not answer")

    monkeypatch.setattr(Registry, "serving", away)
    assert found(asked).default is None
    monkeypatch.setattr(Registry, "serving", serving)
    assert found(asked).default is not None


@pytest.mark.anyio
async def test_datasets_come_by_name_page_by_page_and_by_a_part_of_their_names(
    tmp_path: Path,
) -> None:
    for name in ("zebras", "houses", "glass-houses", "adults"):
        publish(tmp_path, HOUSES if "houses" in name else NUMBERS, name, scores=SCORES)
    asked = answers(tmp_path)
    names, cursor = [], None
    while True:
        page = await asked.page("", cursor, 2)
        names += [each.dataset for each in page.datasets]
        if (cursor := page.next_cursor) is None:
            break
    assert names == ["adults", "glass-houses", "houses", "triples", "zebras"]
    page = await asked.page("house", None, 1)
    assert [each.dataset for each in page.datasets] == ["glass-houses"]
    page = await asked.page("house", page.next_cursor, 1)
    assert [each.dataset for each in page.datasets] == ["houses"]
    assert page.next_cursor is None
