"""OpenTelemetry for one process: where spans and measurements are made, and where they go.

Everything is handed on as a value; the global providers are left alone, so that several servers can live in one
process, as they do in tests. With `OTEL_EXPORTER_OTLP_ENDPOINT` set, spans and metrics leave by OTLP over gRPC; without
it nothing is recorded, but every request still has a trace id for the logs. The other `OTEL_*` variables are read by
the SDK itself.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import Field

from chassis.config import Settings
from chassis.ids import new_id

_PROPAGATOR = TraceContextTextMapPropagator()

_FAREWELL_S = 3.0
DURATION_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds, as the semantic conventions advise for request durations."""


class Unrecorded(Tracer):
    """Gives every span its ids, for logs and for whoever is called next, and keeps nothing of it."""

    def __init__(self) -> None:
        """The ids are random."""
        self._ids = RandomIdGenerator()

    def start_span(
        self,
        name: str,  # noqa: ARG002 - nobody will read it, nor the rest
        context: Context | None = None,
        *_: Any,
        **__: Any,
    ) -> Span:
        """A span of the parent's trace, or of a new one."""
        parent = trace.get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else self._ids.generate_trace_id()
        return NonRecordingSpan(
            SpanContext(trace_id, self._ids.generate_span_id(), is_remote=False, trace_state=parent.trace_state)
        )

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # a context manager, though not their own kind
        self, name: str, context: Context | None = None, *_: Any, **__: Any
    ) -> Iterator[Span]:
        """The same, and current until the block is left."""
        with trace.use_span(self.start_span(name, context)) as span:
            yield span


class TelemetrySettings(Settings):
    """The variables that OpenTelemetry itself names."""

    endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    sampler: str | None = Field(default=None, validation_alias="OTEL_TRACES_SAMPLER")
    traces: Literal["otlp", "none"] = Field(default="otlp", validation_alias="OTEL_TRACES_EXPORTER")
    metrics: Literal["otlp", "none"] = Field(default="otlp", validation_alias="OTEL_METRICS_EXPORTER")
    service_name: str | None = Field(default=None, validation_alias="OTEL_SERVICE_NAME")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a process makes its spans and measurements with."""

    tracer: Tracer
    meter: Meter
    recorded: bool
    """Whether any of it goes anywhere; if not, it need not be collected."""

    @classmethod
    @contextmanager
    def started(
        cls,
        service_name: str,
        settings: TelemetrySettings,
        *,
        span_processor: SpanProcessor | None = None,
        metric_reader: MetricReader | None = None,
    ) -> Iterator["Telemetry"]:
        """Record until the block is left, then send what is left.

        A processor or reader that is handed in takes the place of OTLP: tests read from it.
        """
        name = settings.service_name or service_name
        resource = Resource.create({"service.name": name, "service.instance.id": str(new_id())})
        exporters: list[OTLPSpanExporter | OTLPMetricExporter] = []
        if settings.endpoint and settings.traces == "otlp" and span_processor is None:
            exporters.append(spans := OTLPSpanExporter(endpoint=settings.endpoint))
            span_processor = BatchSpanProcessor(spans)
        if settings.endpoint and settings.metrics == "otlp" and metric_reader is None:
            exporters.append(measurements := OTLPMetricExporter(endpoint=settings.endpoint))
            metric_reader = PeriodicExportingMetricReader(measurements)
        # None leaves the choice to OTEL_TRACES_SAMPLER.
        tracers = TracerProvider(
            resource=resource, sampler=None if settings.sampler else DEFAULT_ON, shutdown_on_exit=False
        )
        if span_processor is not None:
            tracers.add_span_processor(span_processor)
        meters = MeterProvider(
            metric_readers=[] if metric_reader is None else [metric_reader],
            resource=resource,
            shutdown_on_exit=False,
            views=[
                View(
                    instrument_name="*.duration",
                    aggregation=ExplicitBucketHistogramAggregation(DURATION_BOUNDARIES),
                )
            ],
        )
        try:
            yield cls(
                tracer=Unrecorded() if span_processor is None else tracers.get_tracer("tandem"),
                meter=NoOpMeter("tandem") if metric_reader is None else meters.get_meter("tandem"),
                recorded=span_processor is not None or metric_reader is not None,
            )
        finally:
            with _for_a_while(exporters) if exporters else nullcontext():
                tracers.shutdown()
                meters.shutdown()


@contextmanager
def _for_a_while(exporters: Sequence[OTLPSpanExporter | OTLPMetricExporter]) -> Iterator[None]:
    """Give exporters a moment to send what is left: one that is away would be waited for until we are killed."""

    def give_up() -> None:
        for exporter in exporters:
            exporter.shutdown()

    timer = threading.Timer(_FAREWELL_S, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def incoming(metadata: Mapping[str, str]) -> Context:
    """The trace context (W3C) that a caller sent along."""
    return _PROPAGATOR.extract(metadata)


def outgoing(span: Span | None = None) -> tuple[tuple[str, str], ...]:
    """The trace context (W3C) of a span, or of the current one, as metadata to send along."""
    context = (span or trace.get_current_span()).get_span_context()
    if not context.is_valid:
        return ()
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    state = context.trace_state.to_header()
    return (("traceparent", parent), ("tracestate", state)) if state else (("traceparent", parent),)


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed, in the words of the semantic conventions."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))
