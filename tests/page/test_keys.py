"""The page of a service that asks for keys: it has one for its session, and shows what that may."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.conftest import Service, running
from tests.page.conftest import OpenTab, Tab, houses, succeeded

KEYS = {role: f"a-key-that-has-the-role-{role}" for role in ("predict", "train", "admin")}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keys = " ".join(f"a-{role}:{role}:{key}" for role, key in KEYS.items())
    settings = {"api_keys": keys, "root_path": "/crosscheck"}
    with running(tmp_path_factory.mktemp("locked"), **settings) as service:
        service.client.headers["X-API-Key"] = KEYS["admin"]
        service.client.put("/datasets/houses?target=price", content=houses()).raise_for_status()
        quick = {"epochs": 2, "repeats": 1, "baselines": ["linear"]}
        for _ in range(2):
            succeeded(service, service.train(dataset="houses", **quick))
        yield service


def enter(tab: Tab, key: str) -> None:
    tab.page.get_by_role("textbox", name="Key").fill(key)
    tab.page.get_by_role("button", name="Go on").click()


SHOWS = {"predict": (False, False), "train": (True, False), "admin": (True, True)}


@pytest.mark.parametrize("role", KEYS)
def test_a_key_shows_what_its_role_may_do(locked: Service, open_tab: OpenTab, role: str) -> None:
    tab = open_tab(locked)
    tab.page.goto(f"{tab.address}/crosscheck/#dataset=houses")
    enter(tab, KEYS[role])
    tab.settled()
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
    locked: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(locked)
    tab.page.goto(f"{tab.address}/crosscheck/#dataset=houses")
    enter(tab, KEYS["admin"])
    tab.page.get_by_role("button", name="Roll back version 1 of dense").click()
    (locked.artifacts / "houses" / "dense" / "1" / "saved_model.pb").write_bytes(b"damaged")
    tab.page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    refused = tab.panel("versions").get_by_role("alert")
    expect(refused).to_contain_text("version 1")
    path = "/models/houses/dense/serving"
    said = locked.client.put(path, json={"version": 1}).json()["detail"]
    expect(refused).to_have_text(said)
    tab.check(refusals=(404, 409, 503))


def test_a_key_is_kept_for_the_session_alone_and_stands_in_no_url(
    locked: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(locked)
    tab.page.goto(f"{tab.address}/crosscheck/#dataset=houses")
    enter(tab, "an-unknown-key-an-unknown-key")
    expect(tab.page.get_by_role("alert").last).to_have_text("The key is not known.")
    enter(tab, KEYS["admin"])
    tab.settled()
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
    other = open_tab(locked)
    other.page.goto(f"{other.address}/crosscheck/")
    other.page.wait_for_selector("#locked")
