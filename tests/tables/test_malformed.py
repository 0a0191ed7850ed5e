from pathlib import Path

import pytest

from service.errors import DETAIL_LENGTH, CrosscheckError
from service.tables.options import Options
from service.tables.table import read
from tests.tables.malformed import BOUNDS, Malformed, malformed

KINDS = list(malformed())


def test_there_are_a_hundred_kinds() -> None:
    assert len({each.kind for each in KINDS}) == len(KINDS) >= 100


@pytest.mark.parametrize("bad", KINDS, ids=lambda bad: bad.kind)
def test_a_malformed_file_is_refused_with_what_to_do(bad: Malformed, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(bad.body)
    with pytest.raises(CrosscheckError) as refused:
        read(upload, tmp_path, Options.model_validate(bad.options), BOUNDS)
    detail = refused.value.detail
    assert (refused.value.status, bad.says in detail) == (bad.status, True), detail
    assert detail.isprintable()
    assert len(detail) <= DETAIL_LENGTH
