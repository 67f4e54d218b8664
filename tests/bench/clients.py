"""Client processes: they send a case's requests, and count.

While it counts, a client looks at nothing but the status, so that it costs less than what it measures. What the answers
say is read before that and after it.
"""

import asyncio
import multiprocessing
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection

import grpc
import grpc.aio

from tests.bench.cases import Case, Lane, holds, read
from tests.bench.system import System

WARM_UP = 20
"""Requests per lane that are not counted. After them there are connections, prepared statements, keys and caches."""
TIMEOUT_S = 10.0
COMPLAINTS = 3  # of each client: enough to see what is wrong
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)

Send = Callable[[bytes], Awaitable[bytes]]


class Failed(Exception):
    """An answer that is not the one that was wanted."""


@dataclass
class Tally:
    """What came of one client's requests."""

    left: int = 0
    """How many may still be sent, and until when."""
    until: float = 0.0
    done: int = 0
    errors: int = 0
    complaints: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    def failed(self, complaint: str) -> None:
        """Count an error, and keep its words if they are among the first."""
        self.errors += 1
        if len(self.complaints) < COMPLAINTS:
            self.complaints.append(complaint)


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    requests: int
    errors: int
    elapsed_s: float
    cpu_us: dict[str, float]
    """Per request, by process; `client` is all clients together."""
    complaints: Sequence[str]


class Clients:
    """Processes that share the lanes of a case."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        """Speak with them through `pipes`; `started` starts them."""
        self._pipes = pipes

    @classmethod
    @contextmanager
    def started(cls, how_many: int) -> Iterator["Clients"]:
        """Client processes that end with the block."""
        spawn = multiprocessing.get_context("spawn")  # gRPC does not survive a fork
        ours, theirs = zip(*(spawn.Pipe() for _ in range(how_many)), strict=True)
        for pipe in theirs:
            spawn.Process(target=_client, args=(pipe,), daemon=True).start()
            pipe.close()
        try:
            yield cls(ours)
        finally:
            for pipe in ours:
                pipe.close()  # they end when there is nobody to tell them more

    def measured(self, system: System, case: Case, *, requests: int, seconds: float) -> Measured:
        """Send up to `requests`, for up to `seconds`."""
        for number, pipe in enumerate(self._pipes):
            share = replace(case, lanes=case.lanes[number :: len(self._pipes)])
            pipe.send((share, requests // len(self._pipes), seconds))
        self._when_all_are_done()  # warming up
        before = system.cpu_s()
        self._go_on()
        counted = self._when_all_are_done()
        after = system.cpu_s()
        self._go_on()
        checked = self._when_all_are_done()
        done = sum(tally.done for tally in counted)
        spent = {name: after[name] - before[name] for name in before}
        spent["client"] = sum(tally.cpu_s for tally in counted)
        return Measured(
            requests=done,
            errors=sum(tally.errors for tally in checked),
            elapsed_s=max(tally.elapsed_s for tally in counted),
            cpu_us={name: cpu_s / max(done, 1) * 1e6 for name, cpu_s in spent.items()},
            complaints=[complaint for tally in checked for complaint in tally.complaints],
        )

    def _when_all_are_done(self) -> Sequence[Tally]:
        return [pipe.recv() for pipe in self._pipes]

    def _go_on(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)


def _client(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent; we end with it
    asyncio.run(_drive_all(pipe))


async def _drive_all(pipe: Connection) -> None:
    with suppress(EOFError):
        while True:
            await _drive(pipe, *pipe.recv())


async def _drive(pipe: Connection, case: Case, requests: int, seconds: float) -> None:
    """Warm up, count, check. After each the parent is told, and before the next it is waited for."""
    tally = Tally()
    async with AsyncExitStack() as stack:
        door = _through_rest if case.door == "rest" else _through_grpc
        lanes = [(lane, await stack.enter_async_context(door(case))) for lane in case.lanes]
        await asyncio.gather(*(_check(case, lane, send, tally, WARM_UP) for lane, send in lanes))
        pipe.send(tally)
        pipe.recv()
        tally.left, began, cpu_s = requests, time.monotonic(), time.process_time()
        tally.until = began + seconds
        await asyncio.gather(*(_count(lane, send, tally) for lane, send in lanes))
        tally.elapsed_s, tally.cpu_s = time.monotonic() - began, time.process_time() - cpu_s
        pipe.send(tally)
        pipe.recv()
        await asyncio.gather(*(_check(case, lane, send, tally, len(lane)) for lane, send in lanes))
        pipe.send(tally)


async def _count(lane: Lane, send: Send, tally: Tally) -> None:
    """Go round for as long as there is something left, and always to the end of the round."""
    while tally.left > 0 and time.monotonic() < tally.until:
        for ask in lane:
            tally.left -= 1
            try:
                await send(ask.request)
            except Failed as failure:
                tally.failed(str(failure))
            tally.done += 1


async def _check(case: Case, lane: Lane, send: Send, tally: Tally, requests: int) -> None:
    """Send some, and read what the answers say."""
    for ask in (list(lane) * requests)[:requests]:
        try:
            answer = read(case, await send(ask.request))
        except Failed as failure:
            tally.failed(str(failure))
        else:
            if not holds(answer, ask.expected):
                tally.failed(f"expected {ask.expected}, and was told {answer}")


@asynccontextmanager
async def _through_grpc(case: Case) -> AsyncIterator[Send]:
    async with grpc.aio.insecure_channel(case.address) as channel:
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(case.path)
        metadata = grpc.aio.Metadata(("authorization", f"Bearer {case.token}"))

        async def send(request: bytes) -> bytes:
            try:
                answer: bytes = await rpc(request, metadata=metadata, timeout=TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                raise Failed(f"{error.code().name}: {error.details()}") from None
            return answer

        yield send


@asynccontextmanager
async def _through_rest(case: Case) -> AsyncIterator[Send]:
    """HTTP/1.1 over one connection. A client library would cost more than the gateway."""
    host, _, port = case.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def send(request: bytes) -> bytes:
        writer.write(request)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length is not None else b""
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise Failed(f"no answer: {error!r}") from None
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Failed((head.partition(b"\r\n")[0] + b" " + body).decode(errors="replace"))
        return body

    try:
        yield send
    finally:
        writer.close()
        await writer.wait_closed()
