"""A service that has nothing, and one with 1,000 datasets and 500 versions of a network."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Service, running
from tests.page.conftest import OpenTab, Tab

DATASETS = 1000
VERSIONS = 500

MOST_ELEMENTS = 4000
MOST_BYTES = 300_000
"""Of all that a view has asked for, files included."""

BYTES = """() => ["navigation", "resource"].flatMap(each => performance.getEntriesByType(each))
    .reduce((sum, each) => sum + each.transferSize, 0)"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("many"), "--no-worker") as service:
        yield service


@pytest.fixture(scope="module")
def many(empty: Service, shown: Service) -> Service:
    """The same service, with copies of what has been trained elsewhere, which share its files."""
    tables, trained = ".datasets/houses/1", "houses/cross/1"
    for number in range(DATASETS):
        again(shown.artifacts / tables, empty.artifacts / f".datasets/copy-{number:03}/1")
    again(shown.artifacts / tables, empty.artifacts / tables)
    for number in range(1, VERSIONS + 1):
        again(shown.artifacts / trained, empty.artifacts / f"houses/cross/{number}")
    promoted = empty.client.put("/models/houses/cross/serving", json={"version": VERSIONS})
    promoted.raise_for_status()
    return empty


def again(folder: Path, place: Path) -> None:
    shutil.copytree(folder, place, copy_function=os.link)


def is_bounded(tab: Tab) -> bool:
    """Whether the view is no larger than one of a service with little in it may be."""
    elements: int = tab.page.locator("*").count()
    size: int = tab.page.evaluate(BYTES)
    return elements < MOST_ELEMENTS and size < MOST_BYTES


def test_a_service_with_nothing_trained_says_how_to_begin(
    empty: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(empty)
    tab.go()
    assert "Nothing is trained yet" in tab.text("serving")
    tab.check()


def test_a_thousand_datasets_are_found_by_their_names_and_shown_page_by_page(
    many: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(many)
    tab.go()
    rows = tab.panel("serving").locator("tbody tr")
    expect(rows).to_have_count(50)
    assert is_bounded(tab)
    tab.panel("serving").get_by_role("link", name="Next page").click()
    expect(rows.first).to_contain_text("copy-050")
    tab.page.go_back()
    expect(rows.first).to_contain_text("copy-000")
    tab.page.get_by_label("Find a dataset").fill("y-98")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("copy-980")
    tab.page.reload()
    expect(rows).to_have_count(10)
    tab.check()


def test_five_hundred_versions_are_shown_page_by_page(many: Service, open_tab: OpenTab) -> None:
    tab = open_tab(many)
    tab.go("#dataset=houses")
    versions = tab.panel("versions")
    rows = versions.locator("table").first.locator("tbody tr")
    expect(rows).to_have_count(8)
    versions.get_by_role("link", name="All of cross").click()
    expect(rows).to_have_count(50)
    versions.get_by_role("link", name="Older").click()
    expect(rows.first).to_contain_text("version 450")
    assert is_bounded(tab)
    tab.page.reload()
    expect(rows.first).to_contain_text("version 450")
    versions.get_by_role("button", name="Roll back version 449 of cross").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(versions).to_contain_text("version 449 serves")
    versions.get_by_role("link", name="Newest", exact=True).click()
    expect(rows.first).to_contain_text("version 500")
    versions.get_by_role("link", name="The newest of cross alone").click()
    expect(rows).to_have_count(8)
    tab.check()
