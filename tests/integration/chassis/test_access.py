"""Who may call: every access that the contract knows, with every kind of caller."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from tandem.policy.v1 import policy_pb2

from chassis import call as calls
from chassis.auth import Principal, SubjectType, TokenInvalid
from chassis.clock import SYSTEM_CLOCK
from chassis.interceptors import InFlight, standard
from chassis.policy import Access
from chassis.server import ServerSettings, Service, serving
from tests.support.doors import grpc_refusal
from tests.support.recording import recording

POLICIES = {
    "ForAnyone": policy_pb2.MethodPolicy(access=Access.ANYONE),
    "ForPeople": policy_pb2.MethodPolicy(access=Access.SIGNED_IN),
    "ForAllWithScope": policy_pb2.MethodPolicy(access=Access.SIGNED_IN, scope="a.read"),
    "WithOrWithout": policy_pb2.MethodPolicy(access=Access.TOKEN_OPTIONAL),
    "WithOrWithoutScope": policy_pb2.MethodPolicy(access=Access.TOKEN_OPTIONAL, scope="a.read"),
    "ForMachines": policy_pb2.MethodPolicy(access=Access.SERVICE, scope="a.read"),
}


def described() -> ServiceDescriptor:
    """A service with one method of each kind."""
    file = descriptor_pb2.FileDescriptorProto(
        name="access.proto", package="access", dependency=["tandem/policy/v1/policy.proto"]
    )
    file.message_type.add(name="Nothing")
    service = file.service.add(name="Access")
    for name, policy in POLICIES.items():
        method = service.method.add(name=name, input_type=".access.Nothing", output_type=".access.Nothing")
        method.options.Extensions[policy_pb2.method].CopyFrom(policy)
    pool = descriptor_pool.DescriptorPool()
    for known in (descriptor_pb2.DESCRIPTOR, policy_pb2.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.Add(file)
    return pool.FindServiceByName("access.Access")


SERVICE = described()
NOTHING = message_factory.GetMessageClass(SERVICE.methods[0].output_type)


class Handlers:
    """Answers everything, and remembers who asked."""

    def __init__(self) -> None:
        self.asked_by: list[Principal | None] = []

    def __getattr__(self, name: str) -> Any:
        if name not in POLICIES:
            raise AttributeError(name)
        return self._answer

    async def _answer(self, _request: Message, _context: Any) -> Message:
        self.asked_by.append(calls.find_caller())
        return NOTHING()


class KnownTokens:
    """Takes the token of a person, and two of machines."""

    async def verify(self, token: str) -> Principal:
        now = SYSTEM_CLOCK.now()
        match token:
            case "person":
                return Principal(UUID(int=1), "tandem", UUID(int=9), frozenset(), "1", now)
            case "machine" | "reader":
                scopes = frozenset({"a.read", "b.read"} if token == "reader" else {"b.read"})
                return Principal(UUID(int=2), token, None, frozenset(), "2", now, SubjectType.SERVICE, scopes)
        raise TokenInvalid


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def channel(handlers: Handlers) -> AsyncIterator[grpc.aio.Channel]:
    in_flight = InFlight()
    verifier: Any = KnownTokens()
    with recording("test") as recorded:
        async with (
            serving(
                ServerSettings(listen="127.0.0.1:0", grace_s=5, reflection=False),
                [Service(SERVICE, (handlers,))],
                standard(recorded.telemetry, in_flight, verifier, domain="test"),
                in_flight,
                {},
            ) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            yield channel


async def outcome(channel: grpc.aio.Channel, method: str, authorization: str | None) -> str:
    """OK, or the reason that a call is refused for."""
    call: Any = channel.unary_unary(f"/access.Access/{method}")
    metadata = () if authorization is None else (("authorization", authorization),)
    try:
        await call(b"", metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return grpc_refusal(error).reason
    return "OK"


CALLERS = (None, "Bearer nonsense", "Bearer person", "Bearer machine", "Bearer reader")
MISSING, INVALID = "TOKEN_MISSING", "TOKEN_INVALID"
MATRIX = {
    "ForAnyone": ("OK", "OK", "OK", "OK", "OK"),
    "ForPeople": (MISSING, INVALID, "OK", "PEOPLE_ONLY", "PEOPLE_ONLY"),
    "ForAllWithScope": (MISSING, INVALID, "OK", "INSUFFICIENT_SCOPE", "OK"),
    "WithOrWithout": ("OK", INVALID, "OK", "PEOPLE_ONLY", "PEOPLE_ONLY"),
    "WithOrWithoutScope": ("OK", INVALID, "OK", "INSUFFICIENT_SCOPE", "OK"),
    "ForMachines": (MISSING, INVALID, "MACHINES_ONLY", "INSUFFICIENT_SCOPE", "OK"),
}


@pytest.mark.parametrize("method", POLICIES)
async def test_who_may_call(channel: grpc.aio.Channel, handlers: Handlers, method: str) -> None:
    said = tuple([await outcome(channel, method, caller) for caller in CALLERS])
    assert said == MATRIX[method]
    assert len(handlers.asked_by) == said.count("OK"), "who is refused reaches nobody"


async def test_a_caller_is_known_by_a_token_that_was_looked_at(channel: grpc.aio.Channel, handlers: Handlers) -> None:
    for method, caller in (
        ("ForAnyone", "Bearer person"),
        ("WithOrWithout", None),
        ("WithOrWithout", "Bearer person"),
        ("ForMachines", "Bearer reader"),
    ):
        await outcome(channel, method, caller)
    assert [caller and caller.client_id for caller in handlers.asked_by] == [None, None, "tandem", "reader"]


@pytest.mark.parametrize("authorization", ["Basic abc", "Bearer", ""])
async def test_what_is_sent_in_the_place_of_a_token_is_not_passed_over(
    channel: grpc.aio.Channel, authorization: str
) -> None:
    assert await outcome(channel, "WithOrWithout", authorization) == MISSING
