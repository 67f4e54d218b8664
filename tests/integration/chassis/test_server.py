"""The server and its interceptors, around handlers that misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
import structlog
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry.trace import StatusCode
from tandem.policy.v1 import policy_pb2
from tandem.work.v1 import project_pb2, project_pb2_grpc, task_pb2, task_pb2_grpc

from chassis import call as calls
from chassis.auth import Principal, TokenInvalid
from chassis.clock import SYSTEM_CLOCK
from chassis.errors import NotFound
from chassis.interceptors import InFlight, standard
from chassis.server import ServerSettings, Service, serving
from tests.support.doors import grpc_refusal
from tests.support.recording import Recording, recording
from work_service.app import PROJECTS, TASKS

SECRET = "the secret of the handler"


class KnownToAll:
    """Takes one token."""

    async def verify(self, token: str) -> Principal:
        if token != "good":
            raise TokenInvalid
        return Principal(UUID(int=1), "tandem", None, frozenset(), "1", SYSTEM_CLOCK.now())


class Nothing(NotFound):
    """There is nothing here."""

    reason = "TEST_NOTHING"


class Handlers:
    """Does what the request's name says."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.finished: list[str] = []
        self.go_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        if name in PROJECTS.methods_by_name:
            return self.GetProject  # nobody asks for the rest
        raise AttributeError(name)

    async def CreateProject(
        self, request: project_pb2.CreateProjectRequest, _context: Any
    ) -> project_pb2.CreateProjectResponse:
        return project_pb2.CreateProjectResponse(project=request.project)

    async def GetProject(self, request: project_pb2.GetProjectRequest, _context: Any) -> project_pb2.GetProjectResponse:
        self.entered.set()
        calls.current().permitted = request.project != "forgets-to-ask"
        try:
            match request.project:
                case "bug":
                    raise RuntimeError(SECRET)
                case "refuses":
                    await self.go_on.wait()
                    raise Nothing
                case "waits":
                    await asyncio.sleep(60)
        finally:
            if request.project == "refuses":
                await asyncio.sleep(0.2)  # a transaction that takes its time to end
            self.finished.append(request.project)
        return project_pb2.GetProjectResponse(project=project_pb2.Project(title=SECRET))


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@asynccontextmanager
async def served(handlers: Handlers, recorded: Recording, service: ServiceDescriptor = PROJECTS) -> AsyncIterator[str]:
    """The address of a server with these handlers."""
    in_flight = InFlight()
    verifier: Any = KnownToAll()
    async with serving(
        ServerSettings(listen="127.0.0.1:0", grace_s=5),
        [Service(service, (handlers,))],
        standard(recorded.telemetry, in_flight, verifier, domain="test"),
        in_flight,
        {},
    ) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def recorded() -> AsyncIterator[Recording]:
    with recording("test") as recorded:
        yield recorded


@pytest.fixture
async def stub(handlers: Handlers, recorded: Recording) -> AsyncIterator[Any]:
    async with served(handlers, recorded) as address, grpc.aio.insecure_channel(address) as channel:
        yield project_pb2_grpc.ProjectServiceStub(channel)


GOOD = (("authorization", "Bearer good"),)


class Exporting:
    """Has more to say than a client reads."""

    def __getattr__(self, name: str) -> Any:
        if name in TASKS.methods_by_name:
            return self.ExportTasks  # nobody asks for the rest
        raise AttributeError(name)

    async def ExportTasks(
        self, _request: task_pb2.ExportTasksRequest, _context: Any
    ) -> AsyncIterator[task_pb2.ExportTasksResponse]:
        calls.current().permitted = True
        while True:
            yield task_pb2.ExportTasksResponse(task=task_pb2.Task(description="x" * 100_000))


async def test_a_slow_reader_that_leaves_is_no_bug(recorded: Recording, capsys: pytest.CaptureFixture[str]) -> None:
    exporting: Any = Exporting()
    async with served(exporting, recorded, TASKS) as address, grpc.aio.insecure_channel(address) as channel:
        call = task_pb2_grpc.TaskServiceStub(channel).ExportTasks(
            task_pb2.ExportTasksRequest(project="p"), metadata=GOOD
        )
        await call.read()
        await asyncio.sleep(0.3)  # until what it does not read holds the server up
        call.cancel()
        span = await recorded.call()
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "CANCELLED"
    assert "unexpected failure" not in capsys.readouterr().err


async def get(stub: Any, name: str, metadata: Any = GOOD, **options: Any) -> Any:
    return await stub.GetProject(project_pb2.GetProjectRequest(project=name), metadata=metadata, **options)


async def test_an_answer_that_was_given_without_asking_is_not_given(stub: Any) -> None:
    assert (await get(stub, "asks")).project.title == SECRET
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(stub, "forgets-to-ask")
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert SECRET not in str(caught.value)


