"""Telemetry that tests can read."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from chassis.config import read
from chassis.telemetry import Telemetry, TelemetrySettings

_ASKED_FOR_BY_NOBODY = ("tandem.identity.v1.MailService/SendInvitation", "tandem.identity.v1.FeedService/Watch")
"""Work asks when it comes to it, in whichever call comes meanwhile; and watches anew every four minutes."""
_NOW_AND_THEN = ("SELECT feed", "SELECT signing_keys")
"""Work watches identity's feed all the time; identity reads its keys anew every 30 s, in whichever call comes first."""
_KEPT = 5_000
"""Spans. A run has hundreds of thousands: to look for garbage among all of them would hold up everybody for seconds."""


class Latest(SpanExporter):
    """Keeps the latest spans."""

    def __init__(self) -> None:
        self._spans: deque[ReadableSpan] = deque(maxlen=_KEPT)
        self._told = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._spans.extend(spans)
        self._told += len(spans)
        return SpanExportResult.SUCCESS

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """All since the last `clear`."""
        assert self._told <= _KEPT, "clear it right before what is looked at: of so many spans the first are gone"
        return tuple(self._spans)

    def clear(self) -> None:
        self._spans.clear()
        self._told = 0


@dataclass
class Recording:
    """What one process has told."""

    telemetry: Telemetry
    exporter: Latest
    processor: "Processor"
    metrics: InMemoryMetricReader

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.spans

    @property
    def statements(self) -> list[str]:
        """The summary of every SQL statement of calls since the last `clear`, but BEGIN and COMMIT.

        What nobody has called for, such as the health probe and periodic work, has no parent.
        """
        return [
            span.name
            for span in self.spans
            if span.parent
            and span.parent.trace_id not in self.processor.asked_for_by_nobody
            and span.attributes
            and "db.query.text" in span.attributes
            and span.name not in _NOW_AND_THEN
        ]

    async def ended(self) -> Sequence[ReadableSpan]:
        """The SERVER spans since the last `clear`, once there is one. Who is refused hears of it before."""
        async with asyncio.timeout(20):
            while not (ended := [span for span in self.spans if span.kind is SpanKind.SERVER]):
                await asyncio.sleep(0.01)
        return ended

    async def call(self) -> ReadableSpan:
        """That of the only call."""
        (span,) = await self.ended()
        return span

    def clear(self) -> None:
        self.exporter.clear()


class Processor(SimpleSpanProcessor):
    """Notices, when it begins, what is no part of any test's call."""

    def __init__(self, exporter: Latest) -> None:
        super().__init__(exporter)
        self.asked_for_by_nobody: set[int] = set()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if span.name in _ASKED_FOR_BY_NOBODY:
            self.asked_for_by_nobody.add(span.get_span_context().trace_id)
        super().on_start(span, parent_context)


@contextmanager
def recording(service: str) -> Iterator[Recording]:
    exporter, metrics = Latest(), InMemoryMetricReader()
    processor = Processor(exporter)
    with Telemetry.started(
        service, read(TelemetrySettings), span_processor=processor, metric_reader=metrics
    ) as telemetry:
        yield Recording(telemetry, exporter, processor, metrics)
