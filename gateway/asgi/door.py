"""The ASGI application: one HTTP request, top to bottom.

Which route, which message, which server, which answer; and whatever happens on the way, one answer in one shape, one
span and one line in the log. Everything that depends on a route alone has been compiled before.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import structlog
from opentelemetry.trace import Tracer

from chassis.ids import new_id
from gateway.asgi import conditions, headers
from gateway.asgi.headers import Headers
from gateway.asgi.tracing import Trace, called
from gateway.errors import Header, Refusal, Statuses, Violation, refused, retry_later
from gateway.routes import Routes, method_not_allowed
from gateway.transcode.request import Request
from gateway.transcode.response import Answer, Response
from gateway.upstream.channels import Rpc
from gateway.upstream.failures import failure

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_WATCHED_AFTER_S = 0.05
"""Most answers are there sooner, and are spared the task that waits for the client to leave."""

_JSON: tuple[Header, ...] = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
)
_NO_STORE: Header = (b"cache-control", b"no-store")
_CLOSE: Header = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Route:
    """A method behind one of its templates."""

    method: str
    template: str
    request: Request
    response: Response
    rpc: Rpc
    success_status: int
    cache_control: bytes
    reads: bool
    """Whether it changes nothing, so that conditions are about the answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is written to the client."""

    status: int
    headers: Sequence[Header]
    body: bytes = b""
    own: bool = False
    """Whether the gateway answers by itself, about itself."""


Own = Callable[[], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may ask for."""

    deadline_s: float
    longest_deadline_s: float
    largest_body: int
    forwarded: Sequence[tuple[bytes, str]] = field(default=((b"authorization", "authorization"),))


class _Gone(Exception):
    """The client has left; nobody will read the answer."""


class _Exchange:
    """One request, and what is known of it so far."""

    __slots__ = ("began", "headers", "method", "receive", "request_id", "route", "scope", "started", "trace")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.started = time.perf_counter()
        self.began = time.time_ns()
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.headers: Headers = {}
        self.request_id = ""
        self.route: Route | None = None
        self.trace: Trace | None = None

    def traced(self, tracer: Tracer) -> Trace:
        """The request's part of a trace; begun when it is known which route it is, or that there is none."""
        if self.trace is None:
            template = None if self.route is None else self.route.template
            name = self.method if template is None else f"{self.method} {template}"
            self.trace = Trace(tracer, self.headers, name, self.began)
            self.trace.received(self.scope, template)
        return self.trace


