"""The ASGI application: one HTTP request, top to bottom.

Which route, which message, which server, which answer; and whatever happens on the way, one answer in one shape, one
span and one line in the log. Everything that depends on a route alone has been compiled before.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc.aio
import structlog
from opentelemetry.trace import Tracer

from chassis.ids import new_id
from gateway.asgi import conditions, headers
from gateway.asgi.exchange import CLOSE, JSON, NO_STORE, NOSNIFF, Exchange, Gone, Manner, Receive, Reply, Scope, Send
from gateway.asgi.headers import Accepted, Headers
from gateway.asgi.tracing import Metadata, called
from gateway.errors import Header, Refusal, Statuses, Violation, refused, retry_later
from gateway.routes import Routes, method_not_allowed
from gateway.transcode.request import IDEMPOTENCY_KEY, IF_MATCH, PASSWORD, USERNAME, Request
from gateway.transcode.response import Answer, Response
from gateway.upstream.channels import Rpc
from gateway.upstream.failures import failure

log = structlog.get_logger()

Own = Callable[[], Awaitable[Reply]]
"""Answers by itself, about the gateway itself."""


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
    body: Accepted | None
    manner: Manner
    reads: bool
    """Whether it changes nothing, so that conditions are about the answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may ask for."""

    deadline_s: float
    longest_deadline_s: float
    largest_body: int
    forwarded: Sequence[tuple[bytes, str]] = field(default=((b"authorization", "authorization"),))


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
        exchange = Exchange(scope, receive)
        reply: Reply | None = None
        try:
            reply = await self._reply(exchange)
        except Refusal as refusal:
            reply = self._refused(exchange, refusal)
        except Violation as violation:
            reply = self._refused(exchange, violation.refusal())
        except Gone:
            log.debug("the client has left", request_id=exchange.request_id)
        except asyncio.CancelledError:
            # The grace period is over. Whoever waits is told so; the task ends all the same.
            reply = self._refused(exchange, _ending())
        except Exception:
            incident = str(new_id())
            log.exception("unexpected failure", incident=incident, request_id=exchange.request_id)
            reply = self._refused(exchange, Refusal(500, "INTERNAL", f"internal error, incident {incident}"))
        if reply is not None:
            await exchange.write(send, reply)
            if reply.own:
                return  # probes come every second, and nobody reads their traces
        self._tell(exchange, 499 if reply is None else reply.status)

    def _tell(self, exchange: Exchange, status: int) -> None:
        traced = exchange.traced(self._tracer)
        traced.answered(status)
        log.info(
            "request",
            method=exchange.method,
            route=exchange.template,
            status=status,
            duration_ms=round((time.perf_counter() - exchange.started) * 1000, 3),
            request_id=exchange.request_id,
            trace_id=traced.trace_id,
            span_id=traced.span_id,
        )

    async def _reply(self, exchange: Exchange) -> Reply:
        exchange.read_headers()
        own = self._own.get(exchange.path)
        if own is not None:
            return await self._answered_here(exchange.method, own)
        try:
            route, values = self._routes.find(exchange.method, exchange.path)
        except Refusal as refusal:
            if refusal.http == 405 and exchange.method == "OPTIONS":
                return Reply(204, (*refusal.headers, NO_STORE))
            raise
        exchange.template, exchange.manner = route.template, route.manner
        sent, limits = exchange.headers, self._limits
        if not route.response.raw and not headers.accepts_json(sent):
            raise refused(406, "INVALID_ARGUMENT", "NOT_ACCEPTABLE", "answers are application/json")
        said = _said(route, sent)
        body, content_type = await exchange.body(route.body, largest=limits.largest_body, patience_s=limits.deadline_s)
        request = route.request.encode(values, exchange.query, body, said, content_type=content_type)
        metadata = headers.forwarded(sent, limits.forwarded)
        if USERNAME in said or PASSWORD in said:
            metadata = [(key, value) for key, value in metadata if key != "authorization"]
        try:
            data = await self._call(exchange, route, request, metadata)
        except Refusal as refusal:
            if IF_MATCH in said and refusal.stale:
                refusal.http = 412
            raise
        return _answered(route, route.response.decode(data), sent)

    @staticmethod
    async def _answered_here(method: str, own: Own) -> Reply:
        if method not in ("GET", "HEAD"):
            raise method_not_allowed(method, {"GET"})
        return await own()

    async def _call(self, exchange: Exchange, route: Route, request: bytes, metadata: Metadata) -> bytes:
        """The answer's bytes.

        Raises:
            Refusal: The server answered otherwise, or not at all.
        """
        limits = self._limits
        timeout = headers.timeout_s(exchange.headers, default=limits.deadline_s, longest=limits.longest_deadline_s)
        metadata.append(("x-request-id", exchange.request_id))
        span = exchange.traced(self._tracer).calling(route.method, metadata)
        status = "CANCELLED"
        call = route.rpc(request, metadata=metadata, timeout=timeout)
        leaving = exchange.leaving(call)
        try:
            data = await call
            status = "OK"
        except grpc.aio.AioRpcError as error:
            refusal = failure(self._statuses, error)
            status = refusal.status
            raise refusal from None
        except asyncio.CancelledError:
            if leaving.gone:
                raise Gone from None
            raise
        else:
            return data
        finally:
            leaving.stop()
            called(span, status)

    def _refused(self, exchange: Exchange, refusal: Refusal) -> Reply:
        own: list[Header] = [NO_STORE]
        if refusal.http == 401:
            challenge = headers.challenge(exchange.headers, basic=exchange.manner.basic)
            own.append((b"www-authenticate", challenge))
        body = exchange.manner.write(refusal, exchange.request_id)
        return Reply(refusal.http, (*JSON, *own, *refusal.headers), body)


def _said(route: Route, sent: Headers) -> dict[str, str]:
    """The headers that go into the request, by their names.

    Raises:
        Refusal: One of them cannot be kept, or is malformed.
    """
    said = {}
    wanted = _condition(route, sent)
    if wanted is not None:
        said[IF_MATCH] = wanted
    if route.request.takes(IDEMPOTENCY_KEY):
        key = headers.idempotency_key(sent)
        if key is not None:
            said[IDEMPOTENCY_KEY] = key
    if route.manner.basic and (credentials := headers.basic(sent)) is not None:
        halves = zip((USERNAME, PASSWORD), credentials, strict=True)
        said |= {source: value for source, value in halves if route.request.takes(source)}
    return said


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
    if wanted is not None and not route.request.takes(IF_MATCH):
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
    return Reply(route.success_status, ((b"content-type", answer.content_type), NOSNIFF, *own), answer.body)


def _ending() -> Refusal:
    detail, header = retry_later(1)
    message = "the gateway is shutting down"
    return refused(503, "UNAVAILABLE", "SHUTTING_DOWN", message, headers=[header, CLOSE], details=[detail])
