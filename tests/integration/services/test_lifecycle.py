"""Services as processes: how they start, tell their health, drain and end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tandem.work.v1 import task_pb2, task_pb2_grpc

from standalone.ports import free_port
from standalone.postgres import Cluster
from tests.contract.test_concurrency import locked_elsewhere, wait_for_a_lock
from tests.support.databases import Databases
from tests.support.doors import GrpcDoor, grpc_refusal
from tests.support.machines import new_client_secret
from tests.support.people import Person, known, signed_up
from tests.support.stack import ISSUER, new_secret, running_stack

ROOT = Path(__file__).parents[3]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def process(module: str, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module`, ended at the latest with the block."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("IDENTITY_", "WORK_"))}  # noqa: TID251 - handed on
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env=inherited | environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def health_of(address: str, name: str) -> int | None:
    """What the service of that name is said to be, or None when nobody says anything."""
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer: health_pb2.HealthCheckResponse = await stub.Check(
                health_pb2.HealthCheckRequest(service=name), timeout=2
            )
        except grpc.aio.AioRpcError:
            return None
        return answer.status


def watch(channel: grpc.aio.Channel, name: str) -> Any:
    """The stream of that name's health."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return stub.Watch(health_pb2.HealthCheckRequest(service=name))


async def becomes(address: str, name: str, wanted: int | None, *, within: float = 120) -> None:
    """Return once the health of that name is what is wanted."""
    async with asyncio.timeout(within):
        while await health_of(address, name) != wanted:
            await asyncio.sleep(0.05)


def work_settings(url: str, identity_address: str, **more: str) -> dict[str, str]:
    return {
        "WORK_LISTEN": f"127.0.0.1:{free_port()}",
        "WORK_DATABASE_URL": url,
        "WORK_SECRET_KEY": new_secret(),
        "WORK_CLIENT_SECRET": new_client_secret(),
        "WORK_IDENTITY_ADDRESS": identity_address,
        "WORK_TOKEN_ISSUER": ISSUER,
        "WORK_LOCK_TIMEOUT_MS": "5000",
    } | more