class Door:
    """The gateway as an ASGI application."""

    def __init__(
        self,
        routes: Routes[Route],
        own: Mapping[bytes, Own],
        statuses: Statuses,
        limits: Limits,
        tracer: Tracer,
    ) -> None:
        """`own` are the paths that the gateway answers by itself."""
        self._routes = routes
        self._own = own
        self._statuses = statuses
        self._limits = limits
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            # What the specification wants: the server is told that this is not supported.
            raise NotImplementedError(scope["type"])
        exchange = _Exchange(scope, receive)
        try:
            reply = await self._reply(exchange)
        except Refusal as refusal:
            reply = self._refused(exchange, refusal)
        except Violation as violation:
            reply = self._refused(exchange, violation.refusal())
        except _Gone:
            reply = Reply(499, ())
        except asyncio.CancelledError:
            # The grace period is over. Whoever waits is told so; the task ends all the same.
            reply = self._refused(exchange, _ending())
        except Exception:
            incident = str(new_id())
            log.exception("unexpected failure", incident=incident, request_id=exchange.request_id)
            reply = self._refused(exchange, Refusal(500, "INTERNAL", f"internal error, incident {incident}"))
        if reply.status != 499:
            await _write(send, exchange, reply)
        if reply.own:
            return  # probes come every second, and nobody reads their traces
        traced = exchange.traced(self._tracer)
        traced.answered(reply.status)
        log.info(
            "request",
            method=exchange.method,
            route=None if exchange.route is None else exchange.route.template,
            status=reply.status,
            duration_ms=round((time.perf_counter() - exchange.started) * 1000, 3),
            request_id=exchange.request_id,
            trace_id=traced.trace_id,
            span_id=traced.span_id,
        )

    async def _reply(self, exchange: _Exchange) -> Reply:
        sent = exchange.headers
        headers.read_into(sent, exchange.scope["headers"])
        exchange.request_id = headers.request_id(sent)
        path: bytes = exchange.scope["raw_path"]
        own = self._own.get(path)
        if own is not None:
            return await self._answered_here(exchange.method, own)
        try:
            route, values = self._routes.find(exchange.method, path)
        except Refusal as refusal:
            if refusal.http == 405 and exchange.method == "OPTIONS":
                return Reply(204, (*refusal.headers, _NO_STORE))
            raise
        exchange.route = route
        if not headers.accepts_json(sent):
            raise refused(406, "INVALID_ARGUMENT", "NOT_ACCEPTABLE", "answers are application/json")
        condition = _condition(route, sent)
        body = await self._body(exchange, route)
        request = route.request.encode(values, exchange.scope["query_string"], body, condition)
        try:
            data = await self._call(exchange, route, request)
        except Refusal as refusal:
            if condition is not None and refusal.stale:
                refusal.http = 412
            raise
        return _answered(route, route.response.decode(data), sent)

    @staticmethod
    async def _answered_here(method: str, own: Own) -> Reply:
        if method not in ("GET", "HEAD"):
            raise method_not_allowed(method, {"GET"})
        return await own()

    async def _body(self, exchange: _Exchange, route: Route) -> bytes:
        """The body, whole.

        Raises:
            Refusal: There should be none, or it is too large or not JSON by its own word.
        """
        sent = exchange.headers
        length = sent.get(b"content-length")
        if (length is None or length == b"0") and b"transfer-encoding" not in sent:
            return b""
        if not route.request.takes_body:
            raise refused(400, "INVALID_ARGUMENT", "BODY_NOT_TAKEN", "this method takes no body")
        headers.check_body_is_json(sent)
        if length is not None and int(length) > self._limits.largest_body:
            raise self._too_large()
        message = await exchange.receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
        else:
            try:
                async with asyncio.timeout(self._limits.deadline_s):
                    body = await self._rest_of_body(exchange, message)
            except TimeoutError:
                message_text = "the body did not arrive in time"
                raise refused(408, "DEADLINE_EXCEEDED", "BODY_TOO_SLOW", message_text, headers=[_CLOSE]) from None
        if len(body) > self._limits.largest_body:
            raise self._too_large()
        return body

    async def _rest_of_body(self, exchange: _Exchange, message: Message) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise _Gone
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._limits.largest_body:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await exchange.receive()

    def _too_large(self) -> Refusal:
        limit = self._limits.largest_body
        return refused(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", f"the body is larger than {limit} bytes")

    async def _call(self, exchange: _Exchange, route: Route, request: bytes) -> bytes:
        """The answer's bytes.

        Raises:
            Refusal: The server answered otherwise, or not at all.
        """
        limits = self._limits
        timeout = headers.timeout_s(exchange.headers, default=limits.deadline_s, longest=limits.longest_deadline_s)
        metadata = headers.forwarded(exchange.headers, limits.forwarded)
        metadata.append(("x-request-id", exchange.request_id))
        span = exchange.traced(self._tracer).calling(route.method, metadata)
        status = "CANCELLED"
        call = route.rpc(request, metadata=metadata, timeout=timeout)
        leaving = _Leaving(exchange.receive, call)
        try:
            data = await call
            status = "OK"
        except grpc.aio.AioRpcError as error:
            refusal = failure(self._statuses, error)
            status = refusal.status
            raise refusal from None
        except asyncio.CancelledError:
            if leaving.gone:
                raise _Gone from None
            raise
        else:
            return data
        finally:
            leaving.stop()
            called(span, status)

    def _refused(self, exchange: _Exchange, refusal: Refusal) -> Reply:
        own: list[Header] = [_NO_STORE]
        if refusal.http == 401:
            token_sent = b"authorization" in exchange.headers
            own.append((b"www-authenticate", b'Bearer error="invalid_token"' if token_sent else b"Bearer"))
        if not exchange.request_id:
            exchange.request_id = headers.request_id(exchange.headers)
        return Reply(refusal.http, (*_JSON, *own, *refusal.headers), refusal.body(exchange.request_id))


class _Leaving:
    """Cancels a call whose client leaves."""

    __slots__ = ("_call", "_receive", "_task", "_timer", "gone")

    def __init__(self, receive: Receive, call: Any) -> None:
        self.gone = False
        self._call = call
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER_S, self._watch)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _watch(self) -> None:
        self._task = asyncio.create_task(self._left())

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._call.cancel()


def _condition(route: Route, sent: Headers) -> str | None:
    """What `If-Match` demands of the server.

    Raises:
        Refusal: Nothing can keep the conditions.
    """
    if route.reads:
        return None  # the answer itself is compared
    if b"if-none-match" in sent:
        raise conditions.unkeepable("If-None-Match")
    if_match = sent.get(b"if-match")
    if if_match is None:
        return None
    wanted = conditions.wanted_version(if_match)
    if wanted is not None and not route.request.conditional:
        raise conditions.unkeepable("If-Match")
    return wanted


def _answered(route: Route, answer: Answer, sent: Headers) -> Reply:
    own: list[Header] = [(b"cache-control", route.cache_control)]
    if answer.etag is not None:
        own.append((b"etag", answer.etag.encode()))
    if answer.location is not None:
        own.append((b"location", answer.location.encode()))
    if route.reads:
        if (if_match := sent.get(b"if-match")) is not None:
            conditions.check_matches(if_match, answer.etag)
        if_none_match = sent.get(b"if-none-match")
        if if_none_match is not None and answer.etag is not None and conditions.unchanged(if_none_match, answer.etag):
            return Reply(304, own)
    if route.success_status == 204:
        return Reply(204, own)
    return Reply(route.success_status, (*_JSON, *own), answer.body)


def _ending() -> Refusal:
    detail, header = retry_later(1)
    message = "the gateway is shutting down"
    return refused(503, "UNAVAILABLE", "SHUTTING_DOWN", message, headers=[header, _CLOSE], details=[detail])


async def _write(send: Send, exchange: _Exchange, reply: Reply) -> None:
    written = [*reply.headers, (b"x-request-id", exchange.request_id.encode())]
    if reply.status not in (204, 304):
        written.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": written})
    await send({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else reply.body})
