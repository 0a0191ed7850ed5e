"""How soon the page shows what it has to show, how much comes over the wire, and whether it moves.

    python -m benchmarks.page [--runs 15] [--json FILE]

A real Chromium opens it anew each time, without anything in its cache, and once more with it. The
service has a table with a finished job, as `crosscheck serve` would; it trains nothing meanwhile.
"""

import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from benchmarks.load import console
from benchmarks.table import table
from tests.conftest import running
from tests.page.browser import CHROMIUM, FLAGS
from tests.page.tables import houses, succeeded

VIEWS = {"home": "", "dataset": "#dataset=houses"}

FIGURES = {
    "first_contentful_paint": "First paint, ms",
    "first_panel": "First panel, ms",
    "all_panels": "All panels, ms",
    "requests": "Requests",
    "bytes": "Bytes",
    "layout_shift": "Layout shift",
}

# Notes the frames in which the first and the last panel were painted, and whatever moved.
WATCH = """
    window.seen = {layout_shift: 0};
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) seen.layout_shift += each.value;
    }).observe({type: "layout-shift", buffered: true});
    const painted = name => requestAnimationFrame(() => {
        const {port1, port2} = new MessageChannel();
        port1.onmessage = () => seen[name] ??= performance.now();
        port2.postMessage(null);
    });
    new MutationObserver(() => {
        const main = document.getElementById("main");
        if (!main?.querySelector("section")) return;
        if (!seen.begun) painted("first_panel");
        seen.begun = true;
        if (!main.hasAttribute("aria-busy") && !seen.ended) painted("all_panels");
        seen.ended ||= !main.hasAttribute("aria-busy");
    }).observe(document, {subtree: true, childList: true, attributes: true});
"""

FOUND = """() => {
    const files = performance.getEntriesByType("resource");
    const loaded = [...performance.getEntriesByType("navigation"), ...files];
    return {
        ...seen,
        first_contentful_paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
        requests: loaded.length,
        bytes: loaded.reduce((sum, each) => sum + each.transferSize, 0),
    };
}"""


def main(
    runs: Annotated[int, typer.Option(help="Of each view.")] = 15,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Measure the page at home and at a dataset with a finished job."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as service:
        content = houses(2000)
        service.client.put("/datasets/houses?target=price", content=content).raise_for_status()
        succeeded(service, service.train(dataset="houses", epochs=10, repeats=2))
        address = str(service.client.base_url).rstrip("/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            look(browser, address, "")  # what both sides do but once
            found = {view: measure(browser, f"{address}/{state}", runs) for view, state in VIEWS.items()}
            browser.close()
    report(found)
    console.print(f"{runs} runs of each; load {load_before[0]:.1f} before, {os.getloadavg()[0]:.1f} after")
    if to:
        to.write_text(json.dumps(found, indent=2))
