"""The dashboard and the alerts name what a real scrape holds, and say what they are to say."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]

from tests.conftest import Service
from tests.telemetry.texts import samples, series
from tests.test_service_scrape import SCRAPE, prometheus

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "crosscheck.rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "crosscheck.json"

OF_TARGETS = {"job", "instance"}
"""Labels that Prometheus gives to all that it scrapes."""

ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}

VARIABLES = {"$__rate_interval": "5m", "$__interval": "5m", "$instance": ".*", "$dataset": ".*"}


def of_dashboard() -> Iterator[str]:
    """All expressions of the dashboard, as they are with its variables at their defaults."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [each["expr"] for each in dashboard["annotations"]["list"]]
    for expression in found:
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)  # noqa: PLW2901
        assert "$" not in expression
        yield expression


EXPRESSIONS = [*of_dashboard(), *(rule["expr"] for rule in ALERTS.values())]


@pytest.fixture(scope="module")
def labels(service: Service, trained: dict[str, Any]) -> dict[str, dict[str, set[str]]]:
    """Of each name in a scrape the labels, and of each label the values that it can have."""
    service.predict([0.5, 0.5, 0.5])
    service.client.post("/predict", content=b"{")
    succeeded = series("crosscheck_jobs_ended_total", status="succeeded")
    service.until(lambda: samples(service.client.get(SCRAPE).text)[succeeded] >= 1)
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, of_sample in samples(service.client.get(SCRAPE).text):
        found[name].update()
        for label, value in of_sample:
            found[name][label].add(value)
    requests = found["crosscheck_requests_total"]
    requests["status"] |= {str(status.value) for status in HTTPStatus}
    for each in (requests, found["crosscheck_request_duration_seconds_bucket"]):
        each["route"] |= set(service.get("/openapi.json")["paths"])
    return found


def nodes(node: Any) -> Iterator[Any]:
    """An expression and all that it is made of."""
    yield node
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        below = getattr(node, name, None)
        if below is not None:
            yield from nodes(below)
    for argument in getattr(node, "args", ()):
        yield from nodes(argument)


def grouping(node: Any) -> set[str]:
    """The labels that an aggregation or a match of two sides names."""
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr):
        return set(modifier.labels) if modifier else set()
    if isinstance(node, promql_parser.BinaryExpr) and modifier:
        matching = set(modifier.matching.labels) if modifier.matching else set()
        return matching | set(modifier.group_labels.labels if modifier.group_labels else ())
    return set()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_an_expression_names_is_there(
    labels: dict[str, dict[str, set[str]]], expression: str
) -> None:
    known = set(OF_TARGETS)
    of_all = list(nodes(promql_parser.parse(expression)))
    selectors = [each for each in of_all if isinstance(each, promql_parser.VectorSelector)]
    assert selectors
    for selector in selectors:
        assert selector.name in labels
        its = labels[selector.name]
        known |= its.keys()
        for matcher in selector.matchers.matchers:
            if matcher.name in OF_TARGETS:
                continue
            for alternative in matcher.value.split("|"):
                is_there = any(re.fullmatch(alternative, value) for value in its[matcher.name])
                assert is_there, (matcher.name, alternative)
    for node in of_all:
        assert grouping(node) <= known


def test_every_metric_is_shown_or_watched(labels: dict[str, dict[str, set[str]]]) -> None:
    named = " ".join(EXPRESSIONS)
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in labels}
    assert not [name for name in families if name not in named]


def test_promtool_takes_the_rules() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: `apt-get install prometheus`")
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)


def test_every_panel_shows_something_of_a_real_service(
    service: Service, labels: dict[str, dict[str, set[str]]], tmp_path: Path
) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed: `apt-get install prometheus`")
    url = service.client.base_url
    with prometheus(tmp_path / "prometheus", f"{url.host}:{url.port}") as client:

        def shown(expression: str) -> bool:
            service.predict([0.5, 0.5, 0.5])
            service.client.post("/predict", content=b"{")
            try:
                response = client.get("/query", params={"query": expression})
            except httpx.TransportError:  # it does not listen yet
                return False
            if response.status_code == 503:  # it is starting
                return False
            answer = response.json()
            assert answer["status"] == "success", answer
            return bool(answer["data"]["result"])

        *panels, changes = of_dashboard()
        for expression in panels:
            service.until(partial(shown, expression))
        assert not shown(changes)


