"""A browser that looks at the page of a real service, and minds whatever goes wrong there."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.conftest import LONG, Service, running

CHROMIUM = Path("/usr/bin/chromium")

FLAGS = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]

WAIT_SECONDS = 180
expect.set_options(timeout=1000 * WAIT_SECONDS)

LEVEL_AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

# What is drawn within a picture has no text, and is its picture's: there is a lot of it.
AXE = """rules => axe.run(
    {exclude: ["circle", "rect", "line"]}, {runOnly: rules, resultTypes: ["violations"]}
)"""

SETTLED = """() => {
    const main = document.querySelector("main");
    const drawn = main.querySelector("h1") && !main.hasAttribute("aria-busy");
    return drawn && !main.innerText.includes("Loading …");
}"""

# A browser tells of these whatever a page does about them.
_tells_of_refusal = re.compile(r"Failed to load resource: .* status of (\d+)").match
_tells_of_silence = re.compile(r"Failed to load resource: net::|.*net::ERR_").match


class Tab:
    """A page of the browser, what it asked for, and what it complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.refusals: list[int] = []
        self.silences = 0
        page.set_default_timeout(1000 * WAIT_SECONDS)
        page.on("request", self._note)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if refused := _tells_of_refusal(message.text):
            self.refusals.append(int(refused[1]))
        elif _tells_of_silence(message.text):
            self.silences += 1
        else:
            self.complaints.append(message.text)

    def go(self, state: str = "", below: str = "", key: str | None = None) -> None:
        """Opens the page at a state, below a root path, and waits for what is there.

        With `key`, it is asked for one.
        """
        self.page.goto(f"{self.address}{below}/{state}")
        self.settled()
        if key is not None:
            self.enter(key)
            self.unlocked()

    def enter(self, key: str) -> None:
        """Enters a key where one is asked for."""
        self.page.get_by_role("textbox", name="Key").fill(key)
        self.page.get_by_role("button", name="Go on").click()

    def settled(self) -> None:
        """Waits until every panel has been drawn, or a key is asked for."""
        self.page.wait_for_function(SETTLED)

    def unlocked(self) -> None:
        """Waits until a key has been taken, and every panel has been drawn."""
        self.page.wait_for_selector("#locked", state="detached")
        self.settled()

    def panel(self, name: str) -> Locator:
        """A panel, by its id."""
        return self.page.locator(f"section#{name}")

    def text(self, name: str) -> str:
        """What a panel says."""
        return self.panel(name).inner_text()

    def streams(self) -> int:
        """How many event streams were opened."""
        return sum(urlsplit(each.url).path.endswith("/events") for each in self.requests)

    def findings(self, *rules: str) -> list[str]:
        """What axe-core finds at level AA, or by these rules.

        It is evaluated: the policy lets no script in.
        """
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate(AXE, rules or LEVEL_AA)
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    def check(self, refusals: tuple[int, ...] = (), silent: bool = False) -> None:
        """Whether nothing was complained of but these refusals, and nobody else was asked."""
        hosts = {urlsplit(each.url).netloc for each in self.requests} - {""}
        assert hosts <= {urlsplit(self.address).netloc}
        assert self.complaints == []
        assert set(self.refusals) <= set(refusals)
        assert silent or self.silences == 0


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser of all these tests; others run event loops, which Playwright's would be in."""
    if not CHROMIUM.exists():
        pytest.skip("there is no /usr/bin/chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


OpenTab = Callable[..., Tab]


@contextmanager
def tabs(chromium: Browser) -> Iterator[OpenTab]:
    """Opens tabs, each with a session of its own; closes them."""
    contexts = []

    def open_tab(service: Service, **options: Any) -> Tab:
        context = chromium.new_context(**options)
        contexts.append(context)
        return Tab(context.new_page(), str(service.client.base_url).rstrip("/"))

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[OpenTab]:
    """What opens a tab of a service."""
    with tabs(chromium) as opening:
        yield opening


@pytest.fixture(scope="package")
def shown(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Service]:
    """The service of all these tests, with a trained table, `houses`, and trained triples."""
    with running(tmp_path_factory.mktemp("shown")) as service:
        service.client.put("/datasets/houses?target=price", content=houses()).raise_for_status()
        jobs = [
            service.train(dataset="houses", epochs=3, repeats=2, baselines=["linear"]),
            service.train(dataset={"size": 600}, epochs=3, batch_size=200),
        ]
        for job in jobs:
            succeeded(service, job)
        yield service


KEYS = {role: f"a-key-that-has-the-role-{role}" for role in ("predict", "train", "admin")}


@pytest.fixture(scope="package")
def locked_page(tmp_path_factory: pytest.TempPathFactory, shown: Service) -> Iterator[Service]:
    """A service below a path that asks for keys, with two versions of what `shown` has trained."""
    folder = tmp_path_factory.mktemp("locked")
    for name in ("houses", ".datasets"):
        shutil.copytree(shown.artifacts / name, folder / "artifacts" / name)
    for network in ("dense", "cross"):
        of_one = folder / "artifacts" / "houses" / network
        shutil.copytree(of_one / "1", of_one / "2")
    keys = " ".join(f"a-{role}:{role}:{key}" for role, key in KEYS.items())
    settings = {"api_keys": keys, "root_path": "/crosscheck"}
    with running(folder, "--no-worker", **settings) as service:
        service.client.headers["X-API-Key"] = KEYS["admin"]
        for network in ("dense", "cross"):
            path = f"/models/houses/{network}/serving"
            service.client.put(path, json={"version": 2}).raise_for_status()
        yield service


@contextmanager
def in_training(service: Service, **config: Any) -> Iterator[str]:
    """A job that runs until it is cancelled, at the latest afterwards."""
    job = service.train(**{**LONG, "baselines": [], **config})
    try:
        service.wait_for_progress(job)
        yield job
    finally:
        service.client.post(f"/jobs/{job}/cancel")
        service.wait_for(job)


def succeeded(service: Service, job: str) -> None:
    """Follows a job to its end, for as long as the page would, on however busy a machine."""
    with service.client.stream("GET", f"/jobs/{job}/events", timeout=WAIT_SECONDS) as events:
        events.read()
    assert service.get(f"/jobs/{job}")["status"] == "succeeded"


def houses(rows: int = 400) -> bytes:
    """A table of houses as CSV: numbers, a text, a boolean, and some missing values."""
    lines = ["rooms,area,city,garden,price"]
    for row in range(rows):
        rooms, city, garden = 1 + row % 7, ("Oslo", "Bergen", "Tromsø")[row % 3], row % 2 == 0
        area = 18 * rooms + row % 13
        price = 30 * area * (1 + row % 3) + 500 * rooms + 200 * garden + row % 17
        lines.append(f"{rooms},{area if row % 29 else ''},{city},{str(garden).lower()},{price}")
    return "\n".join(lines).encode()
