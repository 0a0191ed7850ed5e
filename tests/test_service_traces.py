"""Traces of a running service, as a collector gets them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG, SMALL, Service, running
from tests.telemetry.collector import Collector, collecting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ABOVE = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{ABOVE}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as listening:
        yield listening


def test_a_job_is_one_trace_from_its_request_to_the_end_of_its_child(
    tmp_path: Path, collector: Collector
) -> None:
    with running(tmp_path, otlp_endpoint=collector.endpoint) as service:
        config = {**SMALL, "models": ["cross"], "baselines": ["linear"]}
        headers = {"traceparent": TRACEPARENT, "X-Request-Id": "asked-by-me"}
        posted = service.client.post("/train", json=config, headers=headers).json()
        service.wait_for(posted["id"], "succeeded")
        service.until(lambda: collector.named("train"))
        (request,) = collector.named("POST /train")
        assert (request.trace, request.above) == (TRACE, ABOVE)
        assert request.about == {
            "http.request.method": "POST",
            "http.route": "/train",
            "url.path": "/train",
            "http.response.status_code": 202,
            "crosscheck.request_id": "asked-by-me",
        }
        (job,) = collector.named("train")
        assert (job.trace, job.above) == (TRACE, request.id)
        assert job.about == {"crosscheck.job_id": posted["id"], "crosscheck.dataset": "triples"}
        assert not job.has_failed
        assert request.nanoseconds[0] < job.nanoseconds[0]
        for part in ("train linear", "train cross"):
            (span,) = collector.named(part)
            assert (span.trace, span.above) == (TRACE, job.id)
            assert job.nanoseconds[0] <= span.nanoseconds[0]
            assert span.nanoseconds[1] <= job.nanoseconds[1]
        cancelled = service.train(**LONG)
        service.wait_for_progress(cancelled)
        service.child().kill()
        service.wait_for(cancelled, "failed")
        service.until(lambda: len(collector.named("train")) == 2)
        failed = collector.named("train")[1]
        assert failed.has_failed
        assert "was killed by SIGKILL" in failed.reason
        assert failed.trace != TRACE
        assert service.stop() == 0


def ask(service: Service) -> None:
    service.until(lambda: service.client.get("/readyz").status_code == 200)
    service.predict([0.5, 0.5, 0.5])
    assert service.client.get("/nowhere").status_code == 404
    assert service.stop() == 0


def test_a_request_is_a_span_and_a_prediction_is_none(
    published: Path, collector: Collector
) -> None:
    with running(published, "--no-worker", otlp_endpoint=collector.endpoint) as service:
        ask(service)
        (refused,) = collector.named("GET _other")
        assert refused.about["http.response.status_code"] == 404
        assert refused.above == ""
        assert not refused.has_failed
        assert not collector.named("POST /predict")


def test_a_prediction_is_one_span_if_that_is_wanted(published: Path, collector: Collector) -> None:
    settings = {"otlp_endpoint": collector.endpoint, "trace_predictions": "true"}
    with running(published, "--no-worker", **settings) as service:
        ask(service)
        (span,) = collector.named("POST /predict")
        assert span.about["http.response.status_code"] == 200


def test_only_a_share_is_sent_and_what_belongs_to_a_trace_of_a_client(
    published: Path, collector: Collector
) -> None:
    settings = {"otlp_endpoint": collector.endpoint, "trace_share": "0"}
    with running(published, "--no-worker", **settings) as service:
        service.client.get("/jobs")
        service.client.get("/models", headers={"traceparent": TRACEPARENT})
        ask(service)
        assert {span.name for span in collector.spans} == {"GET /models"}


@pytest.mark.parametrize("given", ["x", "00-0-0-00", f"ff-{TRACE}-{ABOVE}-01", TRACEPARENT * 9])
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(
    published: Path, collector: Collector, given: str
) -> None:
    with running(published, "--no-worker", otlp_endpoint=collector.endpoint) as service:
        service.client.get("/models", headers={"traceparent": given})
        ask(service)
        (span,) = collector.named("GET /models")
        assert span.above == ""
        assert span.trace != TRACE


def test_without_a_collector_that_answers_all_goes_on(published: Path) -> None:
    with running(published, "--no-worker", otlp_endpoint="http://127.0.0.1:9") as service:
        ask(service)
