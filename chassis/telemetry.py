"""OpenTelemetry for one process: where spans and measurements are made, and where they go.

Everything is handed on as a value; the global providers are left alone, so that several servers can live in one
process, as they do in tests. With `OTEL_EXPORTER_OTLP_ENDPOINT` set, spans and metrics leave by OTLP over gRPC; without
it nothing is recorded, but every request still has a trace id for the logs. The other `OTEL_*` variables are read by
the SDK itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

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
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, Sampler
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import Field

from chassis.config import Settings
from chassis.ids import new_id

_PROPAGATOR = TraceContextTextMapPropagator()

# Seconds, as the semantic conventions advise for request durations.
_DURATION_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class TelemetrySettings(Settings):
    """The variables that OpenTelemetry itself names."""

    endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    sampler: str | None = Field(default=None, validation_alias="OTEL_TRACES_SAMPLER")


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
        resource = Resource.create({"service.name": service_name, "service.instance.id": str(new_id())})
        if settings.endpoint:
            span_processor = span_processor or BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint))
            metric_reader = metric_reader or PeriodicExportingMetricReader(
                OTLPMetricExporter(endpoint=settings.endpoint)
            )
        tracers = TracerProvider(
            resource=resource, sampler=_sampler(settings, recorded=span_processor is not None), shutdown_on_exit=False
        )
        if span_processor is not None:
            tracers.add_span_processor(span_processor)
        meters = MeterProvider(
            metric_readers=[metric_reader] if metric_reader is not None else [],
            resource=resource,
            shutdown_on_exit=False,
            views=[
                View(
                    instrument_name="*.duration",
                    aggregation=ExplicitBucketHistogramAggregation(_DURATION_BOUNDARIES),
                )
            ],
        )
        try:
            yield cls(
                tracer=tracers.get_tracer("tandem"),
                meter=meters.get_meter("tandem") if metric_reader is not None else NoOpMeter("tandem"),
                recorded=span_processor is not None or metric_reader is not None,
            )
        finally:
            tracers.shutdown()
            meters.shutdown()


def _sampler(settings: TelemetrySettings, *, recorded: bool) -> Sampler | None:
    """Nothing is recorded that goes nowhere. None leaves the choice to OTEL_TRACES_SAMPLER."""
    if not recorded:
        return ALWAYS_OFF
    return None if settings.sampler else DEFAULT_ON


def incoming(metadata: Mapping[str, str]) -> Context:
    """The trace context (W3C) that a caller sent along."""
    return _PROPAGATOR.extract(metadata)


def outgoing(context: Context | None = None) -> tuple[tuple[str, str], ...]:
    """The current trace context as metadata to send along."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context)
    return tuple(carrier.items())


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed, in the words of the semantic conventions."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))
