"""The page for everybody: a screen reader, a keyboard, a narrow window, dark, on paper."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Service
from tests.page.conftest import OpenTab, Tab, houses, succeeded, tabs

PICTURE = Path(__file__).parents[2] / "docs" / "page.png"

VIEWS = ("home", "dataset", "triples", "job", "version", "untrained")

SHIFTS = """
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) window.shifts.push(each.value);
    }).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture(scope="module")
def views(shown: Service) -> dict[str, str]:
    """The states of the views, by their names."""
    job = shown.get("/jobs", dataset="houses")["jobs"][0]
    shown.client.put("/datasets/fresh?target=price", content=houses(40)).raise_for_status()
    return {
        "home": "",
        "dataset": "#dataset=houses",
        "triples": "#dataset=triples",
        "job": f"#dataset=houses&job={job['id']}",
        "version": "#dataset=houses&network=cross&version=1",
        "untrained": "#dataset=fresh",
    }


@pytest.fixture(scope="module", params=VIEWS)
def view(
    request: pytest.FixtureRequest, shown: Service, views: dict[str, str], chromium: Browser
) -> Iterator[Tab]:
    """A tab at each of the views, for those tests that look at all of them."""
    with tabs(chromium) as opening:
        tab = opening(shown)
        tab.page.add_init_script(SHIFTS)
        tab.go(views[request.param])
        yield tab


def test_nothing_moves_once_it_is_shown(view: Tab) -> None:
    view.page.wait_for_function("() => document.getElementById('status').textContent.trim()")
    view.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert sum(view.page.evaluate("window.shifts")) < 0.001
    view.check()


def test_no_view_is_wider_than_the_window(view: Tab) -> None:
    for width in (320, 3840, 1280):
        view.page.set_viewport_size({"width": width, "height": 900})
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    view.check()


def test_axe_finds_nothing_at_level_aa_in_light_and_dark(view: Tab) -> None:
    view.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert view.findings() == []
    view.page.emulate_media(color_scheme="dark")
    assert view.findings("color-contrast") == []
    view.check()


def test_axe_finds_nothing_where_a_key_is_asked_for(
    locked_page: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(locked_page)
    tab.go(below="/crosscheck")
    expect(tab.page.locator("#locked")).to_be_visible()
    assert tab.findings() == []
    tab.page.emulate_media(color_scheme="dark")
    assert tab.findings("color-contrast") == []
    tab.check()


def test_the_keyboard_leads_past_the_head_to_the_content(shown: Service, open_tab: OpenTab) -> None:
    tab = open_tab(shown)
    tab.go("#dataset=houses")
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("main")).to_be_focused()
    assert tab.page.locator("main h1").inner_text() == "houses"
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    expect(tab.panel("comparison")).to_be_focused()
    tab.check()


def test_a_link_that_is_sent_shows_the_same(shown: Service, open_tab: OpenTab) -> None:
    tab = open_tab(shown)
    tab.go("#dataset=houses")
    tab.page.get_by_role("button", name="Bars on a logarithmic axis").click()
    expect(tab.panel("comparison")).to_contain_text("on a logarithmic axis; whiskers")
    other = open_tab(shown)
    other.go(f"#{urlsplit(tab.page.url).fragment}")
    expect(other.panel("comparison")).to_contain_text("on a logarithmic axis; whiskers")
    other.check()


def test_each_panel_links_to_the_json_that_it_was_drawn_from(
    shown: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(shown)
    tab.go("#dataset=houses")
    asked = {each.url.removeprefix(f"{tab.address}/") for each in tab.requests}
    links = tab.page.locator("section .links a").all()
    assert len(links) > 8
    for link in links:
        path = str(link.get_attribute("href"))
        assert path in asked
        assert shown.client.get(f"/{path}").headers["content-type"] == "application/json"
    tab.check()


def test_on_paper_there_are_no_forms(shown: Service, open_tab: OpenTab) -> None:
    tab = open_tab(shown)
    tab.go("#dataset=houses")
    expect(tab.page.get_by_role("button", name="Predict")).to_be_visible()
    tab.page.emulate_media(media="print")
    expect(tab.page.get_by_role("button", name="Predict")).to_be_hidden()
    expect(tab.panel("comparison").locator("table").first).to_be_visible()
    tab.check()


def test_takes_the_picture_of_the_documentation_if_told(
    shown: Service, open_tab: OpenTab, tmp_path: Path
) -> None:
    picture, dataset = tmp_path / "page.png", "houses"
    if "CROSSCHECK_TEST_PICTURE" in os.environ:
        picture, dataset = PICTURE, "homes"
        content = houses(4000)
        shown.client.put("/datasets/homes?target=price", content=content).raise_for_status()
        succeeded(shown, shown.train(dataset="homes"))
    tab = open_tab(shown, viewport={"width": 1280, "height": 1100})
    tab.go(f"#dataset={dataset}")
    tab.page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000
