"""What becomes known of a request: its spans, its measurement, and its line in the log."""

import time

import structlog
from opentelemetry.trace import Tracer

from gateway.asgi.exchange import Exchange
from gateway.asgi.metrics import Metrics
from gateway.asgi.tracing import Trace


class Telling:
    """Tells of requests."""

    def __init__(self, tracer: Tracer, metrics: Metrics) -> None:
        """To whom."""
        self._tracer = tracer
        self._metrics = metrics
        self._log = structlog.get_logger().bind()  # looked up once

    def traced(self, exchange: Exchange) -> Trace:
        """The request's part of a trace."""
        return exchange.traced(self._tracer)

    def answered(self, exchange: Exchange, status: int) -> None:
        """A request has ended."""
        traced = self.traced(exchange)
        traced.answered(status)
        self._metrics.answered(exchange, status)
        self._log.info(
            "request",
            method=exchange.method,
            route=exchange.template,
            status=status,
            duration_ms=round((time.perf_counter() - exchange.started) * 1000, 3),
            request_id=exchange.request_id,
            trace_id=traced.trace_id,
            span_id=traced.span_id,
        )
