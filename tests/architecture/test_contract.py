"""What must hold for every method of the contract, whoever writes it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tandem.identity.v1 import (
    auth_pb2,
    feed_pb2,
    mail_pb2,
    profile_pb2,
    service_account_pb2,
    signing_key_pb2,
    token_pb2,
    user_pb2,
)
from tandem.policy.v1 import policy_pb2
from tandem.work.v1 import (
    activity_pb2,
    category_pb2,
    comment_pb2,
    label_pb2,
    member_pb2,
    project_pb2,
    relation_pb2,
    task_pb2,
)

import work_service.app
from chassis.errors import DomainError, leaves
from chassis.policy import Access, PolicyMissing, methods_of
from chassis.server import Service
from chassis.status import code_of
from identity_service.access_tokens import SCOPES
from identity_service.accounts.domain import UsernameTaken
from tests.support.doors import RPCS
from work_service.access import GRANTS, Permission, Role
from work_service.tasks.domain import TaskLocked

ROOT = Path(__file__).parents[2]
FILES = (
    auth_pb2,
    profile_pb2,
    token_pb2,
    user_pb2,
    member_pb2,
    project_pb2,
    task_pb2,
    feed_pb2,
    mail_pb2,
    service_account_pb2,
    signing_key_pb2,
    category_pb2,
    label_pb2,
    relation_pb2,
    comment_pb2,
    activity_pb2,
)


def methods() -> Iterator[MethodDescriptor]:
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def policy_of(method: MethodDescriptor) -> policy_pb2.MethodPolicy:
    extensions: Any = method.GetOptions().Extensions
    policy: policy_pb2.MethodPolicy = extensions[policy_pb2.method]
    return policy


every_method = pytest.mark.parametrize("method", list(methods()), ids=lambda method: method.full_name)


def test_no_service_of_the_contract_was_forgotten_here() -> None:
    contract = FileDescriptorSet.FromString((ROOT / "protos" / "descriptors.binpb").read_bytes())
    declared = {f"{file.package}.{service.name}" for file in contract.file for service in file.service}
    assert declared == {method.containing_service.full_name for method in methods()}


@every_method
def test_states_who_may_call(method: MethodDescriptor) -> None:
    assert policy_of(method).access != Access.ACCESS_UNSPECIFIED


@every_method
def test_has_a_route_unless_it_is_between_services(method: MethodDescriptor) -> None:
    extensions: Any = method.GetOptions().Extensions
    has_route = extensions[annotations_pb2.http].WhichOneof("pattern") is not None
    assert has_route is not (policy_of(method).access == Access.SERVICE)


@every_method
def test_names_a_scope_that_machines_can_have(method: MethodDescriptor) -> None:
    assert policy_of(method).scope in {"", *SCOPES}


@every_method
def test_has_requests_and_answers_of_its_own(method: MethodDescriptor) -> None:
    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"


@every_method
def test_names_a_permission_that_some_role_grants(method: MethodDescriptor) -> None:
    permission = policy_of(method).permission
    if permission:
        assert any(Permission(permission) in GRANTS[role] for role in Role)


@every_method
def test_is_spelled_out_by_hand_for_both_doors(method: MethodDescriptor) -> None:
    assert RPCS[method.name].method is method


def test_every_permission_is_needed_by_a_method() -> None:
    assert {policy_of(method).permission for method in methods()} - {""} == {
        str(permission) for permission in Permission
    }


def test_a_higher_role_may_do_all_that_a_lower_one_may() -> None:
    for lower, higher in zip(list(Role), list(Role)[1:], strict=False):
        assert GRANTS[lower] <= GRANTS[higher]


def test_every_outcome_has_a_code_and_a_reason_of_its_own() -> None:
    """Of those that the two composition roots bring in. Two services may say the same of the same thing."""
    outcomes = {outcome for outcome in leaves(DomainError) if not outcome.__module__.startswith("tests.")}
    assert UsernameTaken in outcomes
    assert TaskLocked in outcomes
    assert [outcome.__name__ for outcome in outcomes if code_of(outcome) is None] == []
    assert [outcome.__name__ for outcome in outcomes if not outcome.__doc__] == []
    for service in ("identity_service", "work_service"):
        reasons = [outcome.reason for outcome in outcomes if outcome.__module__.startswith((service, "chassis."))]
        assert sorted(set(reasons)) == sorted(reasons)


def test_a_method_without_a_policy_does_not_start() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="bare.proto", package="bare")
    file.message_type.add(name="Nothing")
    file.service.add(name="Bare").method.add(name="Do", input_type=".bare.Nothing", output_type=".bare.Nothing")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(PolicyMissing, match=r"bare\.Bare\.Do does not say who may call it"):
        list(methods_of(pool.FindServiceByName("bare.Bare")))


def test_a_method_that_nobody_answers_does_not_start() -> None:
    with pytest.raises(LookupError, match="TaskService/GetTask is answered by 0 servicers"):
        Service(work_service.app.TASKS, (object(),)).behaviour("GetTask")


def test_envoy_serves_every_service_that_has_a_route() -> None:
    served = set(re.findall(r"^ +- (tandem\.\S+)$", (ROOT / "deploy/envoy/envoy.yaml").read_text(), re.MULTILINE))
    http: Any = annotations_pb2.http
    routed = {method.containing_service.full_name for method in methods() if method.GetOptions().HasExtension(http)}
    assert served == routed
