"""The files of the page: what they are, that they come from here, and that they ask for no key."""

import gzip
import hashlib
import json
import re
import tomllib
from pathlib import Path

from service.http.static_files import STRICT
from service.page import FILES, FOLDER, PANELS, PATH
from tests.conftest import Service

VENDORED = json.loads((FOLDER / "vendored" / "vendored.json").read_text())
INDEX = FOLDER / "index.html"
MOST_BYTES = 150_000

FIRST = ("serving", "answers")
"""The panels that come first where most look: at home, and at a dataset."""


def test_every_file_that_is_not_ours_is_as_it_came() -> None:
    assert {"name", "version", "licence", "sha256"} == VENDORED.keys()
    folder = FOLDER / "vendored"
    for name, digest in VENDORED["sha256"].items():
        assert VENDORED["version"] in name
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert {path.name for path in folder.iterdir()} == {"vendored.json", *VENDORED["sha256"]}
    assert any(name.endswith("LICENSE") for name in VENDORED["sha256"])


def test_every_file_is_served_and_part_of_the_package() -> None:
    found = {path for path in FOLDER.rglob("*") if path.suffix in (".css", ".js")}
    assert found == {*FILES.values()}
    project = tomllib.loads(Path(FOLDER.parents[1], "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    packed = {
        path
        for package, patterns in setuptools["package-data"].items()
        if package in setuptools["packages"]
        for pattern in patterns
        for path in FOLDER.parents[1].joinpath(*package.split(".")).glob(pattern)
    }
    assert found | {INDEX, FOLDER / "vendored" / "vendored.json"} <= packed


def test_a_browser_gets_all_it_needs_without_a_key(locked: tuple[Service, str]) -> None:
    service, root_path = locked
    page = service.client.get(f"{root_path}/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    linked = set(re.findall(r'(?:src|href)="([^"#]+)"', page.text)) - {"data:,"}
    assert {f"{PATH}/main.js", f"{PATH}/style.css"} < linked
    for link in (*linked, *(path[1:] for path in FILES)):
        assert service.client.get(str(page.url.join(link))).status_code == 200, link
    assert service.client.get(f"{root_path}/datasets").status_code == 401


def test_no_other_path_is_reached_through_the_files(locked: tuple[Service, str]) -> None:
    service, root_path = locked
    for path in ("/page/%2e%2e/train", "/page//train", f"/{PATH}/main.js/train", "/page/train"):
        for method in ("GET", "POST", "PUT"):
            answer = service.client.request(method, root_path + path)
            assert answer.status_code == 404, (method, path)


def imports(file: Path) -> set[Path]:
    found = re.findall(r'^import .* from "(.+)";$', file.read_text(), re.MULTILINE)
    return {(file.parent / module).resolve() for module in found}


def test_modules_import_what_is_served() -> None:
    for file in FILES.values():
        if "vendored" not in file.parts:
            assert imports(file) <= {*FILES.values()}, file


def test_what_the_first_panel_needs_is_asked_for_at_once() -> None:
    linked = re.findall(r'(?:modulepreload" href|module" src)="(.*?)"', INDEX.read_text())
    files = [FOLDER / link.removeprefix("page/") for link in linked]
    needed = {
        FOLDER / "first.js",
        FOLDER / "main.js",
        *(FOLDER / f"panels/{name}.js" for name in FIRST),
    }
    while more := {each for file in needed for each in imports(file)} - needed:
        needed |= more
    assert len(files) == len(set(files))
    assert set(files) == needed


def test_every_panel_is_known_to_the_views() -> None:
    known = re.findall(r"^  (\w+): \{ title", (FOLDER / "views.js").read_text(), re.MULTILINE)
    assert tuple(known) == PANELS


def test_a_browser_keeps_what_is_never_another(locked: tuple[Service, str]) -> None:
    service, root_path = locked
    kept = {service.client.get(root_path + path).headers["cache-control"] for path in FILES}
    assert kept == {"public, max-age=31536000, immutable"}
    assert service.client.get(f"{root_path}/").headers["cache-control"] == "no-cache"


def test_links_hold_where_the_slash_behind_the_root_path_is_left_out(
    locked: tuple[Service, str],
) -> None:
    service, root_path = locked
    if root_path:
        answer = service.client.get(root_path)
        assert (answer.status_code, answer.headers["location"]) == (307, f"{root_path}/")
    assert service.client.get(f"{root_path}/").status_code == 200


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_be_written(
    locked: tuple[Service, str],
) -> None:
    service, root_path = locked
    for path in ("/", *FILES):
        headers = service.client.get(root_path + path).headers
        (policy,) = headers.get_list("content-security-policy")
        assert dict(each.split(" ", 1) for each in policy.split("; ")) == STRICT
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_nothing_of_ours_names_another_host() -> None:
    for file in (INDEX, *FILES.values()):
        if "vendored" not in file.parts:
            named = set(re.findall(r"https?://[^\s\"'`]+", file.read_text()))
            assert named <= {"http://www.w3.org/2000/svg"}, file
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=", INDEX.read_text())


def test_all_of_it_is_small() -> None:
    files = (INDEX, *FILES.values())
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < MOST_BYTES
