"""The ASGI application: one HTTP request, top to bottom.

Which route, which message, which server, which answer; and whatever happens on the way, one answer in one shape, one
span and one line in the log. Everything that depends on a route alone has been compiled before.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc.aio
import structlog
from opentelemetry.trace import Tracer

from chassis.ids import new_id
from gateway.asgi import conditions, headers
from gateway.asgi.browsers import Browsers, https
from gateway.asgi.encodings import worthwhile
from gateway.asgi.exchange import (
    JSON,
    NO_STORE,
    Exchange,
    Gone,
    Receive,
    Reply,
    Scope,
    Send,
    Stream,
)
from gateway.asgi.headers import Headers
from gateway.asgi.load import Load
from gateway.asgi.proxies import Network
from gateway.asgi.route import Route, form, not_acceptable, said_by
from gateway.asgi.streams import Relay
from gateway.asgi.tracing import Metadata, called
from gateway.errors import Header, Refusal, Statuses, Violation, shutting_down
from gateway.routes import Routes, method_not_allowed
from gateway.transcode.request import IF_MATCH, PASSWORD, USERNAME
from gateway.transcode.response import Answer
from gateway.upstream.channels import StreamRpc
from gateway.upstream.failures import failure

log = structlog.get_logger()

_UNBUFFERED: Final[Header] = (b"x-accel-buffering", b"no")  # nginx would hold back what is to arrive at once

Own = Callable[[], Awaitable[Reply]]
"""Answers by itself, about the gateway itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may ask for."""

    deadline_s: float
    longest_deadline_s: float
    longest_stream_s: float
    heartbeat_s: float
    largest_body: int
    trusted_proxies: Sequence[Network] = ()
    returned: frozenset[str] = frozenset()
    """Metadata of answers that becomes headers."""
    packs: bool = True
    https_only: bool = False
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
        load: Load,
        browsers: Browsers | None = None,
    ) -> None:
        """`own` are the paths that the gateway answers by itself."""
        self._routes = routes
        self._own = own
        self._statuses = statuses
        self._limits = limits
        self._tracer = tracer
        self._load = load
        self._browsers = browsers or Browsers()
        self._relays: set[Relay] = set()

    def end_streams(self) -> None:
        """Tell every client of a stream that the gateway is about to go."""
        for relay in [*self._relays]:
            relay.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            # What the specification wants: the server is told that this is not supported.
            raise NotImplementedError(scope["type"])
        exchange = Exchange(scope, receive)
        reply: Reply | Stream | None = None
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
            reply = self._refused(exchange, shutting_down())
        except Exception:
            incident = str(new_id())
            log.exception("unexpected failure", incident=incident, request_id=exchange.request_id)
            reply = self._refused(exchange, Refusal(500, "INTERNAL", f"internal error, incident {incident}"))
        try:
            if reply is not None:
                await exchange.write(send, reply, self._browsers.headers(exchange.headers, exchange.client.scheme))
                if isinstance(reply, Reply) and reply.own:
                    return  # probes come every second, and nobody reads their traces
        except Gone:
            log.debug("the client has left the stream", request_id=exchange.request_id)
        finally:
            exchange.leave()
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

    async def _reply(self, exchange: Exchange) -> Reply | Stream:
        exchange.read_headers(self._limits.trusted_proxies)
        own = self._own.get(exchange.path)
        try:
            if own is not None:
                return await self._answered_here(exchange.method, own)
            if self._limits.https_only and exchange.client.scheme == "http":
                return Reply(308, ((b"location", https(exchange.headers, exchange.target)), NO_STORE))
            route, values = self._routes.find(exchange.method, exchange.path)
        except Refusal as refusal:
            if refusal.http == 405 and exchange.method == "OPTIONS":
                allow = dict(refusal.headers)[b"allow"]
                return Reply(204, (*refusal.headers, NO_STORE, *self._browsers.preflight(exchange.headers, allow)))
            raise
        exchange.template, exchange.manner = route.template, route.manner
        exchange.slot = self._load.slot(stream=route.stream is not None)
        return await self._served(exchange, route, values)

    async def _served(self, exchange: Exchange, route: Route, values: Sequence[str]) -> Reply | Stream:
        sent, limits = exchange.headers, self._limits
        if route.stream is None and not route.response.raw and not headers.accepts_json(sent):
            raise not_acceptable("application/json")
        said = said_by(route, sent)
        body, content_type = await exchange.body(route.body, largest=limits.largest_body, patience_s=limits.deadline_s)
        request = route.request.encode(values, exchange.query, body, said, content_type=content_type)
        metadata = headers.forwarded(sent, limits.forwarded)
        if USERNAME in said or PASSWORD in said:
            metadata = [(key, value) for key, value in metadata if key != "authorization"]
        if exchange.client.address:
            metadata.append(("x-forwarded-for", exchange.client.address))
        if route.stream is not None:
            return await self._streamed(exchange, route, route.stream, request, metadata)
        try:
            data = await self._call(exchange, route, request, metadata)
        except Refusal as refusal:
            if IF_MATCH in said and refusal.stale:
                refusal.http = 412
            raise
        return _answered(route, route.response.decode(data), sent, packs=limits.packs)

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
        assert route.rpc is not None  # the other methods are streams
        call = route.rpc(request, metadata=metadata, timeout=timeout)
        leaving = exchange.leaving(call)
        try:
            data = await call
            status = "OK"
            if limits.returned:
                exchange.returned = await self._returned(call)
        except grpc.aio.AioRpcError as error:
            if limits.returned:
                told = (*(error.initial_metadata() or ()), *(error.trailing_metadata() or ()))
                exchange.returned = headers.returned(told, limits.returned)
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

    async def _returned(self, call: Any) -> list[Header]:
        told = (*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ()))
        return headers.returned(told, self._limits.returned)

    async def _streamed(
        self, exchange: Exchange, route: Route, rpc: StreamRpc, request: bytes, metadata: Metadata
    ) -> Stream:
        """The stream, once its first message is there, or has not come for a while.

        Raises:
            Refusal: The server refused at once.
        """
        limits = self._limits
        longest = limits.longest_stream_s
        timeout = headers.timeout_s(exchange.headers, default=longest, longest=longest)
        wanted = form(route, exchange.headers)
        metadata.append(("x-request-id", exchange.request_id))
        span = exchange.traced(self._tracer).calling(route.method, metadata)
        call = rpc(request, metadata=metadata, timeout=timeout)
        refusal_of = partial(failure, self._statuses)
        relay = Relay(call, route.response, refusal_of, exchange.leaving(call), limits.heartbeat_s)
        self._relays.add(relay)

        def close() -> None:
            relay.close()
            self._relays.discard(relay)
            called(span, relay.status)

        try:
            chosen, first = await relay.begun(wanted)
            if limits.returned and isinstance(first, Answer):
                exchange.returned = headers.returned(await call.initial_metadata() or (), limits.returned)
        except BaseException:
            close()
            raise
        frames = relay.frames(chosen, first, lambda refusal: exchange.manner.write(refusal, exchange.request_id))
        own = ((b"content-type", chosen.content_type), (b"cache-control", route.cache_control), _UNBUFFERED)
        return Stream(route.success_status, own, frames, close)

    def _refused(self, exchange: Exchange, refusal: Refusal) -> Reply:
        own: list[Header] = [NO_STORE]
        if refusal.http == 401:
            challenge = headers.challenge(exchange.headers, basic=exchange.manner.basic)
            own.append((b"www-authenticate", challenge))
        body = exchange.manner.write(refusal, exchange.request_id)
        return Reply(refusal.http, (JSON, *own, *refusal.headers), body)


def _answered(route: Route, answer: Answer, sent: Headers, *, packs: bool) -> Reply:
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
    # What changes something may answer with a secret, and how well a secret is packed beside the client's own words
    # betrays it.
    packable = packs and route.reads and worthwhile(answer.content_type, answer.body)
    return Reply(route.success_status, ((b"content-type", answer.content_type), *own), answer.body, packable=packable)
