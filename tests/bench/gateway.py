"""`make bench-gateway`: what the gateway itself costs, beside the least that Python can do and beside Envoy.

All stand before one upstream, whose answers are made beforehand, and are asked in turn: for one resource, and for a
list of 20. Counted is the CPU time of each one's own process, as /proc has it: Linux only. Ends with 1 when an answer
was not the one that was asked for.
"""

import argparse
import asyncio
import importlib.util
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from standalone.ports import free_port
from standalone.settings import PROJECT
from tests.bench.system import UNLIMITED, cpu_s_of, environment
from tests.support.envoy import EXECUTABLE, deployed
from tests.unit.gateway import toy

PATHS = {"one": "/v1/shelves/a/books/1", "list of 20": "/v1/shelves/a/books"}
WARM_UP = 100
STARTS_WITHIN_S = 60
LONGEST_S = 300.0  # all rounds together
UVLOOP = "import runpy, uvloop; uvloop.install(); runpy.run_module('gateway', run_name='__main__')"
"""`-c`: where uvloop is installed, the same on its loop."""


def book(number: int) -> Any:
    """A resource of the usual size."""
    return toy.google_type("Book")(
        shelf="a",
        number=number,
        title=f"On Stones, {number}",
        authors=["Ada", "Grace"],
        pages=312,
        create_time={"seconds": 1_769_860_800 + number},
        etag=f"{number}",
    )


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """A server with two answers; it is in this process, and not counted."""
    books = [book(number) for number in range(1, 21)]
    answers = {
        "GetBook": toy.google_type("BookResponse")(book=books[0]).SerializeToString(),
        "ListBooks": toy.google_type("ListBooksResponse")(books=books).SerializeToString(),
    }

    def handler(answer: bytes) -> Any:
        async def answered(_request: bytes, _context: Any) -> bytes:
            return answer

        return grpc.unary_unary_rpc_method_handler(answered)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {name: handler(answer) for name, answer in answers.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("library.v1.Library", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def contestants(folder: Path, address: str) -> Iterator[tuple[str, int, Sequence[str], dict[str, str]]]:
    """Name, port, command and environment of each."""
    contract = folder / "library.binpb"
    contract.write_bytes(toy.library_set())
    port = free_port()
    options = ("--descriptors", str(contract), "--upstream", f"library.v1={address}", "--listen", f"127.0.0.1:{port}")
    yield "gateway", port, (sys.executable, "-m", "gateway", *options), UNLIMITED
    if importlib.util.find_spec("uvloop") is not None:
        port = free_port()
        options = (*options[:-1], f"127.0.0.1:{port}")
        yield "gateway, uvloop", port, (sys.executable, "-c", UVLOOP, *options), UNLIMITED
    port = free_port()
    yield "bare loop", port, (sys.executable, "-m", "tests.bench.bare", str(port), address, str(contract)), {}
    if EXECUTABLE.exists():
        for name, is_bare in (("Envoy, transcoder only", True), ("Envoy, deploy/envoy", False)):
            port = free_port()
            home = folder / name.split()[-1]
            config = deployed(home, contract, port, identity=address, work=address)
            config.write_text(for_the_library(config.read_text(), transcoder_only=is_bare))
            flags = ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error")
            yield name, port, (str(EXECUTABLE), "--config-path", str(config), *flags), {}


def for_the_library(config: str, *, transcoder_only: bool) -> str:
    """deploy/envoy, for the toy contract; if so, without scripts and probes."""
    config = re.sub(r"(?m)^ +- tandem\.(?!work\.v1\.TaskService).*\n", "", config)
    config = config.replace("tandem.work.v1.TaskService", "library.v1.Library")
    config = config.replace("/tandem.work.v1.", "/library.v1.")
    if transcoder_only:
        for name in ("health", "ready", "rest", "method"):
            config = re.sub(rf"(?m)^( {{18}})- name: {name}\n(\1  .*\n)+(\1# .*\n)*", "", config)
    return config


@contextmanager
def started(command: Sequence[str], settings: dict[str, str]) -> Iterator[int]:
    """A process until the block is left; its id."""
    with (PROJECT / os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment() | settings, stdout=nowhere, stderr=nowhere)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def asked(port: int, path: str, requests: int, lanes: int) -> None:
    """Send so many requests, some at a time, and look at every answer."""
    head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x.y.z\r\naccept: application/json\r\n\r\n"

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests // lanes):
            writer.write(head.encode())
            said = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *([0-9]+)", said)
            body = await reader.readexactly(int(length[1])) if length is not None else b""
            if not said.startswith(b"HTTP/1.1 200") or b"On Stones, 1" not in body:
                raise RuntimeError(f"{path} on port {port}: {said!r} {body!r}")
        writer.close()

    async with asyncio.timeout(LONGEST_S):
        await asyncio.gather(*(lane() for _ in range(lanes)))


async def ready(port: int) -> None:
    """Come back when it answers."""
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            try:
                await asked(port, PATHS["one"], 1, 1)
            except (OSError, RuntimeError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            else:
                return


async def measured(requests: int, rounds: int, lanes: int) -> dict[str, dict[str, float]]:
    """CPU microseconds per request: of every contestant, for every path, the median round."""
    costs: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder, ExitStack() as processes:
        async with upstream() as address:
            running = [
                (name, port, processes.enter_context(started(command, environment)))
                for name, port, command, environment in contestants(Path(folder), address)
            ]
            for _, port, _ in running:
                await ready(port)
                for path in PATHS.values():
                    await asked(port, path, WARM_UP * lanes, lanes)
            for _ in range(rounds):
                for kind, path in PATHS.items():
                    for name, port, pid in running:
                        before = cpu_s_of(pid)
                        await asked(port, path, requests, lanes)
                        spent = (cpu_s_of(pid) - before) / (requests // lanes * lanes) * 1e6
                        costs.setdefault(name, {}).setdefault(kind, []).append(spent)
    return {name: {kind: statistics.median(all_of) for kind, all_of in by.items()} for name, by in costs.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every answer was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="per round and path (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (%(default)s)")
    parser.add_argument("--lanes", type=int, default=16, help="requests under way at a time (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        costs = asyncio.run(measured(options.requests, options.rounds, options.lanes))
    except (RuntimeError, TimeoutError) as failure:
        sys.stderr.write(f"bench-gateway: {failure}\n")
        return 1
    sys.stdout.write(
        f"{'CPU microseconds per request':28}" + "".join(f"{kind:>12}" for kind in PATHS) + "   times the bare loop\n"
    )
    bare = costs["bare loop"]
    for name, by in costs.items():
        times = ", ".join(f"{by[kind] / bare[kind]:.2f}" for kind in PATHS)
        sys.stdout.write(f"{name:28}" + "".join(f"{by[kind]:12.0f}" for kind in PATHS) + f"   {times}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
