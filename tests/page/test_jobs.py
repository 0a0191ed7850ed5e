"""Jobs on the page: as they run, after a reload and a restart, cancelled, and ten thousand."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.conftest import Service
from tests.page.conftest import OpenTab, Tab, in_training, succeeded

MANY = 10_000

HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def long_job(shown: Service) -> Iterator[str]:
    """A job that runs until one of these tests has cancelled it."""
    with in_training(shown) as job:
        yield job


def epoch(tab: Tab) -> int:
    """The epoch that the page shows."""
    state = tab.page.locator("#job-state")
    expect(state).to_contain_text("running: dense, epoch")
    return int(state.inner_text().split("epoch ")[1].split()[0])


def goes_on(tab: Tab) -> None:
    """Waits until the page shows a later epoch."""
    before = epoch(tab)
    said = "document.getElementById('job-state').innerText.split('epoch ')[1]?.split(' ')[0]"
    tab.page.wait_for_function(f"before => +{said} > before", arg=before)


def test_a_job_goes_on_before_ones_eyes_and_after_a_reload(
    shown: Service, open_tab: OpenTab, long_job: str
) -> None:
    tab = open_tab(shown)
    tab.go(f"#dataset=triples&job={long_job}")
    goes_on(tab)
    tab.page.reload()
    goes_on(tab)
    assert tab.streams() == 2
    tab.check()


def test_a_service_that_restarts_is_found_again_without_a_reload(
    shown: Service, open_tab: OpenTab, long_job: str
) -> None:
    tab = open_tab(shown)
    tab.go(f"#dataset=triples&job={long_job}")
    goes_on(tab)
    tab.page.evaluate("window.isTheSame = true")
    port = shown.client.base_url.port
    assert shown.stop() == 0
    expect(tab.page.locator("#lost")).to_be_visible()
    shown.start(port)
    expect(tab.page.locator("#lost")).to_be_hidden()
    shown.wait_for_progress(long_job)
    goes_on(tab)
    assert tab.page.evaluate("window.isTheSame")
    tab.check(refusals=(503,), silent=True)


def test_a_job_is_cancelled_by_a_click(shown: Service, open_tab: OpenTab, long_job: str) -> None:
    tab = open_tab(shown)
    tab.go(f"#dataset=triples&job={long_job}")
    tab.page.get_by_role("button", name="Cancel the job").click()
    expect(tab.page.locator("#job-state")).to_have_text("cancelled")
    expect(tab.page.get_by_role("button", name="Cancel the job")).to_be_hidden()
    assert shown.get(f"/jobs/{long_job}")["status"] == "cancelled"
    tab.check()


def test_a_tab_has_one_stream_and_none_while_it_is_hidden_or_once_the_job_has_ended(
    shown: Service, open_tab: OpenTab
) -> None:
    tab = open_tab(shown)
    with in_training(shown) as job:
        tab.go(f"#dataset=triples&job={job}")
        goes_on(tab)
        ended = count_ended(tab, f"/jobs/{job}/events")
        tab.page.get_by_role("link", name="triples").first.click()
        expect(tab.panel("jobs")).to_contain_text("running: dense, epoch")
        shown.until(lambda: tab.page.title() and ended() == 1)
        assert tab.streams() == 2
        tab.page.evaluate(HIDE, True)
        shown.until(lambda: tab.page.title() and ended() == 2)
        tab.page.evaluate(HIDE, False)
        tab.page.get_by_role("button", name="Cancel the job").click()
        expect(tab.panel("jobs")).to_contain_text("cancelled")
        shown.until(lambda: tab.page.title() and ended() == tab.streams() == 3)
    tab.check()


def count_ended(tab: Tab, path: str) -> Callable[[], int]:
    """Counts the requests of a path that end from now on."""
    ended: list[str] = []
    for event in ("requestfailed", "requestfinished"):
        tab.page.on(event, lambda request: ended.append(request.url))
    return lambda: ended.count(f"{tab.address}{path}")


def test_a_dead_connection_is_said_and_taken_up_again(shown: Service, open_tab: OpenTab) -> None:
    tab = open_tab(shown)
    tab.go("#dataset=houses")
    tab.page.context.set_offline(True)
    tab.page.get_by_role("button", name="Predict").click()
    expect(tab.panel("try").get_by_role("alert")).to_contain_text("does not answer")
    expect(tab.page.locator("#lost")).to_be_visible()
    tab.page.context.set_offline(False)
    expect(tab.page.locator("#lost")).to_be_hidden()
    tab.page.get_by_role("button", name="Predict").click()
    expect(tab.panel("try").locator(".answer")).to_contain_text("version")
    tab.check(silent=True)


def multiply(service: Service, job: str, times: int) -> None:
    """Writes a job's rows again into the database, as as many others."""
    ids = [(str(uuid4()),) for _ in range(times)]
    path = service.artifacts / "jobs.sqlite"
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("CREATE TEMP TABLE new (id TEXT)")
        database.executemany("INSERT INTO new VALUES (?)", ids)
        for table in ("workflow_status", "workflow_input", "workflow_output"):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            others = [f'"{name}"' for name in columns if name != "workflow_uuid"]
            database.execute(
                f"INSERT INTO {table} (workflow_uuid, {', '.join(others)}) "  # noqa: S608
                f"SELECT new.id, {', '.join(others)} FROM new, {table} WHERE workflow_uuid = ?",
                (job,),
            )
        database.execute(
            "UPDATE workflow_status SET created_at = created_at - 1000 * (rowid % 5000) "
            "WHERE workflow_uuid IN (SELECT id FROM new)"
        )


def test_ten_thousand_jobs_are_shown_page_by_page_and_back_goes_back(
    shown: Service, open_tab: OpenTab
) -> None:
    small = {"dataset": {"size": 1000}, "epochs": 1, "models": ["cross"], "baselines": []}
    job = shown.train(**small)
    succeeded(shown, job)
    multiply(shown, job, MANY)
    tab = open_tab(shown)
    tab.go()
    rows = tab.panel("jobs").locator("tbody tr")
    expect(rows).to_have_count(20)
    first = rows.first.get_attribute("id")
    tab.panel("jobs").get_by_role("link", name="Older").click()
    expect(tab.page.locator(f"#{first}")).to_have_count(0)
    second = rows.first.get_attribute("id")
    tab.page.reload()
    expect(rows.first).to_have_attribute("id", str(second))
    tab.page.go_back()
    expect(rows.first).to_have_attribute("id", str(first))
    tab.panel("jobs").get_by_label("Show").select_option("failed")
    expect(tab.panel("jobs")).to_contain_text("There are none.")
    tab.check()
