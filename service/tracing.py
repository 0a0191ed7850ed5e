"""Traces for OpenTelemetry, where a collector is named: what took how long, across processes.

OpenTelemetry is an extra, and imported only then. A span names the one above it as the header
`traceparent` does: https://www.w3.org/TR/trace-context/.
"""

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from service.errors import printable
from service.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OpenSpan

SEND_SECONDS = 1.0
"""How often what has ended is sent."""

TIMEOUT_SECONDS = 3
"""How long the collector may take; also at the end of a process, which waits for it once."""

REASON_LENGTH = 500

Kind = Literal["server", "consumer", "internal"]

Attributes = Mapping[str, str | int]


class Span:
    """Something that takes time."""

    def __init__(self, span: "OpenSpan") -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """What names it to those below."""
        known = self._span.get_span_context()
        return f"00-{known.trace_id:032x}-{known.span_id:016x}-{int(known.trace_flags):02x}"

    def tell(self, attributes: Attributes) -> None:
        """Adds what has become known of it."""
        self._span.set_attributes(attributes)

    def fail(self, reason: str) -> None:
        """Says that it did not end well."""
        from opentelemetry.trace import StatusCode

        self._span.set_status(StatusCode.ERROR, printable(reason, REASON_LENGTH))

    def end(self) -> None:
        """Says that it has ended."""
        self._span.end()


class Tracing:
    """Begins spans, and sends them when they have ended."""

    def __init__(self, settings: Settings) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        us = {"service.name": "crosscheck", "service.version": version("crosscheck")}
        self._provider = TracerProvider(
            resource=Resource.create(us),
            sampler=ParentBased(TraceIdRatioBased(settings.trace_share)),
            shutdown_on_exit=False,
        )
        endpoint = f"{settings.otlp_endpoint}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT_SECONDS)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=1000 * SEND_SECONDS)
        )
        self._tracer = self._provider.get_tracer("crosscheck")
        self._extract = TraceContextTextMapPropagator().extract

    def begin(
        self,
        name: str,
        attributes: Attributes,
        kind: Kind = "internal",
        above: str | None = None,
    ) -> Span:
        """Begins a span, below the one that a `traceparent` names, if it is one."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        context = self._extract({"traceparent": above} if above else {}, Context())
        of_kind = SpanKind[kind.upper()]
        return Span(self._tracer.start_span(name, context, of_kind, dict(attributes)))

    def close(self) -> None:
        """Sends what is left, if the collector takes it in time."""
        with suppress(Exception):
            self._provider.force_flush(1000 * TIMEOUT_SECONDS)


def begin(settings: Settings) -> Tracing | None:
    """What traces; None where no collector is named."""
    return Tracing(settings) if settings.otlp_endpoint else None
