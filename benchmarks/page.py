"""How soon the page shows what it has to show, how much comes over the wire, and whether it moves.

    python -m benchmarks.page [--runs 15] [--json FILE]

A real Chromium opens it with nothing in its cache, and once more with what it has kept. The
service has a table with a finished job, and trains nothing meanwhile.
"""

import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.load import console
from benchmarks.table import table
from tests.conftest import running
from tests.page.conftest import CHROMIUM, FLAGS, houses, succeeded

VIEWS = {"home": "", "dataset": "#dataset=houses"}

FIGURES = {
    "first_contentful_paint": "first paint, ms",
    "first_panel": "first panel, ms",
    "all_panels": "all panels, ms",
    "requests": "requests",
    "bytes": "bytes",
    "layout_shift": "layout shift",
}
"""What is measured, by its name in the file."""

Figures = dict[str, dict[str, float]]

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
            addresses = {view: f"{address}/{state}" for view, state in VIEWS.items()}
            found = measure(browser, addresses, runs)
            browser.close()
    report(found)
    after = os.getloadavg()[0]
    console.print(f"Medians of {runs}; load {load_before[0]:.1f} before, {after:.1f} after")
    if to:
        to.write_text(json.dumps(found, indent=2))


def measure(browser: Browser, addresses: dict[str, str], runs: int) -> Figures:
    """The median figures of each view, anew and once more; the views take turns."""
    found: dict[str, list[dict[str, float]]] = {}
    for run in range(runs + 1):
        for view, address in addresses.items():
            context = browser.new_context()
            for name in (view, f"{view}, once more"):
                seen = look(context.new_page(), address)
                if run:  # in the first one both sides do what they do but once
                    found.setdefault(name, []).append(seen)
            context.close()
    return {
        name: {figure: median(each[figure] for each in looks) for figure in FIGURES}
        for name, looks in found.items()
    }


def look(page: Page, address: str) -> dict[str, float]:
    """The figures of a page that is opened once."""
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_function("() => seen.all_panels")
    page.wait_for_function("() => document.getElementById('status').innerText.trim()")
    page.wait_for_load_state("networkidle")
    figures: dict[str, float] = page.evaluate(FOUND)
    page.close()
    return figures


def report(found: Figures) -> None:
    """Prints a line for each view."""
    rows = table("View", *FIGURES.values())
    for name, figures in found.items():
        texts = [f"{figures[each]:,.0f}" for each in FIGURES if each != "layout_shift"]
        rows.add_row(name, *texts, f"{figures['layout_shift']:.4f}")
    console.print(rows)


if __name__ == "__main__":
    typer.run(main)
