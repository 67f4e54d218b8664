"""What the contract says about each method, and what must not start."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from tandem.policy.v1 import policy_pb2

from chassis.policy import Access, PolicyMissing, methods_of


def service(access: "policy_pb2.MethodPolicy.Access.ValueType", scope: str = "") -> ServiceDescriptor:
    """A service with one method that says this about itself."""
    file = descriptor_pb2.FileDescriptorProto(
        name="one.proto", package="one", dependency=["tandem/policy/v1/policy.proto"]
    )
    file.message_type.add(name="Nothing")
    method = file.service.add(name="One").method.add(name="Do", input_type=".one.Nothing", output_type=".one.Nothing")
    method.options.Extensions[policy_pb2.method].CopyFrom(policy_pb2.MethodPolicy(access=access, scope=scope))
    pool = descriptor_pool.DescriptorPool()
    for known in (descriptor_pb2.DESCRIPTOR, policy_pb2.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.Add(file)
    return pool.FindServiceByName("one.One")


def test_a_method_for_machines_says_which_scope_they_need() -> None:
    with pytest.raises(PolicyMissing, match=r"one\.One\.Do is for machines"):
        list(methods_of(service(Access.SERVICE)))


def test_a_method_carries_its_scope() -> None:
    ((_, method),) = methods_of(service(Access.SERVICE, "identity.read"))
    assert method.scope == "identity.read"
