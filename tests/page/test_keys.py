"""The page of a service that asks for keys: it has one for its session, and shows what that may."""

import pytest
from playwright.sync_api import expect

from tests.conftest import Service
from tests.page.conftest import KEYS, OpenTab

BELOW = "/crosscheck"
HOUSES = "#dataset=houses"

SHOWS = {"predict": (False, False), "train": (True, False), "admin": (True, True)}


@pytest.mark.parametrize("role", KEYS)
def test_a_key_shows_what_its_role_may_do(
    locked_page: Service, open_tab: OpenTab, role: str
) -> None:
    tab = open_tab(locked_page)
    tab.go(HOUSES, BELOW, KEYS[role])
    expect(tab.page.locator("#who")).to_contain_text(f"a-{role}")
    trains, administers = SHOWS[role]
    assert tab.panel("train").count() == trains
    assert tab.panel("jobs").count() == trains
    assert (tab.page.get_by_role("button", name="Roll back").count() > 0) == administers
    assert tab.page.get_by_role("button", name="Delete the dataset").count() == administers
    tab.page.get_by_role("button", name="Predict").click()
    expect(tab.panel("try").locator(".answer")).to_contain_text("version")
    tab.check()


def test_a_refused_promotion_shows_the_words_of_the_service(
    locked_page: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(locked_page)
    tab.go(HOUSES, BELOW, KEYS["admin"])
    tab.page.get_by_role("button", name="Roll back version 1 of dense").click()
    (locked_page.artifacts / "houses" / "dense" / "1" / "saved_model.pb").write_bytes(b"damaged")
    tab.page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    refused = tab.panel("versions").get_by_role("alert")
    expect(refused).to_contain_text("version 1")
    path = "/models/houses/dense/serving"
    said = locked_page.client.put(path, json={"version": 1}).json()["detail"]
    expect(refused).to_have_text(said)
    tab.check(refusals=(404, 409, 503))


def test_a_key_is_kept_for_the_session_alone_and_stands_in_no_url(
    locked_page: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(locked_page)
    tab.go(HOUSES, BELOW)
    tab.enter("an-unknown-key-an-unknown-key")
    expect(tab.page.get_by_role("alert").last).to_have_text("The key is not known.")
    tab.enter(KEYS["admin"])
    tab.unlocked()
    tab.page.reload()
    tab.settled()
    expect(tab.page.locator("#who")).to_contain_text("a-admin")
    assert not any(key in each.url for each in tab.requests for key in KEYS.values())
    with tab.page.context.expect_page() as opened:
        tab.panel("comparison").get_by_role("link", name="JSON of").click()
    assert '"verdict"' in opened.value.inner_text("body")
    opened.value.close()
    tab.page.get_by_role("button", name="Forget the key").click()
    tab.page.wait_for_selector("#locked")
    tab.page.reload()
    tab.page.wait_for_selector("#locked")
    tab.check()
    other = open_tab(locked_page)
    other.go("", BELOW)
    expect(other.page.locator("#locked")).to_be_visible()
