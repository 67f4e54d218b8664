"""What is measured of requests, by the stable semantic conventions for HTTP, and `/metrics`, where it is read.

Everything is measured twice over: by OpenTelemetry where it leaves by OTLP, and by the client library of Prometheus,
which is several times cheaper, for whoever comes to read.
"""

import time
from collections.abc import Callable
from hmac import compare_digest
from typing import Final

from opentelemetry.metrics import Observation
from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import SecretStr

from chassis.telemetry import DURATION_BOUNDARIES, Telemetry
from gateway.asgi.exchange import NO_STORE, Exchange, Reply
from gateway.asgi.headers import Headers
from gateway.asgi.tracing import known_method
from gateway.errors import refused

_BEARER: Final = b"bearer "
_TEXT: Final = (b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())
_DURATION: Final = "How long requests took, by route and status."

disable_created_metrics()  # type: ignore[no-untyped-call] # when a series began is one more series each, and asked for by nobody


class Metrics:
    """Measures requests. What is under way is looked at when somebody reads it."""

    def __init__(self, telemetry: Telemetry) -> None:
        """What leaves, leaves by `telemetry`."""
        self.registry = CollectorRegistry()
        """What Prometheus reads."""
        self._meter = telemetry.meter
        self._sent = telemetry.meter.create_histogram("http.server.request.duration", "s", _DURATION)
        self._read = Histogram(
            "http_server_request_duration_seconds",
            _DURATION,
            ("http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme"),
            buckets=DURATION_BOUNDARIES,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str | None, int, str], Callable[[float], None]] = {}

    def watch(self, name: str, unit: str, description: str, look: Callable[[], int]) -> None:
        """Tell what `look` sees, whenever somebody asks."""
        self._meter.create_observable_gauge(name, [lambda _: [Observation(look())]], unit, description)
        Gauge(name.replace(".", "_"), description, registry=self.registry).set_function(look)

    def answered(self, exchange: Exchange, status: int) -> None:
        """A request has ended."""
        of = known_method(exchange.method), exchange.template, status, exchange.client.scheme
        record = self._series.get(of)
        if record is None:
            record = self._series[of] = self._recording(*of)
        record(time.perf_counter() - exchange.started)

    def _recording(self, method: str, route: str | None, status: int, scheme: str) -> Callable[[float], None]:
        error = str(status) if status >= 500 else ""
        observe = self._read.labels(method, route or "", status, error, scheme).observe
        said = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "error.type": error,
            "url.scheme": scheme,
        }
        attributes = {name: value for name, value in said.items() if value}

        def record(seconds: float) -> None:
            observe(seconds)
            self._sent.record(seconds, attributes)

        return record


class Exposition:
    """`/metrics`, in the text format of Prometheus."""

    def __init__(self, metrics: Metrics, token: SecretStr | None) -> None:
        """`token` is what readers have to send, if anything."""
        self._registry = metrics.registry
        self._token = token

    async def metrics(self, headers: Headers) -> Reply:
        """Everything that has been measured."""
        if self._token is not None and not _bears(headers, self._token):
            raise refused(401, "UNAUTHENTICATED", "MONITORING_TOKEN_REQUIRED", "expected the token for monitoring")
        text = generate_latest(self._registry)
        return Reply(200, (_TEXT, NO_STORE), text, packable=True, probe=True)


def _bears(headers: Headers, token: SecretStr) -> bool:
    sent = headers.get(b"authorization", b"")
    given = sent[len(_BEARER) :].strip() if sent[: len(_BEARER)].lower() == _BEARER else b""
    return compare_digest(given, token.get_secret_value().encode())
