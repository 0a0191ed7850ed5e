"""Files of a page, as a browser asks for them."""

import gzip
from pathlib import Path

import pytest

from service.http import static_files
from tests.conftest import Service

FILE = "/"


def test_a_file_comes_compressed_to_who_takes_that(service: Service) -> None:
    given = {coding: service.client.get(FILE, headers={"Accept-Encoding": coding}) for coding in
             ("gzip", "br, GZIP;q=0.5", "identity", "gzip;q=0", "gzip; q=0.000", "br")}  # fmt: skip
    coded = {coding: answer.headers.get("content-encoding") for coding, answer in given.items()}
    assert coded == {
        **dict.fromkeys(("gzip", "br, GZIP;q=0.5"), "gzip"),
        **dict.fromkeys(("identity", "gzip;q=0", "gzip; q=0.000", "br")),
    }
    assert len({answer.content for answer in given.values()}) == 1
    assert len({answer.headers["etag"] for answer in given.values()}) == 2
    assert {answer.headers["vary"] for answer in given.values()} == {"Accept-Encoding"}


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_what_a_browser_has_already_is_not_sent_again(service: Service, coding: str) -> None:
    first = service.client.get(FILE, headers={"Accept-Encoding": coding})
    assert first.headers.get_list("cache-control") == ["no-cache"]
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        asked = {"Accept-Encoding": coding, "If-None-Match": known}
        again = service.client.get(FILE, headers=asked)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    changed = {"Accept-Encoding": coding, "If-None-Match": '"other"'}
    assert service.client.get(FILE, headers=changed).status_code == 200


def test_every_other_answer_is_still_stored_nowhere(service: Service) -> None:
    answer = service.client.get("/livez")
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers.get_list("content-security-policy") == ["frame-ancestors 'none'"]


def test_no_file_is_served_that_is_not_listed(service: Service) -> None:
    for path in ("/page", "/page/", "/page/__init__.py", "/page/../access.py", "/page/%2e%2e/a"):
        assert service.client.get(path).status_code == 404, path


def test_a_comment_that_names_a_source_map_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    file.write_text("a{}\n/*# sourceMappingURL=a.css.map */")
    content = static_files.read(file)
    assert content.plain == gzip.decompress(content.gzipped) == b"a{}\n"