async def test_a_bug_tells_the_log_everything_and_the_caller_a_number(stub: Any, recorded: Recording) -> None:
    with structlog.testing.capture_logs() as logged, pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(stub, "bug")
    refusal = grpc_refusal(caught.value)
    assert refusal.code == "INTERNAL"
    assert refusal.reason == "INTERNAL"
    incident = refusal.metadata["incident"]
    assert refusal.message == f"internal error, incident {incident}"
    (entry,) = [entry for entry in logged if entry["event"] == "unexpected failure"]
    assert entry["incident"] == incident
    span = await recorded.call()
    assert span.status.status_code is StatusCode.ERROR
    assert SECRET not in json.dumps(json.loads(span.to_json()))


async def test_a_stranger_learns_nothing_about_our_fields(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(stub, "x" * 100, metadata=())
    assert grpc_refusal(caught.value).reason == "TOKEN_MISSING"


async def test_a_request_keeps_a_good_name_and_loses_a_bad_one(stub: Any) -> None:
    for sent, kept in (("my-request.1", True), ("a b", False), ("x" * 129, False)):
        with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logged:
            await get(stub, "asks", metadata=(*GOOD, ("x-request-id", sent)))
        (entry,) = [entry for entry in logged if entry["event"] == "call"]
        assert (entry["request_id"] == sent) is kept


async def test_a_caller_who_leaves_is_no_failure(stub: Any, handlers: Handlers, recorded: Recording) -> None:
    call = stub.GetProject(project_pb2.GetProjectRequest(project="waits"), metadata=GOOD)
    async with asyncio.timeout(30):
        await handlers.entered.wait()
        call.cancel()
        while "waits" not in handlers.finished or not recorded.spans:
            await asyncio.sleep(0.01)
    (span,) = recorded.spans
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "CANCELLED"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_handler_that_aborts_is_waited_for(handlers: Handlers, recorded: Recording) -> None:
    """`Server.stop` alone would return while the handler is still in its `finally`."""
    server = served(handlers, recorded)
    async with grpc.aio.insecure_channel(await server.__aenter__()) as channel:
        call = asyncio.create_task(get(project_pb2_grpc.ProjectServiceStub(channel), "refuses"))
        await handlers.entered.wait()
        stopping = asyncio.create_task(server.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        handlers.go_on.set()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        await stopping
    assert handlers.finished == ["refuses"]
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def streams(**streaming: bool) -> tuple[ServiceDescriptor, Any]:
    """A service whose one method streams, and the message that goes both ways."""
    file = descriptor_pb2.FileDescriptorProto(name="streams.proto", package="streams", syntax="proto3")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="Streams").method.add(name="Watch", **streaming)
    method.input_type = method.output_type = ".streams.Nothing"
    extensions: Any = method.options.Extensions
    extensions[policy_pb2.method].access = policy_pb2.MethodPolicy.Access.SIGNED_IN
    extensions[policy_pb2.method].permission = "task.read"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    nothing = message_factory.GetMessageClass(pool.FindMessageTypeByName("streams.Nothing"))
    return pool.FindServiceByName("streams.Streams"), nothing


async def test_a_method_that_streams_both_ways_does_not_start(recorded: Recording) -> None:
    descriptor, _ = streams(client_streaming=True, server_streaming=True)

    class Watching:
        Watch = None

    verifier: Any = KnownToAll()
    chain = standard(recorded.telemetry, InFlight(), verifier, domain="test")
    settings = ServerSettings(listen="127.0.0.1:0")
    with pytest.raises(LookupError, match="Watch streams both ways"):
        async with serving(settings, [Service(descriptor, (Watching(),))], chain, InFlight(), {}):
            pass


async def test_a_stream_that_did_not_ask_says_nothing(recorded: Recording) -> None:
    """Not one message: what is out cannot be taken back."""
    descriptor, nothing = streams(server_streaming=True)

    class Watching:
        async def Watch(self, _request: Any, _context: Any) -> AsyncIterator[Any]:
            for number in range(3):
                calls.current().permitted = (asks and number == 0) or calls.current().permitted
                yield nothing()

    in_flight = InFlight()
    verifier: Any = KnownToAll()
    settings = ServerSettings(listen="127.0.0.1:0", grace_s=5, reflection=False)
    chain = standard(recorded.telemetry, in_flight, verifier, domain="test")
    async with (
        serving(settings, [Service(descriptor, (Watching(),))], chain, in_flight, {}) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        watch: Any = channel.unary_stream("/streams.Streams/Watch")
        asks = True
        assert [message async for message in watch(b"", metadata=GOOD)] == [b"", b"", b""]
        asks = False
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(watch(b"", metadata=GOOD)))
        assert caught.value.code() is grpc.StatusCode.INTERNAL
