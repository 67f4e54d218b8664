"""What the contract says about each method: who may call it, and with which permission."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from tandem.policy.v1 import policy_pb2

Access = policy_pb2.MethodPolicy.Access


class PolicyMissing(Exception):
    """A method does not say who may call it, or not in full."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC as the contract describes it."""

    name: str
    """As telemetry spells it: `tandem.work.v1.TaskService/GetTask`."""
    request_class: type[Message]
    response_class: type[Message]
    client_streaming: bool
    server_streaming: bool
    access: "policy_pb2.MethodPolicy.Access.ValueType"
    permission: str
    """What the caller's role in the project has to grant; empty outside of projects."""
    scope: str
    """What a machine's token has to hold; empty where machines have no business."""
    roles: frozenset[str] = frozenset()
    """The global roles of which a person has to have one; empty where everybody may call."""


def methods_of(service: ServiceDescriptor) -> Iterator[tuple[str, Method]]:
    """Every method of the service, by its bare name.

    Raises:
        PolicyMissing: One of them does not say who may call it, or is for machines and does not say which.
    """
    for method in service.methods:
        policy = _policy_of(method)
        if policy.access == Access.ACCESS_UNSPECIFIED:
            raise PolicyMissing(f"{method.full_name} does not say who may call it: option (tandem.policy.v1.method)")
        if policy.access == Access.SERVICE and not policy.scope:
            raise PolicyMissing(f"{method.full_name} is for machines, and does not say which scope they need")
        yield (
            method.name,
            Method(
                name=f"{service.full_name}/{method.name}",
                request_class=message_factory.GetMessageClass(method.input_type),
                response_class=message_factory.GetMessageClass(method.output_type),
                client_streaming=method.client_streaming,
                server_streaming=method.server_streaming,
                access=policy.access,
                permission=policy.permission,
                scope=policy.scope,
                roles=frozenset(policy.roles),
            ),
        )


def _policy_of(method: MethodDescriptor) -> policy_pb2.MethodPolicy:
    extensions: Any = method.GetOptions().Extensions
    policy: policy_pb2.MethodPolicy = extensions[policy_pb2.method]
    return policy