async def test_sigterm_lets_accepted_calls_end_and_waits_for_those_that_abort(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        ada: Person = await signed_up(stack.doors["grpc"])
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        task = await ada.call("CreateTask", project=project["id"], task={"title": "Land"})
        settings = work_settings(stack.work_url, stack.identity_address)
        async with process("work_service", settings) as work:
            address = settings["WORK_LISTEN"]
            await becomes(address, "readiness", SERVING)
            async with grpc.aio.insecure_channel(address) as channel:
                stub = task_pb2_grpc.TaskServiceStub(channel)

                async def move(status: "task_pb2.Task.Status.ValueType") -> Any:
                    request = task_pb2.TransitionTaskRequest(project=project["id"], task=task["id"], status=status)
                    return await stub.TransitionTask(request, metadata=(("authorization", f"Bearer {ada.token}"),))

                async with locked_elsewhere(stack.work_url, task["id"]):
                    allowed = asyncio.create_task(move(task_pb2.Task.Status.CANCELLED))
                    refused = asyncio.create_task(move(task_pb2.Task.Status.IN_REVIEW))  # from nowhere near
                    await wait_for_a_lock(stack.work_url, how_many=2)
                    watched = watch(channel, "readiness")
                    assert (await watched.read()).status == SERVING
                    work.send_signal(signal.SIGTERM)
                    assert (await watched.read()).status == NOT_SERVING
                assert (await allowed).task.status == task_pb2.Task.Status.CANCELLED
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await refused
                assert grpc_refusal(caught.value).reason == "ILLEGAL_TRANSITION"
            assert await asyncio.wait_for(work.wait(), 20) == 0
        moved = await ada.call("GetTask", project=project["id"], task=task["id"])
        assert moved["status"] == "CANCELLED"


async def test_the_database_turns_readiness_but_never_liveness(tmp_path: Path) -> None:
    with Cluster.started(tmp_path / "postgres", durable=False) as cluster:
        async with running_stack(Databases(cluster)) as stack:
            for address, service in (
                (stack.identity_address, "tandem.identity.v1.AuthService"),
                (stack.work_address, "tandem.work.v1.TaskService"),
            ):
                names = ("readiness", "database", service)
                for name in (*names, "liveness", ""):
                    assert await health_of(address, name) == SERVING, name
                assert await health_of(address, "nonsense") is None
            ada = await known(stack, await signed_up(stack.doors["rest"]))
            project = await ada.call("CreateProject", project={"title": "Apollo"})
            rest: Any = stack.doors["rest"]

            await asyncio.to_thread(cluster.stop)
            for address in (stack.identity_address, stack.work_address):
                await becomes(address, "readiness", NOT_SERVING)
                await becomes(address, "database", NOT_SERVING)
                assert await health_of(address, "liveness") == SERVING
                assert await health_of(address, "") == SERVING
            refused = await rest.send("GetProject", token=ada.token, project=project["id"])
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
            assert (await rest.client.get("/healthz")).status_code == 200
            async with asyncio.timeout(10):
                while (await rest.client.get("/readyz")).status_code != 503:
                    await asyncio.sleep(0.05)
            assert (await rest.client.get("/health")).json()["database"] != "ok"

            await asyncio.to_thread(cluster.start)
            for address in (stack.identity_address, stack.work_address):
                await becomes(address, "readiness", SERVING)
            assert await ada.call("GetProject", project=project["id"]) == project
            async with asyncio.timeout(10):
                while (await rest.client.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.05)


async def test_work_goes_on_while_identity_is_down(databases: Databases) -> None:
    """With the keys it has; a work service that never had any says that it cannot tell."""
    async with running_stack(databases) as stack:
        ada = await known(stack, await signed_up(stack.doors["grpc"]))
        settings = work_settings(stack.work_url, f"127.0.0.1:{free_port()}")
        async with process("work_service", settings):
            address = settings["WORK_LISTEN"]
            await becomes(address, "readiness", SERVING)
            async with grpc.aio.insecure_channel(address) as channel:
                lonely = GrpcDoor({"tandem.work.v1": channel})
                with pytest.raises(Exception, match="KEYS_UNAVAILABLE"):
                    await ada.through(lonely).call("GetProject", project="p")
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        await stack.stop_identity()
        stack.clock.advance(minutes=9)  # the keys are old enough to be fetched again, the token is still good
        for _ in range(3):
            assert await ada.call("GetProject", project=project["id"]) == project


@pytest.mark.parametrize("module", ["identity_service", "work_service"])
async def test_missing_settings_are_named_in_one_line(module: str) -> None:
    async with process(module, {}) as service:
        _, said = await asyncio.wait_for(service.communicate(), 120)
    prefix = module.removesuffix("_service").upper()
    assert service.returncode == 2
    assert said.decode().splitlines() == [
        f"error: missing {', '.join(sorted(missing(prefix), key=said.decode().index))}"
    ]


def missing(prefix: str) -> list[str]:
    names = [f"{prefix}_DATABASE_URL", f"{prefix}_SECRET_KEY"]
    return names if prefix == "IDENTITY" else [*names, "WORK_IDENTITY_ADDRESS", "WORK_CLIENT_SECRET"]


async def complaint(settings: dict[str, str]) -> str:
    """What a work service says that does not start."""
    async with process("work_service", settings) as service:
        _, said = await asyncio.wait_for(service.communicate(), 60)
    assert service.returncode == 2, said
    (line,) = [line for line in said.decode().splitlines() if line.startswith("error: ")]
    assert not any("Traceback" in line for line in said.decode().splitlines())
    return line


async def test_a_secret_that_is_too_short_is_refused_and_not_shown() -> None:
    settings = work_settings("postgresql://u:p@127.0.0.1:1/x", "127.0.0.1:1", WORK_SECRET_KEY="c2hvcnQ")
    line = await complaint(settings)
    assert line == "error: WORK_SECRET_KEY: must be at least 32 random bytes in base64url"


async def test_a_url_that_is_none_is_refused_and_not_shown() -> None:
    line = await complaint(work_settings("mysql://u:hunter2@127.0.0.1/x", "127.0.0.1:1"))
    assert line.startswith("error: WORK_DATABASE_URL: must look like postgresql://")
    assert "hunter2" not in line


async def test_an_unreachable_database_is_refused() -> None:
    line = await complaint(work_settings(f"postgresql://u:p@127.0.0.1:{free_port()}/x", "127.0.0.1:1"))
    assert line == "error: the work database cannot be reached"


async def test_a_schema_that_is_behind_is_refused(databases: Databases) -> None:
    line = await complaint(work_settings(databases.empty(), "127.0.0.1:1"))
    assert line == "error: the schema of the work database is behind (found nothing): run `python -m migrations`"


async def test_a_taken_port_is_refused(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        line = await complaint(work_settings(stack.work_url, "127.0.0.1:1", WORK_LISTEN=stack.work_address))
        assert line == f"error: cannot listen on {stack.work_address}: is the port taken?"


async def test_a_secret_may_come_from_a_file(databases: Databases, tmp_path: Path) -> None:
    async with running_stack(databases) as stack:
        settings = work_settings(stack.work_url, stack.identity_address)
        (tmp_path / "secret").write_text(settings.pop("WORK_SECRET_KEY") + "\n")
        async with process("work_service", settings | {"WORK_SECRET_KEY_FILE": str(tmp_path / "secret")}):
            await becomes(settings["WORK_LISTEN"], "readiness", SERVING)


async def test_another_secret_does_not_open_the_signing_keys(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        settings = {
            "IDENTITY_LISTEN": "127.0.0.1:0",
            "IDENTITY_DATABASE_URL": stack.identity_url,
            "IDENTITY_SECRET_KEY": new_secret(),
        }
        async with process("identity_service", settings) as identity:
            _, said = await asyncio.wait_for(identity.communicate(), 120)
        assert identity.returncode == 2
        assert said.decode().splitlines()[-1] == (
            "error: IDENTITY_SECRET_KEY is not the one that sealed the signing keys"
        )


async def test_two_replicas_that_start_at_once_agree_on_the_first_key(databases: Databases) -> None:
    url, secret = databases.clone("identity"), new_secret()
    settings = [
        {
            "IDENTITY_LISTEN": f"127.0.0.1:{free_port()}",
            "IDENTITY_DATABASE_URL": url,
            "IDENTITY_SECRET_KEY": secret,
        }
        for _ in range(2)
    ]
    async with process("identity_service", settings[0]), process("identity_service", settings[1]):
        keys = []
        for replica in settings:
            await becomes(replica["IDENTITY_LISTEN"], "readiness", SERVING)
            async with grpc.aio.insecure_channel(replica["IDENTITY_LISTEN"]) as channel:
                keys.append(await GrpcDoor({"tandem.identity.v1": channel}).call("GetJsonWebKeySet"))
    assert keys[0] == keys[1]
    assert len(keys[0]["keys"]) == 1
