"""uvicorn, set up to listen on a socket of ours and to drain.

Signals are left to whoever runs the process. What is not HTTP is refused in the shape of every other error.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.config import ConfigError
from chassis.ids import new_id
from gateway.errors import refused, written

_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65_535  # beyond it, getaddrinfo begins at 0 again
_BACKLOG = 2048
_KEEP_ALIVE_S = 75  # over the sixty seconds after which common load balancers give up an idle connection


class _Protocol(HttpToolsProtocol):
    """Answers what cannot be parsed in JSON."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are for its log
        request_id = str(new_id())
        body = written(refused(400, "INVALID_ARGUMENT", "MALFORMED_HTTP", "this is not HTTP"), request_id)
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n"
            b"cache-control: no-store\r\nconnection: close\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (request_id.encode(), len(body), body)
        )
        self.transport.close()


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
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigError(f"cannot listen on {listen}: {error.strerror}") from None
    return listener
