"""The spans of a request, by the stable semantic conventions for HTTP and those for RPC.

A SERVER span for the HTTP request, and a CLIENT span inside it for the RPC. Where nothing is recorded, nothing is
collected either, and the client's own trace context passes through untouched.
"""

import re
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer

from chassis.telemetry import failed, incoming, outgoing
from gateway.asgi.headers import Headers

Metadata = list[tuple[str, str]]

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE: Final = re.compile(rb"[\x20-\x7e]{1,512}")
_NOBODY: Final = Context()
_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


class Trace:
    """One request's part of a trace."""

    __slots__ = ("_carried", "_tracer", "span")

    def __init__(self, tracer: Tracer, headers: Headers, name: str, start_time: int) -> None:
        """Go on with the trace that the client sent, or begin one."""
        self._tracer = tracer
        self._carried = _carried(headers)
        parent = incoming(dict(self._carried)) if self._carried else _NOBODY
        self.span: Span = tracer.start_span(name, parent, SpanKind.SERVER, start_time=start_time)

    @property
    def trace_id(self) -> str:
        """As logs and other tools write it."""
        return trace.format_trace_id(self.span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """As logs and other tools write it."""
        return trace.format_span_id(self.span.get_span_context().span_id)

    def received(self, scope: Any, route: str | None) -> None:
        """Say what was asked for. Query values are nobody's business."""
        if self.span.is_recording():
            self.span.set_attributes(
                {
                    "http.request.method": known_method(scope["method"]),
                    "url.path": scope["path"],
                    "url.scheme": scope["scheme"],
                }
            )
            if route is not None:
                self.span.set_attribute("http.route", route)

    def answered(self, status: int) -> None:
        """End the SERVER span."""
        if self.span.is_recording():
            self.span.set_attribute("http.response.status_code", status)
            if status >= 500:
                failed(self.span, str(status))
        self.span.end()

    def calling(self, method: str, metadata: Metadata) -> Span | None:
        """Add the trace context to an RPC's metadata; the CLIENT span, where one is recorded."""
        if not self.span.is_recording():
            metadata += self._carried or outgoing(self.span)
            return None
        span = self._tracer.start_span(method, trace.set_span_in_context(self.span, _NOBODY), SpanKind.CLIENT)
        span.set_attributes({"rpc.system.name": "grpc", "rpc.method": method})
        metadata += outgoing(span)
        return span


def known_method(method: str) -> str:
    """The method, or what the conventions call one that anybody may have made up."""
    return method if method in _METHODS else "_OTHER"


def called(span: Span | None, status: str) -> None:
    """End the CLIENT span; `status` is the name of a gRPC code."""
    if span is not None:
        span.set_attribute("rpc.response.status_code", status)
        if status != "OK":
            failed(span, status)
        span.end()


def _carried(headers: Headers) -> Metadata:
    """The client's trace context, if it is one."""
    parent = headers.get(b"traceparent")
    if parent is None or not _TRACEPARENT.fullmatch(parent):
        return []
    state = headers.get(b"tracestate")
    carried = [("traceparent", parent.decode())]
    if state is not None and _TRACESTATE.fullmatch(state):
        carried.append(("tracestate", state.decode()))
    return carried
