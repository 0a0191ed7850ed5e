"""The whole way through the page: by clicks alone, from a table to what serves, and back."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.conftest import Service
from tests.page.conftest import OpenTab, houses
from tests.page.narrows import Narrows

LARGE = 2_000_000
"""Rows: more than what the kernel holds of a connection."""

MEGABYTE = 2**20

SOME_SENT = re.compile(r"[1-9]\d*\.\d [kM]B of \d+\.\d MB sent")

# What is said from now on to those who listen to the page.
HEAR = """() => {
    window.heard = [];
    const said = document.getElementById("said");
    new MutationObserver(() => heard.push(said.innerText)).observe(said, {childList: true});
}"""


def test_from_a_table_to_a_promoted_version_and_back_by_clicks_alone(
    shown: Service, open_tab: OpenTab, tmp_path: Path
) -> None:
    table = tmp_path / "My Houses.csv"
    table.write_bytes(houses())
    tab = open_tab(shown)
    page = tab.page
    tab.go()

    page.get_by_label("Drop a file here").set_input_files(table)
    expect(page.get_by_label("Name of the dataset")).to_have_value("my-houses")
    assert "Tromsø" in tab.text("upload")
    expect(page.get_by_label("Target", exact=True)).to_have_value("price")
    page.get_by_role("button", name="Upload").click()

    page.wait_for_selector("section#profile td")
    assert "400 rows, 4 features; price is to be learned, a number." in tab.text("profile")
    expect(page.get_by_label("Epochs")).to_have_value("1000")
    expect(page.get_by_label("Repeats")).to_have_value("5")
    for label, value in (("Epochs", "4"), ("Repeats", "2")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Train", exact=True).click()

    expect(page.locator("#job-state")).to_contain_text(
        "succeeded: dense version 1, cross version 1"
    )
    expect(tab.panel("comparison")).to_contain_text(re.compile("better than|no difference"))
    page.get_by_label("Seed").fill("7")
    always = page.get_by_label("What is trained takes over")
    always.select_option("always")
    page.get_by_role("button", name="Train again").click()
    expect(page.locator("#job-state")).to_contain_text(
        "succeeded: dense version 2, cross version 2"
    )

    page.get_by_role("link", name="my-houses").first.click()
    versions = tab.panel("versions")
    expect(versions).to_contain_text("version 2 serves")
    page.get_by_role("button", name="Roll back version 1 of cross").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("It replaces version 2 (test RMSE")
    question.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("button", name="Promote version 2 of cross")).to_be_visible()
    assert shown.get("/models/my-houses/cross")["serving"] == 1

    page.get_by_role("button", name="Promote version 2 of cross").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
    page.get_by_role("button", name="Promote version 2 of cross").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(page.get_by_role("button", name="Roll back version 1 of cross")).to_be_visible()
    assert shown.get("/models/my-houses/cross")["serving"] == 2
    versions.locator("summary", has_text="What served of cross").click()
    expect(versions).to_contain_text("version 1")

    page.get_by_role("button", name="Predict").click()
    answer = tab.panel("try").locator(".answer")
    expect(answer).to_contain_text("version 2")
    expect(answer).to_contain_text("true price")
    page.get_by_role("link", name="Crosscheck").click()
    expect(tab.panel("serving")).to_contain_text("my-houses")
    tab.check()


def test_what_the_service_says_against_a_table_stands_where_it_was_sent(
    shown: Service, open_tab: OpenTab, tmp_path: Path
) -> None:
    table = tmp_path / "dates.csv"
    table.write_text(
        "id,day,price\n" + "\n".join(f"{i},2024-01-{1 + i % 28:02},{i}" for i in range(60))
    )
    tab = open_tab(shown)
    tab.go()
    tab.page.get_by_label("Drop a file here").set_input_files(table)
    tab.page.get_by_role("button", name="Upload").click()
    tab.page.get_by_role("button", name="Leave day out, and try again").click()
    tab.page.wait_for_selector("section#profile td")
    assert shown.get("/datasets/dates")["options"] == {"target": "price", "exclude": ["day"]}
    tab.check(refusals=(422,))


def test_a_view_takes_notice_when_its_dataset_has_been_trained_elsewhere(
    shown: Service, open_tab: OpenTab
) -> None:
    shown.client.put("/datasets/watched?target=price", content=houses(100)).raise_for_status()
    tab = open_tab(shown)
    tab.go("#dataset=watched")
    assert tab.panel("comparison").count() == 0
    shown.train(dataset="watched", epochs=1, repeats=1, baselines=[], promote="always")
    expect(tab.panel("comparison")).to_contain_text("dense")
    expect(tab.panel("answers")).to_contain_text("version 1, since")
    tab.check()


def test_the_same_call_from_elsewhere_gives_the_same_prediction(
    shown: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(shown)
    tab.go("#dataset=houses")
    tab.panel("try").get_by_label("rooms").fill("5")
    tab.panel("try").locator("summary", has_text="The same call from elsewhere").click()
    python = tab.panel("try").locator("pre").nth(1).inner_text()
    tab.page.get_by_role("button", name="Predict").click()
    said = tab.panel("try").locator(".answer dd").first.inner_text()
    printed: list[list[float]] = []
    exec(python, {"print": printed.append})  # noqa: S102
    assert f"{printed[0][0]:.5g}" == f"{float(said.replace(',', '')):.5g}"
    curl = tab.panel("try").locator("pre").first.inner_text()
    assert '"rooms":5' in curl
    assert str(shown.client.base_url.join("/predict")) in curl
    tab.check()


def test_an_upload_tells_how_much_is_sent_and_that_it_is_read_and_can_be_cancelled(
    shown: Service, open_tab: OpenTab, tmp_path: Path
) -> None:
    rows = "".join(f"{number},{number % 7},{number % 11}\n" for number in range(LARGE))
    table = tmp_path / "large.csv"
    table.write_text(f"a,b,c\n{rows}")
    with Narrows(shown.client.base_url.port or 0) as narrows:
        tab = open_tab(shown)
        tab.address = narrows.address
        tab.go()
        upload = tab.page.get_by_role("button", name="Upload", exact=True)
        panel = tab.panel("upload")
        tab.page.get_by_label("Drop a file here").set_input_files(table)
        narrows.close_behind(MEGABYTE)
        upload.click()
        expect(panel).to_contain_text(SOME_SENT)
        tab.page.get_by_role("button", name="Cancel the upload").click()
        expect(panel).to_contain_text("The upload is cancelled; nothing of it is left.")
        narrows.open()
        shown.until(lambda: not [*(shown.artifacts / ".datasets").rglob("upload")])

        narrows.close_behind(MEGABYTE)
        upload.click()
        expect(panel).to_contain_text(SOME_SENT)
        expect(panel.get_by_role("progressbar", name="Sending large.csv")).to_be_visible()
        tab.page.evaluate(HEAR)
        narrows.open()
        tab.page.wait_for_selector("section#profile td")
        assert f"{LARGE:,} rows" in tab.text("profile")
        assert any("the service reads" in said for said in tab.page.evaluate("() => heard"))
    assert shown.get("/datasets/large")["revision"] == 1
    tab.check(silent=True)
