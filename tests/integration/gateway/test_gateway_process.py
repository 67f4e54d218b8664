"""`python -m gateway` as a process: what the person who starts it sees."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.conftest import Library, serving


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}  # noqa: TID251 - for a process of its own
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        env={**inherited, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def outcome(*arguments: str, **environment: str) -> tuple[int | None, str]:
    async with process(*arguments, **environment) as started, asyncio.timeout(60):
        _, stderr = await started.communicate()
        return started.returncode, stderr.decode()


async def port_of(started: asyncio.subprocess.Process) -> int:
    assert started.stderr is not None
    async for line in started.stderr:
        event = json.loads(line)
        if event["event"] == "serving":
            return int(event["port"])
    raise AssertionError((await started.communicate())[1])


async def test_serves_by_flags_until_sigterm_and_answers_what_was_accepted(descriptors: Path) -> None:
    library = Library()
    async with (
        serving(library) as address,
        process(
            "--descriptors", str(descriptors), "--upstream", f"library.v1={address}", "--listen", "127.0.0.1:0"
        ) as p,
        asyncio.timeout(60),
    ):
        port = await port_of(p)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/readyz")).status_code == 200
            pending = asyncio.create_task(client.post("/v1/act", json={"sleep": True}))
            await library.sleeping.wait()
            p.send_signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(0.5, library.waking.set)
            assert (await pending).status_code == 200
        assert await p.wait() == 0


async def test_serves_by_environment_and_ends_within_the_grace_period(descriptors: Path) -> None:
    library = Library()
    async with (
        serving(library) as address,
        process(
            GATEWAY_DESCRIPTORS=str(descriptors),
            GATEWAY_UPSTREAMS=f"library.v1={address}",
            GATEWAY_LISTEN="127.0.0.1:0",
            GATEWAY_GRACE_S="1",
        ) as p,
        asyncio.timeout(60),
    ):
        port = await port_of(p)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            pending = asyncio.create_task(client.post("/v1/act", json={"sleep": True}))
            await library.sleeping.wait()
            p.send_signal(signal.SIGINT)
            answer = await pending
            assert (answer.status_code, answer.json()["details"][0]["reason"]) == (503, "SHUTTING_DOWN")
        assert await p.wait() == 0


async def test_learns_the_contract_from_the_server() -> None:
    library = Library()
    async with (
        serving(library, reflects=True) as address,
        process("--reflect", address, "--listen", "127.0.0.1:0") as p,
        asyncio.timeout(60),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{await port_of(p)}") as client,
    ):
        answer = await client.post("/v1/shelves/s/books", json={"title": "t", "createTime": "2026-01-31T12:00:00Z"})
        assert (answer.status_code, answer.headers["location"]) == (201, "/v1/shelves/s/books/1")
        assert answer.json()["createTime"] == "2026-01-31T12:00:00Z"
        assert (await client.get("/health")).json()["services"] == {"library.v1.Library": "ok"}


async def test_a_server_without_reflection_is_one_line_and_exit_code_2() -> None:
    async with serving(Library()) as address:
        assert await outcome("--reflect", address) == (2, f"error: {address} has no reflection\n")


async def test_a_taken_port_is_one_line_and_exit_code_2(descriptors: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = await outcome(
            "--descriptors", str(descriptors), "--upstream", "library.v1=127.0.0.1:1", "--listen", listen
        )
    assert (code, said) == (2, f"error: cannot listen on {listen}: Address already in use\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "missing GATEWAY_DESCRIPTORS, GATEWAY_UPSTREAMS"),
        (["--descriptors", "{set}"], "missing GATEWAY_DESCRIPTORS, GATEWAY_UPSTREAMS"),
        (["--descriptors", "{set}", "--reflect", "127.0.0.1:1"], "the contract has one source"),
        (["--descriptors", "{set}", "--upstream", "nothing"], "GATEWAY_UPSTREAMS: "),
        (["--descriptors", "{set}", "--upstream", "other=127.0.0.1:1"], "no upstream answers for library.v1.Library"),
        (["--descriptors", "no-such-file", "--upstream", "x=y:1"], "cannot read no-such-file: No such file"),
        (["--descriptors", "{set}", "--upstream", "library=y:1", "--listen", "x"], "cannot listen on x"),
        (["--descriptors", "{set}", "--upstream", "library=y:1", "--listen", "127.0.0.1:99999"], "cannot listen on"),
        (["--descriptors", "{set}", "--upstream", "library=y:1", "--listen", "a..b:80"], "cannot listen on a..b:80"),
        (["--descriptors", "{set}", "--upstream", "library=y"], "expected NAME=HOST:PORT"),
        (["--descriptors"], "argument --descriptors: expected one argument"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
async def test_a_mistake_is_one_line_and_exit_code_2(descriptors: Path, arguments: list[str], complaint: str) -> None:
    code, said = await outcome(*(argument.replace("{set}", str(descriptors)) for argument in arguments))
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert complaint in said


async def test_a_header_that_is_never_forwarded_is_refused(descriptors: Path) -> None:
    code, said = await outcome(
        "--descriptors", str(descriptors), "--upstream", "library=y:1", GATEWAY_FORWARD_HEADERS="Accept, Grpc-Status"
    )
    assert code == 2
    assert "GATEWAY_FORWARD_HEADERS" in said
    assert "grpc-status" in said