# What a healthy instance tells, minute by minute, and what makes each alert speak.
HEALTHY = {
    'crosscheck_build_info{version="1"}': "1x120",
    'crosscheck_ready{subject="predictions"}': "1x120",
    'crosscheck_ready{subject="jobs"}': "1x120",
    'crosscheck_serving_version{dataset="triples",network="cross"}': "1x120",
    "crosscheck_api_processes": "2x120",
    "crosscheck_worker_up": "1x120",
    "crosscheck_damaged_versions": "0x120",
    'crosscheck_jobs{status="queued"}': "3x120",
    'crosscheck_jobs{status="running"}': "1x120",
    "crosscheck_queue_limit": "100x120",
    'crosscheck_jobs_ended_total{status="failed"}': "0x120",
    'crosscheck_job_attempts_total{status="succeeded"}': "0+1x120",
    'crosscheck_job_duration_seconds_count{status="succeeded"}': "0+1x120",
    'crosscheck_requests_total{route="/predict",method="POST",status="200"}': "0+6000x120",
    'crosscheck_requests_total{route="/predict",method="POST",status="503"}': "0+6x120",
    'crosscheck_requests_total{route="/readyz",method="GET",status="503"}': "0+600x120",
    **{
        f'crosscheck_refusals_total{{reason="{reason}"}}': "0x120"
        for reason in ("fault", "disk", "unauthorized", "large_requests")
    },
    **{
        "crosscheck_request_duration_seconds_bucket"
        f'{{route="/predict",method="POST",le="{bound}"}}': f"0+{number}x120"
        for bound, number in (("0.001", 6000), ("1.0", 6006), ("+Inf", 6006))
    },
}

FAULTS: dict[str, dict[str, str | None]] = {
    "CrosscheckIsGone": dict.fromkeys(HEALTHY),
    "CrosscheckCannotPredict": {'crosscheck_ready{subject="predictions"}': "0x120"},
    "CrosscheckServesNothing": {
        'crosscheck_serving_version{dataset="triples",network="cross"}': None
    },
    "CrosscheckApiProcessesAreMissing": {"crosscheck_api_processes": "2x100 1x20"},
    "CrosscheckHasFaults": {'crosscheck_refusals_total{reason="fault"}': "0x118 1x10"},
    "CrosscheckFailsRequests": {
        'crosscheck_requests_total{route="/predict",method="POST",status="503"}': "0+100x120"
    },
    "CrosscheckIsOverloaded": {'crosscheck_refusals_total{reason="large_requests"}': "0+1x120"},
    "CrosscheckPredictsSlowly": {
        'crosscheck_request_duration_seconds_bucket{route="/predict",method="POST",le="0.001"}': (
            "0+5800x120"
        )
    },
    "CrosscheckRefusesKeys": {'crosscheck_refusals_total{reason="unauthorized"}': "0+90x120"},
    "CrosscheckDiskFails": {'crosscheck_refusals_total{reason="disk"}': "0x118 1x10"},
    "CrosscheckVersionsAreDamaged": {"crosscheck_damaged_versions": "1x120"},
    "CrosscheckWorkerIsDown": {"crosscheck_worker_up": "0x120"},
    "CrosscheckJobDatabaseIsAway": {
        'crosscheck_jobs{status="queued"}': None,
        'crosscheck_jobs{status="running"}': None,
        "crosscheck_queue_limit": None,
    },
    "CrosscheckQueueIsFull": {'crosscheck_jobs{status="queued"}': "95x120"},
    "CrosscheckJobsFail": {'crosscheck_jobs_ended_total{status="failed"}': "0x118 1x10"},
    "CrosscheckJobsLoseTheirWorker": {
        'crosscheck_job_attempts_total{status="succeeded"}': "0+2x120"
    },
}


def case(alert: str, fault: dict[str, str | None]) -> dict[str, Any]:
    """A test of promtool's: of all alerts, this one alone fires; none, if there is no fault."""
    told = {name: values for name, values in (HEALTHY | fault).items() if values is not None}
    target = {"job": "crosscheck", "instance": "here:8000"}

    def named(name: str) -> str:
        name, _, of_its_own = name.partition("{")
        given = ",".join(f'{label}="{value}"' for label, value in target.items())
        return f"{name}{{{given},{of_its_own or '}'}"

    # `ALERTS` is what Prometheus makes of all rules itself.
    fires = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fault else []
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "interval": "1m",
        "input_series": [{"series": named(name), "values": told[name]} for name in told],
        "promql_expr_test": [{"expr": firing, "eval_time": "119m", "exp_samples": fires}],
    }


def test_each_alert_has_a_fault_that_it_is_for() -> None:
    assert FAULTS.keys() == ALERTS.keys()


def test_each_alert_fires_at_its_fault_and_at_no_other(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: `apt-get install prometheus`")
    cases = [case("", {}), *(case(alert, fault) for alert, fault in FAULTS.items())]
    file = tmp_path / "cases.yaml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases})
    )
    told = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
