import socket
import threading
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import telemetry
from chassis.telemetry import Telemetry, TelemetrySettings, incoming, outgoing

NOWHERE = TelemetrySettings(OTEL_EXPORTER_OTLP_ENDPOINT=None, OTEL_TRACES_SAMPLER=None)


def test_what_goes_nowhere_is_not_recorded_but_has_a_trace_id() -> None:
    with Telemetry.started("shoes", NOWHERE) as telemetry:
        assert not telemetry.recorded
        assert isinstance(telemetry.meter, NoOpMeter)
        with telemetry.tracer.start_as_current_span("call") as span:
            assert not span.is_recording()
            assert span.get_span_context().is_valid


def test_spans_and_metrics_may_stay_here_each_by_itself() -> None:
    somewhere = "http://127.0.0.1:9"
    spans = TelemetrySettings(OTEL_EXPORTER_OTLP_ENDPOINT=somewhere, OTEL_METRICS_EXPORTER="none")
    with Telemetry.started("shoes", spans) as telemetry:
        assert isinstance(telemetry.meter, NoOpMeter)
        assert telemetry.recorded
    nothing = TelemetrySettings(
        OTEL_EXPORTER_OTLP_ENDPOINT=somewhere, OTEL_METRICS_EXPORTER="none", OTEL_TRACES_EXPORTER="none"
    )
    with Telemetry.started("shoes", nothing) as telemetry:
        assert not telemetry.recorded


def test_the_environment_may_name_the_process() -> None:
    exporter = InMemorySpanExporter()
    named = TelemetrySettings(OTEL_SERVICE_NAME="boots")
    with Telemetry.started("shoes", named, span_processor=SimpleSpanProcessor(exporter)) as telemetry:
        telemetry.tracer.start_span("call").end()
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "boots"


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


def test_a_trace_goes_on_when_nothing_is_recorded() -> None:
    received = incoming({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"})
    with Telemetry.started("shoes", NOWHERE) as telemetry:
        with telemetry.tracer.start_as_current_span("call", received) as outer:
            inner = telemetry.tracer.start_span("inside").get_span_context()
        sent = dict(outgoing(outer))
    context = outer.get_span_context()
    assert context.trace_id == inner.trace_id == int("a" * 32, 16)
    assert len({int("b" * 16, 16), context.span_id, inner.span_id}) == 3
    assert sent == {"traceparent": f"00-{'a' * 32}-{context.span_id:016x}-00", "tracestate": "vendor=1"}
    assert outgoing() == ()


def test_what_is_sent_along_is_what_the_standard_reads() -> None:
    exporter = InMemorySpanExporter()
    with Telemetry.started("shoes", NOWHERE, span_processor=SimpleSpanProcessor(exporter)) as telemetry:
        span = telemetry.tracer.start_span("call", incoming({"tracestate": "vendor=1"}))
        carried = trace.get_current_span(incoming(dict(outgoing(span)))).get_span_context()
    told = span.get_span_context()
    assert (carried.trace_id, carried.span_id, carried.trace_flags) == (told.trace_id, told.span_id, told.trace_flags)


def test_a_collector_that_is_away_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[str] = []
    for exporter in (OTLPSpanExporter, OTLPMetricExporter):

        def shut_down(self: Any, *given: Any, _end: Any = exporter.shutdown, **more: Any) -> None:
            if isinstance(threading.current_thread(), threading.Timer):
                given_up.append(type(self).__name__)
            _end(self, *given, **more)

        monkeypatch.setattr(exporter, "shutdown", shut_down)
    monkeypatch.setattr(telemetry, "_FAREWELL_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = TelemetrySettings(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        with Telemetry.started("shoes", settings) as started:
            started.tracer.start_span("call").end()
            started.meter.create_counter("calls").add(1)
    assert given_up == ["OTLPSpanExporter", "OTLPMetricExporter"]
