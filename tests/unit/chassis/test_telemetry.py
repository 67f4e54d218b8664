from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.telemetry import Telemetry, TelemetrySettings

NOWHERE = TelemetrySettings(OTEL_EXPORTER_OTLP_ENDPOINT=None, OTEL_TRACES_SAMPLER=None)


def test_what_goes_nowhere_is_not_recorded_but_has_a_trace_id() -> None:
    with Telemetry.started("shoes", NOWHERE) as telemetry:
        assert not telemetry.recorded
        assert isinstance(telemetry.meter, NoOpMeter)
        with telemetry.tracer.start_as_current_span("call") as span:
            assert not span.is_recording()
            assert span.get_span_context().is_valid


def test_what_somebody_reads_is_recorded() -> None:
    exporter, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    with Telemetry.started(
        "shoes", NOWHERE, span_processor=SimpleSpanProcessor(exporter), metric_reader=metrics
    ) as telemetry:
        assert telemetry.recorded
        telemetry.meter.create_histogram("call.duration").record(0.1)
        with telemetry.tracer.start_as_current_span("call"):
            pass
        assert metrics.get_metrics_data() is not None
    assert [span.name for span in exporter.get_finished_spans()] == ["call"]
