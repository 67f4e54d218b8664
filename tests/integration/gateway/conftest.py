"""A real gRPC server of nobody's, and the real gateway in front of it, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.app import running
from gateway.config import GatewayConfig
from tests.support.recording import Recording, recording
from tests.unit.gateway import toy

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class Library:
    """The server: books in memory, and an `Act` that does as it is told."""

    books: dict[tuple[str, str], Any] = field(default_factory=dict)
    calls: list[tuple[str, Any, dict[str, Any]]] = field(default_factory=list)
    sleeping: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    waking: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    health: Any = None

    async def create_book(self, request: Any, context: Context) -> Any:
        del context
        request.book.number = len(self.books) + 1
        request.book.etag = "1"
        self.books[request.book.shelf, str(request.book.number)] = request.book
        return toy.google_type("BookResponse")(book=request.book)

    async def get_book(self, request: Any, context: Context) -> Any:
        book = self.books.get((request.shelf, request.book))
        if book is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such book")
        return toy.google_type("BookResponse")(book=book)

    async def list_books(self, request: Any, context: Context) -> Any:
        del context
        books = [book for (shelf, _), book in self.books.items() if shelf == request.shelf]
        return toy.google_type("ListBooksResponse")(books=books, titles=[book.title for book in books])

    async def lend_book(self, request: Any, context: Context) -> Any:
        return await self.get_book(request, context)

    async def delete_book(self, request: Any, context: Context) -> Any:
        del context
        self.books.pop((request.shelf, request.book), None)
        return toy.google_type("ActRequest")()  # as empty as Empty

    async def edit(self, request: Any, context: Context) -> Any:
        del context
        return request

    async def watch(self, request: Any, context: Context) -> AsyncIterator[Any]:
        async for number in self._numbers(request, context):
            book = {"title": f"line\nbreak {number}", "etag": "x" * request.padding}
            yield toy.google_type("WatchResponse")(number=number, book=book)

    async def download(self, request: Any, context: Context) -> AsyncIterator[Any]:
        async for number in self._numbers(request, context):
            data = f"{number}\n".encode() + b"x" * request.padding
            yield toy.google_type("google.api.HttpBody")(content_type="text/csv" if number == 1 else "", data=data)

    async def _numbers(self, request: Any, context: Context) -> AsyncIterator[int]:
        for number in range(request.after + 1, request.after + request.count + 1):
            self.sent = number
            yield number
        if request.hang:
            self.sleeping.set()
            try:
                await self.waking.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if request.code:
            await context.abort(grpc.StatusCode[request.code], "no more")

    async def collect(self, requests: AsyncIterator[Any], context: Context) -> Any:
        taken = 0
        try:
            async for request in requests:
                self.calls.append(("Collect", request, dict(context.invocation_metadata() or ())))
                self.sent = taken = taken + 1
                if request.code:
                    await context.abort(grpc.StatusCode[request.code], "no more")
                if request.hang:
                    self.sleeping.set()
                    await self.waking.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return toy.google_type("CollectResponse")(count=taken)

    async def put_picture(self, request: Any, context: Context) -> Any:
        del context
        return request

    async def copy(self, request: Any, context: Context) -> Any:
        del context
        return request

    async def sign(self, request: Any, context: Context) -> Any:
        del context
        return request

    async def issue_token(self, request: Any, context: Context) -> Any:
        request.authorization = dict(context.invocation_metadata() or ()).get("authorization", "")
        if request.scope:
            details = status_pb2.Status(code=16)
            details.details.add().Pack(error_details_pb2.ErrorInfo(reason=request.scope))
            context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        return request

    async def describe(self, request: Any, context: Context) -> Any:
        del context
        return toy.google_type("Described")(nested_one=request, my_numbers=[request.my_number])

    async def get_file(self, request: Any, context: Context) -> Any:
        del context
        return request

    async def echo(self, request: Any, context: Context) -> Any:
        del context
        return request

    async def act(self, request: Any, context: Context) -> Any:
        if request.sleep:
            self.sleeping.set()
            try:
                await self.waking.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        await context.send_initial_metadata((("x-cost", "7"), ("x-secret", "s"), ("x-data-bin", b"1")))
        context.set_trailing_metadata((("x-rest", "3"),))
        if request.crash:
            raise RuntimeError("a secret of the server")
        if request.code:
            if request.details:
                context.set_trailing_metadata((("grpc-status-details-bin", request.details),))
            await context.abort(grpc.StatusCode[request.code], request.message)
        remaining = context.time_remaining()
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        return toy.google_type("ActResponse")(
            metadata=metadata, has_deadline=remaining is not None, deadline_s=remaining or 0
        )

    def handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "library.v1.Library",
            {
                method.name: self._handler(method.name, toy.google_type(method.input.type_name))
                for method in toy.library().methods
            },
        )

    def _handler(self, name: str, kind: Any) -> Any:
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        behaviour: Any = getattr(self, snake)

        async def handle(request: Any, context: Context) -> Any:
            self.calls.append((name, request, dict(context.invocation_metadata() or ())))
            return await behaviour(request, context)

        async def handle_stream(request: Any, context: Context) -> AsyncIterator[Any]:
            self.calls.append((name, request, dict(context.invocation_metadata() or ())))
            async for message in behaviour(request, context):
                yield message
            if request.garbage:
                yield None

        def serialized(message: Any) -> bytes:
            return b"\xff" if message is None else bytes(message.SerializeToString())

        if toy.method(name).kind == "client_streaming":
            return grpc.stream_unary_rpc_method_handler(
                behaviour, request_deserializer=kind.FromString, response_serializer=serialized
            )
        if toy.method(name).kind == "server_streaming":
            return grpc.unary_stream_rpc_method_handler(
                handle_stream, request_deserializer=kind.FromString, response_serializer=serialized
            )
        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=kind.FromString, response_serializer=serialized
        )


@dataclass
class Running:
    """A library and the gateway in front of it."""

    library: Library
    address: str
    port: int
    client: httpx.AsyncClient
    recording: Recording


@asynccontextmanager
async def serving(library: Library, *, listen: str = "127.0.0.1:0", reflects: bool = False) -> AsyncIterator[str]:
    """The library's server; its address."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((library.handlers(),))
    library.health = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(library.health, server)
    if reflects:
        names = ("library.v1.Library", "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, pool=toy.pool())
    port = server.add_insecure_port(listen)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def set_health(library: Library, **names: bool) -> None:
    for name, well in names.items():
        status = health_pb2.HealthCheckResponse.SERVING if well else health_pb2.HealthCheckResponse.NOT_SERVING
        await library.health.set(name.replace("everything", ""), status)


@pytest.fixture(scope="session")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "library.binpb"
    path.write_bytes(toy.library_set())
    return path


@asynccontextmanager
async def gateway_to(library: Library, address: str, descriptors: Path, **settings: Any) -> AsyncIterator[Running]:
    """The real gateway on a free port."""
    unlimited = {"reads_per_minute": 0, "writes_per_minute": 0, "anonymous_per_minute": 0}  # all tests are one address
    config = GatewayConfig(
        descriptors=descriptors, upstreams=f"library.v1={address}", listen="127.0.0.1:0", **{**unlimited, **settings}
    )
    with recording("gateway") as recorded:
        async with (
            running(config, telemetry=recorded.telemetry) as gateway,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client,
        ):
            yield Running(library, address, gateway.port, client, recorded)


@asynccontextmanager
async def connected(
    gateway: Running, *, takes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection; the system `takes` so many bytes for a client that does not read."""
    raw = socket.socket()
    if takes is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
    raw.setblocking(False)  # noqa: FBT003 - its only argument
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", gateway.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    try:
        async with asyncio.timeout(60):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(scope="session")
async def shared(descriptors: Path) -> AsyncIterator[Running]:
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, forward_headers="accept-language") as gateway,
    ):
        yield gateway


@pytest.fixture
def gateway(shared: Running) -> Running:
    """The shared gateway, with nothing in the library and nothing recorded."""
    library = shared.library
    library.books.clear()
    library.calls.clear()
    for event in (library.sleeping, library.cancelled, library.waking):
        event.clear()
    library.sent = 0
    shared.recording.clear()
    return shared


@pytest.fixture
def client(gateway: Running) -> httpx.AsyncClient:
    return gateway.client
