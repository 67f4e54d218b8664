"""Telemetry that tests can read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.config import read
from chassis.telemetry import Telemetry, TelemetrySettings


@dataclass
class Recording:
    """What one process has told."""

    telemetry: Telemetry
    exporter: InMemorySpanExporter
    metrics: InMemoryMetricReader

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    @property
    def statements(self) -> list[str]:
        """The summary of every SQL statement since the last `clear`, but BEGIN, COMMIT and the health probe."""
        return [
            span.name
            for span in self.spans
            if span.attributes and span.attributes.get("db.query.text", "SELECT 1") != "SELECT 1"
        ]

    def clear(self) -> None:
        self.exporter.clear()


@contextmanager
def recording(service: str) -> Iterator[Recording]:
    exporter, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    with Telemetry.started(
        service, read(TelemetrySettings), span_processor=SimpleSpanProcessor(exporter), metric_reader=metrics
    ) as telemetry:
        yield Recording(telemetry, exporter, metrics)
