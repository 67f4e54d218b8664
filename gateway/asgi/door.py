"""The ASGI application: one HTTP request, top to bottom.

Which route, which message, which server, which answer; and whatever happens on the way, one answer in one shape, one
span and one line in the log. Everything that depends on a route alone has been compiled before.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc.aio
import structlog
from opentelemetry.trace import Span

from chassis.ids import new_id
from chassis.proxies import Network
from gateway.asgi import conditions, headers, uploads
from gateway.asgi.browsers import DATA, Browsers, https
from gateway.asgi.encodings import VARY, worthwhile
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
from gateway.asgi.headers import Accepted, Headers
from gateway.asgi.load import Load
from gateway.asgi.route import Route, form, not_acceptable, said_by
from gateway.asgi.streams import Relay
from gateway.asgi.telling import Telling
from gateway.asgi.tracing import Metadata, called
from gateway.errors import Header, Refusal, Statuses, Violation, refused, shutting_down
from gateway.rates.limiter import Limiter
from gateway.routes import Routes, method_not_allowed
from gateway.transcode.request import IF_MATCH, NDJSON, PASSWORD, USERNAME
from gateway.transcode.response import Answer
from gateway.upstream.channels import SLACK, StreamRpc, UploadRpc
from gateway.upstream.failures import failure

log = structlog.get_logger()

_UNBUFFERED: Final[Header] = (b"x-accel-buffering", b"no")  # nginx would hold back what is to arrive at once

_LAST_FRAME_S: Final = 5.0  # that its time is over is told as any other error

Own = Callable[[Headers], Awaitable[Reply]]
"""Answers by itself, about the gateway itself, to a request that has these headers."""


def always(reply: Reply) -> Own:
    """The same answer to everybody."""

    async def answer(_: Headers) -> Reply:
        return reply

    return answer


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
        telling: Telling,
        load: Load,
        limiter: Limiter,
        browsers: Browsers | None = None,
    ) -> None:
        """`own` are the paths that the gateway answers by itself."""
        self._routes = routes
        self._own = own
        self._statuses = statuses
        self._limits = limits
        self._telling = telling
        self._load = load
        self._limiter = limiter
        self._browsers = browsers or Browsers()
        self._relays: set[Relay] = set()
        self._is_ending = False

    def end_streams(self) -> None:
        """Tell every client of a stream that the gateway is about to go. No more of them begin."""
        self._is_ending = True
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
                policy = reply.policy if isinstance(reply, Reply) else DATA
                said = self._browsers.headers(exchange.headers, exchange.client.scheme, policy)
                await exchange.write(send, reply, said, patience_s=self._limits.longest_deadline_s)
                if isinstance(reply, Reply) and reply.probe:
                    return
        except (Gone, asyncio.CancelledError):  # the latter when the grace period is over: the answer breaks off
            log.debug("the client has left the stream", request_id=exchange.request_id)
        finally:
            exchange.leave()
        self._telling.answered(exchange, 499 if reply is None else reply.status)

    async def _reply(self, exchange: Exchange) -> Reply | Stream:
        exchange.read_headers(self._limits.trusted_proxies)
        own = self._own.get(exchange.path)
        insecure = self._limits.https_only and exchange.client.scheme == "http"
        try:
            if own is not None:
                reply = await self._answered_here(exchange, own)
                if reply.probe or not insecure:
                    exchange.template = exchange.path.decode()
                    return reply
            if insecure:
                return Reply(308, ((b"location", https(exchange.headers, exchange.target)), NO_STORE))
            route, values = self._routes.find(exchange.method, exchange.path)
        except Refusal as refusal:
            if refusal.http == 405 and exchange.method == "OPTIONS":
                allow = dict(refusal.headers)[b"allow"]
                return Reply(204, (*refusal.headers, NO_STORE, *self._browsers.preflight(exchange.headers, allow)))
            raise
        exchange.template, exchange.manner = route.template, route.manner
        credential = exchange.headers.get(b"authorization")
        exchange.admission = await self._limiter.admit(route.rate_class, credential, exchange.client.address)
        exchange.slot = self._load.slot(stream=route.rpc is None)
        return await self._served(exchange, route, values)

    async def _served(self, exchange: Exchange, route: Route, values: Sequence[str]) -> Reply | Stream:
        sent, limits = exchange.headers, self._limits
        if route.stream is None and not route.response.raw and not headers.accepts_json(sent):
            raise not_acceptable("application/json")
        said = said_by(route, sent)
        if route.upload is not None:
            messages = self._messages(exchange, route, values, said)
            request = await uploads.begun(messages, patience_s=limits.deadline_s)
        else:
            body, content_type = await exchange.body(
                route.body, largest=limits.largest_body, patience_s=limits.deadline_s
            )
            request = self._fitting(route.request.encode(values, exchange.query, body, said, content_type=content_type))
        metadata = headers.forwarded(sent, limits.forwarded)
        if USERNAME in said or PASSWORD in said:
            metadata = [(key, value) for key, value in metadata if key != "authorization"]
        if exchange.client.address:
            metadata.append(("x-forwarded-for", exchange.client.address))
        metadata.append(("x-request-id", exchange.request_id))
        metadata += headers.user_agent(sent)
        try:
            if route.stream is not None:
                return await self._streamed(exchange, route, route.stream, request, metadata)
            if route.upload is not None:
                data = await self._uploaded(exchange, route, route.upload, request, messages, metadata)
            else:
                data = await self._call(exchange, route, request, metadata)
        except Refusal as refusal:
            if refusal.status == "UNAUTHENTICATED":
                self._limiter.not_accepted(exchange.admission)
            if IF_MATCH in said and refusal.stale:
                refusal.http = 412
            raise
        self._limiter.answered(exchange.admission, route.access)
        return _answered(route, route.response.decode(data), sent, packs=limits.packs)

    @staticmethod
    async def _answered_here(exchange: Exchange, own: Own) -> Reply:
        if exchange.method not in ("GET", "HEAD"):
            raise method_not_allowed(exchange.method, {"GET"})
        return await own(exchange.headers)

    async def _call(self, exchange: Exchange, route: Route, request: bytes, metadata: Metadata) -> bytes:
        """The answer's bytes.

        Raises:
            Refusal: The server answered otherwise, or not at all.
        """
        limits = self._limits
        timeout = headers.timeout_s(exchange.headers, default=limits.deadline_s, longest=limits.longest_deadline_s)
        span = self._telling.traced(exchange).calling(route.method, metadata)
        assert route.rpc is not None  # the other methods are streams
        call = route.rpc(request, metadata=metadata, timeout=timeout)
        return await self._answer(exchange, call, span, exchange.leaving(call).answer())

    async def _uploaded(
        self,
        exchange: Exchange,
        route: Route,
        rpc: UploadRpc,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        metadata: Metadata,
    ) -> bytes:
        """The answer to a stream.

        Raises:
            Refusal: The server answered otherwise, or not at all, or the rest cannot be sent.
        """
        longest = self._limits.longest_stream_s
        timeout = headers.timeout_s(exchange.headers, default=longest, longest=longest)
        span = self._telling.traced(exchange).calling(route.method, metadata)
        call = rpc(metadata=metadata, timeout=timeout)
        patience_s = self._limits.longest_deadline_s
        answering = uploads.answer(exchange, call, first, rest, patience_s=patience_s)
        return await self._answer(exchange, call, span, answering)

    async def _answer(self, exchange: Exchange, call: Any, span: Span | None, answering: Awaitable[bytes]) -> bytes:
        limits = self._limits
        status = "CANCELLED"
        try:
            data = await answering
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
        else:
            return data
        finally:
            called(span, status)

    def _messages(
        self, exchange: Exchange, route: Route, values: Sequence[str], said: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        def first(line: bytes) -> bytes:
            return self._fitting(route.request.encode(values, exchange.query, line, said, content_type=NDJSON))

        def following(line: bytes) -> bytes:
            return self._fitting(route.request.following(values, line))

        limits = self._limits
        return uploads.messages(
            exchange,
            route.body or Accepted(lines=True),
            first,
            following,
            largest=limits.largest_body,
            patience_s=limits.deadline_s,
        )

    def _fitting(self, request: bytes) -> bytes:
        """The message, unless it has become too large to be sent: `-1` in a list is ten bytes.

        Raises:
            Refusal: It has.
        """
        largest = self._limits.largest_body + SLACK
        if len(request) > largest:
            message = f"the request is larger than {largest} bytes in protobuf"
            raise refused(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", message)
        return request

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
        if self._is_ending:
            raise shutting_down()
        limits = self._limits
        longest = limits.longest_stream_s
        timeout = headers.timeout_s(exchange.headers, default=longest, longest=longest)
        wanted = form(route, exchange.headers)
        span = self._telling.traced(exchange).calling(route.method, metadata)
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
            if first is not None:
                self._limiter.answered(exchange.admission, route.access)
            if limits.returned and isinstance(first, Answer):
                exchange.returned = headers.returned(await call.initial_metadata() or (), limits.returned)
        except BaseException:
            close()
            raise
        frames = relay.frames(chosen, first, lambda refusal: exchange.manner.write(refusal, exchange.request_id))
        own = ((b"content-type", chosen.content_type), (b"cache-control", route.cache_control), _UNBUFFERED)
        return Stream(route.success_status, own, frames, close, timeout + _LAST_FRAME_S)

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
    # What changes something may answer with a secret, and how well a secret is packed beside the client's own words
    # betrays it.
    packable = packs and route.reads and worthwhile(answer.content_type, answer.body)
    if route.reads:
        if (if_match := sent.get(b"if-match")) is not None:
            conditions.check_matches(if_match, answer.etag)
        if_none_match = sent.get(b"if-none-match")
        if if_none_match is not None and answer.etag is not None and conditions.unchanged(if_none_match, answer.etag):
            return Reply(304, (*own, VARY) if packable else own)
    if route.success_status == 204:
        return Reply(204, own)
    return Reply(route.success_status, ((b"content-type", answer.content_type), *own), answer.body, packable=packable)
