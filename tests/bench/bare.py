"""The least that a gateway in Python can be: `python -m tests.bench.bare PORT UPSTREAM DESCRIPTORS`.

One asyncio protocol, httptools, grpc.aio and protobuf-py; two routes written by hand, and nothing that a gateway is
for: no limits, no errors, no headers, no log. What ours costs is held against it.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc.aio
import httptools

from gateway import descriptors


class Bare(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, routes: dict[int, tuple[Any, Any, Any]]) -> None:
        """`routes` are by the number of segments: the request's type, the call, the answer's type."""
        self._routes = routes
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = httptools.parse_url(url).path

    def on_message_complete(self) -> None:
        segments = self._path.decode().split("/")
        self._task = asyncio.get_running_loop().create_task(self._answer(segments))

    async def _answer(self, segments: list[str]) -> None:
        request, rpc, answer = self._routes[len(segments)]
        message = request()
        message.shelf = segments[3]
        if len(segments) > 5:
            message.book = segments[5]
        data = await rpc(message.to_binary(), timeout=15)
        body = answer.from_binary(data).to_json(always_emit_implicit=True).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


async def main(port: int, upstream: str, contract: Path) -> None:
    methods = {method.name: method for method in descriptors.load(contract).methods}
    async with grpc.aio.insecure_channel(upstream) as channel:
        routes: dict[int, tuple[Any, Any, Any]] = {}
        for segments, name in ((6, "GetBook"), (5, "ListBooks")):
            method = methods[name]
            routes[segments] = (method.input.type, channel.unary_unary(f"/{method.full_name}"), method.output.type)
        server = await asyncio.get_running_loop().create_server(lambda: Bare(routes), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
