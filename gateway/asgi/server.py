"""uvicorn, set up to listen on a socket of ours and to drain.

Signals are left to whoever runs the process. What is not HTTP is refused in the shape of every other error.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from chassis.config import ConfigError
from chassis.ids import new_id
from gateway.asgi import headers
from gateway.errors import Refusal, refused, written

_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65_535  # beyond it, getaddrinfo begins at 0 again
_BACKLOG = 2048
_LARGEST_HEAD = 4 * headers.LARGEST  # what is over `headers.LARGEST` is refused when it is there, and this at once
_HEAD_S = 30.0
_LINGER_S = 30.0  # for an answer that is written to be taken
_MOST_WAITING = 64  # requests that were sent ahead
_KEEP_ALIVE_S = 75  # over the sixty seconds after which common load balancers give up an idle connection


class _Gathered:
    """A transport that sends in one go what is written to it in one turn of the loop.

    uvicorn writes the head of an answer and its body one after the other, and each would be a system call, a packet,
    and a moment at which the client wakes up.
    """

    __slots__ = ("_loop", "_parts", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send it at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Close the connection when everything is sent, or when the client does not take it."""
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(_LINGER_S, self._transport.abort)

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(HttpToolsProtocol):
    """uvicorn's, without what it leaves open.

    How long and how large a head may be, how long an answer waits to be taken, and who is told that the client has
    left. Bodies are bounded where they are read. What cannot be parsed is answered in JSON.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self._running: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the one that came last, and may wait behind it."""
        self._in_head = False
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._taking_timer: asyncio.TimerHandle | None = None
        self._is_told_again = False
        self._is_deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(_Gathered(transport, self.loop))  # type: ignore[arg-type] # it is used as one
        self._await_head(_KEEP_ALIVE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        if self._taking_timer is not None:
            self._taking_timer.cancel()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            _leave(self._running)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._in_head:
            self._head_size += len(data)
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as upgrade:
                    self._stay()
                    data = data[upgrade.args[0] :]
                else:
                    break
        except httptools.HttpParserError:
            self._refuse(refused(400, "INVALID_ARGUMENT", "MALFORMED_HTTP", "this is not HTTP"))
            return
        if self._in_head and self._head_size > _LARGEST_HEAD:
            message = f"the headers are larger than {headers.LARGEST} bytes"
            self._refuse(refused(431, "INVALID_ARGUMENT", "HEADERS_TOO_LARGE", message))
        elif self._in_head and self._head_timer is None:
            self._await_head(_HEAD_S)

    def on_message_begin(self) -> None:
        if not self._is_told_again:
            self._nothing_is_awaited()
            self._in_head, self._head_size = True, 0
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_told_again:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head and not self._is_told_again:  # else it is a trailer, which says nothing here (RFC 9110, 6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_told_again:
            return
        self._in_head = False
        self._nothing_is_awaited()
        super().on_headers_complete()
        if len(self.pipeline) > _MOST_WAITING:
            self.transport.abort()
        elif self.pipeline:
            self.flow.resume_reading()  # uvicorn stops here, and would not see that the client leaves

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle is not self._running and len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.transport.abort()  # what waits is kept, and who leaves is to be noticed: it cannot be more

    def on_message_complete(self) -> None:
        if not (self.parser.should_upgrade() and self._framing()):  # else the body is still to come
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking_timer = self.loop.call_later(_LINGER_S, self._nothing_is_taken)

    def resume_writing(self) -> None:
        if self._taking_timer is not None:
            self._taking_timer.cancel()
        super().resume_writing()

    def _nothing_is_taken(self) -> None:
        if self._running is not None and self._running.response_started and not self._running.response_complete:
            self._taking_timer = self.loop.call_later(_LINGER_S, self._nothing_is_taken)  # that has limits of its own
        else:
            self.transport.abort()

    def _framing(self) -> bytes:
        """The header that says how the body ends; empty where there is none."""
        codings = b", ".join(value for name, value in self.headers if name == b"transfer-encoding")
        if codings:
            return b"transfer-encoding: %b\r\n" % codings
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        return b"content-length: %b\r\n" % length if length.strip(b"0") else b""

    def _stay(self) -> None:
        """Go on in HTTP/1.1, whatever the client would rather speak (RFC 9110, 7.8): HTTP/2, by some clients' default.

        The parser takes what follows the head for the other protocol. Another one, that does not know of the wish, is
        told how the body ends, and reads on.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        framing = self._framing()
        if framing:
            self._is_told_again = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
            self._is_told_again = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _await_head(self, patience_s: float) -> None:
        self._head_timer = self.loop.call_later(patience_s, self._head_is_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _nothing_is_awaited(self) -> None:
        self._unset_keepalive_if_required()
        self._head_came()

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head and self.flow.read_paused:
            self._await_head(_HEAD_S)  # it may be here, and unread
        elif self._in_head:
            self._refuse(refused(408, "DEADLINE_EXCEEDED", "HEADERS_TOO_SLOW", "the headers did not arrive in time"))
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, if it is its turn, and close the connection."""
        running = self._running
        if running is not None and running is self.cycle and running.more_body and not running.response_started:
            _leave(running)  # it is its own body that is broken: there is no other answer
            running = None
        elif running is not None and not running.more_body and not running.response_started:
            # What it asks for may be done by now: it is answered, and what is behind it is not looked at.
            self._is_deaf, running.keep_alive, self._in_head = True, False, False
            self._head_came()
            self.pipeline.clear()
            return
        if running is None or running.response_complete:
            request_id = str(new_id())
            body = written(refusal, request_id)
            self.transport.write(
                b"%bcontent-type: application/json\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n"
                b"connection: close\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
                % (STATUS_LINE[refusal.http], request_id.encode(), len(body), body)
            )
        self.transport.close()


def _leave(cycle: RequestResponseCycle) -> None:
    """Tell a request that nobody waits for its answer any more."""
    cycle.disconnected = True
    cycle.message_event.set()


@asynccontextmanager
async def listening(app: Any, listener: socket.socket, *, grace_s: float) -> AsyncIterator[None]:
    """Answer requests until the block is left; then those that were accepted, for up to `grace_s`."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )
    config.load()
    server = uvicorn.Server(config)
    # What `Server.serve` does, without its signal handlers.
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    ticking = asyncio.create_task(server.main_loop(), name="uvicorn")
    try:
        yield
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[listener])


def speaks(method: str) -> bool:
    """Whether that is a method of HTTP that the parser knows."""
    try:
        httptools.HttpRequestParser(object()).feed_data(f"{method} / HTTP/1.1\r\n\r\n".encode())
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return False
    return True


def bound(listen: str) -> socket.socket:
    """A socket on `host:port`.

    Raises:
        ConfigError: It cannot be had.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise ConfigError(f"cannot listen on {listen}: expected host:port")
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        reason = error.strerror if isinstance(error, OSError) else "no name of a host"
        raise ConfigError(f"cannot listen on {listen}: {reason}") from None
    return listener
