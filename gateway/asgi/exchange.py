"""One exchange with a client: the request as it comes in, the reply as it goes out, and the client who may leave.

Knows the client only through ASGI, and nothing of fields or servers.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Tracer

from chassis.proxies import Network
from gateway.asgi import encodings, headers, proxies
from gateway.asgi.browsers import DATA
from gateway.asgi.headers import Accepted, Headers
from gateway.asgi.load import Slot
from gateway.asgi.proxies import Client
from gateway.asgi.tracing import Trace
from gateway.errors import Header, Refusal, Writer, refused, written
from gateway.rates.limiter import Admission

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store")
CLOSE: Header = (b"connection", b"close")

_LARGE = 256 * 1024
"""What is larger is not left to the connection's buffer, where nobody counts it."""
_WATCHED_AFTER_S = 0.05
"""Most answers are there sooner, and are spared the task that waits for the client to leave."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is written to the client."""

    status: int
    headers: Sequence[Header]
    body: bytes = b""
    packable: bool = False
    """Whether it may be sent in gzip."""
    packed: bytes | None = None
    """The body in gzip, where it is kept so."""
    probe: bool = False
    """Whether it answers a probe: those come every second, by plain HTTP, and nobody reads their traces."""
    policy: bytes = DATA
    """The content security policy."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a method refuses."""

    write: Writer = written
    basic: bool = False
    """Whether a 401 asks for a user name and a password."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is written to the client bit by bit."""

    status: int
    headers: Sequence[Header]
    frames: AsyncGenerator[bytes, None]
    close: Callable[[], None]
    """What is to be done when it has ended, however it has."""
    longest_s: float
    """How long it may last: a client that takes nothing holds it up, and nothing else ends it then."""


class BrokenOff(Exception):
    """The rest of a stream cannot be had, and nothing but its sudden end can say so."""


class Gone(Exception):
    """The client has left; nobody will read the answer."""


