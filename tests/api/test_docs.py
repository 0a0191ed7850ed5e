"""The page at `/docs` needs nothing from elsewhere, and no key."""

import hashlib
import json
import re
import tomllib
from pathlib import Path

from service.access import DOCUMENTATION
from service.api.docs import FILES, FOLDER
from tests.conftest import Service

VENDORED = json.loads((FOLDER / "vendored.json").read_text())
OURS = {"__init__.py", "index.html", "start.js", "vendored.json"}


def test_every_file_that_is_not_ours_is_as_it_came() -> None:
    assert {"name", "version", "licence", "sha256"} == VENDORED.keys()
    for name, digest in VENDORED["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name
    files = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert files == OURS | VENDORED["sha256"].keys()
    assert {"LICENSE", "NOTICE"} <= files


def test_the_files_are_part_of_the_package() -> None:
    project = tomllib.loads(Path(FOLDER.parents[2], "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"]["service.api.docs"] == ["*"]
    assert "service.api.docs" in project["tool"]["setuptools"]["packages"]


def test_a_browser_gets_all_it_needs_without_a_key(locked: tuple[Service, str]) -> None:
    service, root_path = locked
    page = service.client.get(f"{root_path}/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert {"docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"} < {*links}
    for link in (*links, "openapi.json"):
        if not link.startswith("data:"):
            assert service.client.get(str(page.url.join(link))).status_code == 200, link
    assert service.client.post(f"{root_path}/train").status_code == 401


def test_nothing_on_the_page_comes_from_elsewhere(locked: tuple[Service, str]) -> None:
    service, root_path = locked
    page = service.client.get(f"{root_path}/docs")
    (policy,) = page.headers.get_list("content-security-policy")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|https?:|//", page.text)
    for path in FILES:
        text = service.client.get(root_path + path).text
        assert "sourceMappingURL" not in text
        assert not re.search(r"url\(\W*(https?:)?//|@import", text) or not path.endswith(".css")
    start = service.client.get(f"{root_path}/docs/start.js").text
    assert "validatorUrl: null" in start
    assert 'url: "openapi.json"' in start


def test_only_these_files_need_no_key() -> None:
    assert FILES.keys() == DOCUMENTATION - {"/openapi.json"}
