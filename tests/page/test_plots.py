"""The page's plots: losses while they come, predicted and true, what was found in the features."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.conftest import SMALL, Service
from tests.page.conftest import OpenTab, Tab, in_training

# What uPlot has drawn: how many pixels are no background.
PAINTED = """() => {
    const canvas = document.querySelector("#curves canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 3; at < pixels.length; at += 4) count += pixels[at] > 0;
    return count;
}"""


def sentence(tab: Tab, panel: str) -> str:
    return tab.panel(panel).locator("figcaption").first.inner_text()


def test_losses_are_drawn_as_they_come_and_keep_the_zoom(shown: Service, open_tab: OpenTab) -> None:
    with in_training(shown, models=["cross"]) as job:
        shown.until(lambda: len(told(shown, job)) and told(shown, job)[0]["points"][-1][1] > 20)
        tab = open_tab(shown)
        tab.go(f"#dataset=triples&job={job}")
        plot = tab.panel("curves").locator(".u-over")
        box = plot.bounding_box()
        assert box is not None
        tab.page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 50)
        tab.page.mouse.down()
        tab.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60)
        tab.page.mouse.up()
        whole = tab.panel("curves").get_by_role("button", name="The whole range")
        expect(whole).to_be_visible()
        before = sentence(tab, "curves")
        tab.page.wait_for_function(
            "before => document.querySelector('#curves figcaption').innerText !== before",
            arg=before,
        )
        expect(whole).to_be_visible()
        asked = [each for each in tab.requests if each.url.endswith("/curves")]
        assert len(asked) >= 2
        whole.click()
        expect(whole).to_be_hidden()
    expect(tab.page.locator("#job-state")).to_contain_text("cancelled")
    assert tab.page.evaluate(PAINTED) > 1000
    tab.check()


def told(service: Service, job: str) -> Any:
    return service.get(f"/jobs/{job}/curves")["curves"]


def test_an_exact_training_is_seen_down_to_its_last_losses(
    shown: Service, open_tab: OpenTab
) -> None:
    exact = {"preset": "best", "dataset": SMALL["dataset"], "restarts": 1, "baselines": []}
    job = shown.wait_for(shown.train(**exact, models=["cross"]))["id"]
    least = min(point[2] for point in told(shown, job)[0]["points"])
    assert least < 1e-20
    tab = open_tab(shown)
    tab.go(f"#dataset=triples&job={job}")
    said = sentence(tab, "curves")
    assert "on a logarithmic axis" in said
    found = re.search(r"the least of cross is (\S+),", said)
    assert found is not None
    assert float(found[1]) == pytest.approx(least, rel=1e-2)
    tab.panel("curves").get_by_role("button", name="On a linear axis").click()
    assert "on a linear axis" in sentence(tab, "curves")
    assert "axis=linear" in tab.page.url
    tab.page.reload()
    tab.settled()
    assert "on a linear axis" in sentence(tab, "curves")
    tab.check()


def test_starts_that_learned_nothing_and_losses_that_are_not_finite_are_told(
    shown: Service, open_tab: OpenTab
) -> None:
    optimizer = {"name": "sgd", "learning_rate": 1000.0}
    recipe = {**SMALL, "models": ["cross"], "optimizer": optimizer, "baselines": []}
    job = shown.wait_for(shown.train(**recipe))
    assert job["status"] == "failed"
    tab = open_tab(shown)
    tab.go(f"#dataset=triples&job={job['id']}")
    assert "a loss that is not finite is a gap, marked ∞" in sentence(tab, "curves")
    tab.check()


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_a_version_shows_where_it_is_off_and_what_it_has_found(
    shown: Service, open_tab: OpenTab, task: str
) -> None:
    rows = "\n".join(f"{row(number, task)}" for number in range(300))
    body = f"rooms,city,price\n{rows}\n"
    shown.client.put(f"/datasets/{task}?target=price", content=body).raise_for_status()
    recipe = {"epochs": 5, "batch_size": 50, "repeats": 1, "baselines": [], "promote": "always"}
    job = shown.wait_for(shown.train(dataset=task, models=["cross"], **recipe))
    assert job["status"] == "succeeded", job
    tab = open_tab(shown)
    tab.go(f"#dataset={task}&network=cross&version=1")
    residuals = shown.get(f"/models/{task}/cross/versions/1/residuals")
    plots = tab.panel("residuals").locator("svg.plot")
    assert plots.nth(0).locator("circle").count() == len(residuals["sample"])
    tab.page.locator("#feature").select_option("city")
    city = residuals["features"][1]["bins"]
    assert plots.nth(1).locator("rect").count() == len(city)
    expect(tab.panel("residuals").locator("figcaption").nth(1)).to_contain_text("over city")
    assert "feature=city" in tab.page.url
    tab.panel("residuals").locator("summary").nth(1).click()
    for each in city:
        expect(tab.panel("residuals").locator("table").nth(1)).to_contain_text(each["value"])
    cells = tab.panel("features").locator("rect.cell")
    assert cells.count() == 3  # each of two features with itself, and the two with each other
    expect(tab.panel("features")).to_contain_text("the strongest is that of")
    assert tab.findings() == []
    tab.check()


def row(number: int, task: str) -> str:
    draw = np.random.default_rng(number)
    rooms, city = int(draw.integers(1, 9)), ["Oslo", "Rome", "<b>Bern</b>"][draw.integers(0, 3)]
    price = rooms * (2 if city == "Oslo" else 1) + draw.normal()
    return f"{rooms},{city},{price if task == 'regression' else ('yes' if price > 6 else 'no')}"