class Exchange:
    """One request, and what is known of it so far."""

    __slots__ = (
        "_began",
        "_is_asked_for",
        "_receive",
        "_scope",
        "admission",
        "client",
        "headers",
        "manner",
        "method",
        "path",
        "query",
        "request_id",
        "returned",
        "slot",
        "started",
        "template",
        "trace",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """The request that ASGI announces."""
        self.started = time.perf_counter()
        self._began = time.time_ns()
        self._scope = scope
        self._receive = receive
        self._is_asked_for = False
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.headers: Headers = {}
        self.request_id = ""
        self.template: str | None = None
        """The template of the route, once it is found."""
        self.manner = Manner()
        """That of the route, once it is found."""
        self.client = Client((scope.get("client") or ("",))[0], scope["scheme"])
        self.returned: list[Header] = []
        """Headers that the server has sent as metadata."""
        self.admission = Admission()
        """The budget that the request was taken from, once it is admitted."""
        self.slot: Slot | None = None
        """The room that the request has, once it is admitted."""
        self.trace: Trace | None = None

    def read_headers(self, trusted: Sequence[Network] = ()) -> None:
        """Put the headers in order; proxies in `trusted` networks say who the client is.

        Raises:
            Refusal: They are too large, or the path is.
        """
        try:
            headers.read_into(self.headers, self._scope["headers"])
        finally:
            self.request_id = headers.request_id(self.headers)
        if len(self.path) + len(self.query) > headers.LARGEST:
            message = f"path and query are longer than {headers.LARGEST} bytes"
            raise refused(414, "INVALID_ARGUMENT", "TARGET_TOO_LONG", message)
        if trusted:
            self.client = proxies.client(self.client, self.headers, trusted)

    def traced(self, tracer: Tracer) -> Trace:
        """The request's part of a trace; begun when it is known which route it is, or that there is none."""
        if self.trace is None:
            name = self.method if self.template is None else f"{self.method} {self.template}"
            self.trace = Trace(tracer, self.headers, name, self._began)
            self.trace.received(self._scope, self.template)
        return self.trace

    @property
    def target(self) -> bytes:
        """Path and query, as they were sent."""
        return self.path + (b"?" + self.query if self.query else b"")

    @property
    def has_body(self) -> bool:
        """Whether the client says that there is one."""
        length = self.headers.get(b"content-length")
        return (length is not None and length != b"0") or b"transfer-encoding" in self.headers

    @property
    def _body_is_held_back(self) -> bool:
        """Whether nobody knows if a body will come: it was to be asked for first, and was not (RFC 9110, 10.1.1)."""
        return not self._is_asked_for and self.has_body and b"expect" in self.headers

    async def body(self, accepted: Accepted | None, *, largest: int, patience_s: float) -> tuple[bytes, str]:
        """The body, whole, and its type as `headers.body_type` tells it; `accepted` is None where none is taken.

        Raises:
            Refusal: There should be none, or it is too large, too slow, or something else by its own word.
            Gone: The client left before it was there.
        """
        if not self.has_body:
            raw = accepted is not None and accepted.raw and b"content-type" in self.headers
            return b"", headers.body_type(self.headers, Accepted(raw=True)) if raw else ""
        if accepted is None:
            raise refused(400, "INVALID_ARGUMENT", "BODY_NOT_TAKEN", "this method takes no body")
        content_type = headers.body_type(self.headers, accepted)
        body = await self._whole_body(largest, patience_s)
        whole = encodings.unpacked(self.headers, body, largest)
        if whole is not body:
            self.hold(len(whole))
        return whole, content_type

    def hold(self, size: int) -> None:
        """Take room for so many bytes.

        Raises:
            Refusal: There is none.
        """
        if self.slot is not None:
            self.slot.hold(size)

    def leave(self) -> None:
        """Give back all the room that was taken."""
        if self.slot is not None:
            self.slot.leave()

    async def _whole_body(self, largest: int, patience_s: float) -> bytes:
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > largest:
            raise encodings.too_large(largest)
        self._is_asked_for = True
        try:
            async with asyncio.timeout(patience_s):
                return await self._parts_of_body(largest)
        except TimeoutError:
            raise too_slow() from None

    async def _parts_of_body(self, largest: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > largest:
                raise encodings.too_large(largest)
            self.hold(len(part))
            if not message.get("more_body", False):
                return b"".join(parts)

    async def pieces(self, *, patience_s: float) -> AsyncGenerator[bytes, None]:
        """The body, bit by bit as it arrives.

        Raises:
            Refusal: The next bit does not come.
            Gone: The client left before it was all there.
        """
        more = self._is_asked_for = True
        while more:
            try:
                async with asyncio.timeout(patience_s):
                    message = await self._receive()
            except TimeoutError:
                raise too_slow() from None
            if message["type"] == "http.disconnect":
                raise Gone
            yield message.get("body", b"")
            more = message.get("more_body", False)

    def leaving(self, call: Any) -> "Leaving":
        """Watch for the client to leave while `call` is on its way."""
        return Leaving(self._receive, call)

    async def write(
        self, send: Send, reply: Reply | Stream, common: Sequence[Header] = (), *, patience_s: float
    ) -> None:
        """Send the reply, with headers that every reply has; a large one until the client has taken most of it.

        Raises:
            Gone: The client left before the end of a stream, or does not take what it asked for.
        """
        if isinstance(reply, Stream):
            await self._write_stream(send, reply, common)
            return
        written = [*reply.headers, *self._said(common)]
        if self._body_is_held_back:
            written.append(CLOSE)
        body = reply.body
        if reply.packable:
            written.append(encodings.VARY)
            if encodings.accepts(self.headers):
                body = reply.packed or encodings.packed(body)
                written.append((b"content-encoding", b"gzip"))
        if reply.status not in (204, 304):
            written.append((b"content-length", b"%d" % len(body)))
        if self.method == "HEAD":
            body = b""
        head = {"type": "http.response.start", "status": reply.status, "headers": written}
        if len(body) <= _LARGE:  # who takes none of these is left by the server
            await send(head)
            await send({"type": "http.response.body", "body": body})
            return
        try:
            async with asyncio.timeout(patience_s):
                await send(head)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.sleep(0)  # it is written at the end of this turn
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            raise Gone from None

    def _said(self, common: Sequence[Header]) -> list[Header]:
        """The headers of every reply to this request."""
        return [*common, *self.returned, *self.admission.headers, (b"x-request-id", self.request_id.encode())]

    async def _write_stream(self, send: Send, stream: Stream, common: Sequence[Header]) -> None:
        written = [*stream.headers, *self._said(common)]
        try:
            async with asyncio.timeout(stream.longest_s), aclosing(stream.frames) as frames:
                await send({"type": "http.response.start", "status": stream.status, "headers": written})
                if self.method != "HEAD":
                    async for frame in frames:
                        # Comes back when the client has taken most of what was sent before.
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except BrokenOff:
            return  # an answer without its end makes the server close the connection
        except TimeoutError:
            raise Gone from None
        finally:
            stream.close()


def too_slow() -> Refusal:
    """408: the body, or its next piece, does not come."""
    slow = "the body did not arrive in time"
    return refused(408, "DEADLINE_EXCEEDED", "BODY_TOO_SLOW", slow, headers=[CLOSE])


class Leaving:
    """Cancels a call whose client leaves."""

    __slots__ = ("_call", "_receive", "_task", "_timer", "gone")

    def __init__(self, receive: Receive, call: Any) -> None:
        """Begin to watch."""
        self.gone = False
        self._call = call
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER_S, self._watch)

    async def answer(self) -> bytes:
        """What the call is answered.

        Raises:
            AioRpcError: The server refused.
            Gone: The client has left.
        """
        try:
            data: bytes = await self._call
        except asyncio.CancelledError:
            if self.gone:
                raise Gone from None
            raise
        else:
            return data
        finally:
            self.stop()

    def stop(self) -> None:
        """The call has ended."""
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
