"""One client per door, so that one specification speaks to both.

Requests and answers are ProtoJSON. The routes stand here by hand, as the contract's documentation gives them: what the
gateway derives from descriptors is held against it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import grpc.aio
import httpx
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from tandem.identity.v1 import auth_pb2, profile_pb2, token_pb2
from tandem.work.v1 import member_pb2, project_pb2, task_pb2

from chassis.status import DETAILS_KEY

Json = dict[str, Any]


@dataclass(frozen=True)
class Rpc:
    """One method, as the two doors know it."""

    method: MethodDescriptor
    verb: str
    path: str
    body: str = ""
    answer: str = ""
    """The field of the response that REST answers with; all of it when empty."""
    status: int = 200
    proto_names: bool = False
    """Whether JSON spells its fields as the contract does."""


_AUTH = auth_pb2.DESCRIPTOR.services_by_name["AuthService"].methods_by_name
_PROFILES = profile_pb2.DESCRIPTOR.services_by_name["ProfileService"].methods_by_name
_TOKENS = token_pb2.DESCRIPTOR.services_by_name["TokenService"].methods_by_name
_PROJECTS = project_pb2.DESCRIPTOR.services_by_name["ProjectService"].methods_by_name
_MEMBERS = member_pb2.DESCRIPTOR.services_by_name["MemberService"].methods_by_name
_TASKS = task_pb2.DESCRIPTOR.services_by_name["TaskService"].methods_by_name

_ALL = "/api/v1/projects"
_PROJECT = f"{_ALL}/{{project}}"
_MEMBER = f"{_PROJECT}/members/{{userId}}"
_TASK = f"{_PROJECT}/tasks/{{task}}"

RPCS: Mapping[str, Rpc] = {
    "Register": Rpc(_AUTH["Register"], "POST", "/api/v1/auth/register", body="*", status=201),
    "Login": Rpc(_AUTH["Login"], "POST", "/api/v1/auth/login", body="*"),
    "Refresh": Rpc(_AUTH["Refresh"], "POST", "/api/v1/auth/refresh", body="*"),
    "Logout": Rpc(_AUTH["Logout"], "POST", "/api/v1/auth/logout", body="*", status=204),
    "GetMe": Rpc(_AUTH["GetMe"], "GET", "/api/v1/auth/me", answer="user"),
    "LookupProfile": Rpc(_PROFILES["LookupProfile"], "", "", answer="profile"),  # between services: gRPC only
    "IssueToken": Rpc(_TOKENS["IssueToken"], "POST", "/oauth2/token", body="*", proto_names=True),
    "GetJsonWebKeySet": Rpc(_TOKENS["GetJsonWebKeySet"], "GET", "/.well-known/jwks.json"),
    "CreateProject": Rpc(_PROJECTS["CreateProject"], "POST", _ALL, body="project", answer="project", status=201),
    "GetProject": Rpc(_PROJECTS["GetProject"], "GET", _PROJECT, answer="project"),
    "ListProjects": Rpc(_PROJECTS["ListProjects"], "GET", _ALL),
    "UpdateProject": Rpc(
        _PROJECTS["UpdateProject"], "PATCH", f"{_ALL}/{{projectRef}}", body="project", answer="project"
    ),
    "DeleteProject": Rpc(_PROJECTS["DeleteProject"], "DELETE", _PROJECT, status=204),
    "UndeleteProject": Rpc(_PROJECTS["UndeleteProject"], "POST", f"{_PROJECT}:undelete", body="*", answer="project"),
    "AddMember": Rpc(_MEMBERS["AddMember"], "POST", f"{_PROJECT}/members", body="*", answer="member", status=201),
    "GetMember": Rpc(_MEMBERS["GetMember"], "GET", _MEMBER, answer="member"),
    "ListMembers": Rpc(_MEMBERS["ListMembers"], "GET", f"{_PROJECT}/members"),
    "UpdateMember": Rpc(_MEMBERS["UpdateMember"], "PATCH", _MEMBER, body="member", answer="member"),
    "RemoveMember": Rpc(_MEMBERS["RemoveMember"], "DELETE", _MEMBER, status=204),
    "LeaveProject": Rpc(_MEMBERS["LeaveProject"], "POST", f"{_PROJECT}/members:leave", body="*", status=204),
    "CreateTask": Rpc(_TASKS["CreateTask"], "POST", f"{_PROJECT}/tasks", body="task", answer="task", status=201),
    "GetTask": Rpc(_TASKS["GetTask"], "GET", _TASK, answer="task"),
    "ListTasks": Rpc(_TASKS["ListTasks"], "GET", f"{_PROJECT}/tasks"),
    "TransitionTask": Rpc(_TASKS["TransitionTask"], "POST", f"{_TASK}:transition", body="*", answer="task"),
    "UpdateTask": Rpc(_TASKS["UpdateTask"], "PATCH", f"{_PROJECT}/tasks/{{taskRef}}", body="task", answer="task"),
    "AssignTask": Rpc(_TASKS["AssignTask"], "POST", f"{_TASK}:assign", body="*", answer="task"),
    "UnassignTask": Rpc(_TASKS["UnassignTask"], "POST", f"{_TASK}:unassign", body="*", answer="task"),
    "DeleteTask": Rpc(_TASKS["DeleteTask"], "DELETE", _TASK, status=204),
    "UndeleteTask": Rpc(_TASKS["UndeleteTask"], "POST", f"{_TASK}:undelete", body="*", answer="task"),
}


@dataclass
class Refused(Exception):
    """A call that did not get its answer."""

    code: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    retry_after: bool = False
    http: httpx.Response | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.reason}: {self.message}"


@contextmanager
def refused(code: str, reason: str = "", *, field: str = "") -> Iterator[list[Refused]]:
    """Expect a refusal; what it said is in the list that this gives."""
    said: list[Refused] = []
    with pytest.raises(Refused) as caught:
        yield said
    refusal = caught.value
    said.append(refusal)
    assert refusal.code == code, refusal
    if reason:
        assert refusal.reason == reason, refusal
    if field:
        assert field in refusal.fields, refusal


class Door(Protocol):
    """A way into the system."""

    name: str

    async def call(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> Json:
        """The answer, or Refused."""
        ...


class GrpcDoor:
    """gRPC, with the generated messages."""

    name = "grpc"

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._channels = channels

    async def call(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> Json:
        known = RPCS[rpc]
        service = known.method.containing_service
        request_class = message_factory.GetMessageClass(known.method.input_type)
        response_class = message_factory.GetMessageClass(known.method.output_type)
        call = self._channels[service.file.package].unary_unary(
            f"/{service.full_name}/{known.method.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token is not None else []
        if request_id:
            metadata.append(("x-request-id", request_id))
        if known.verb == "PATCH" and "updateMask" not in request:
            request["updateMask"] = ",".join(request[known.body])  # what REST does with the keys of the body
        message = json_format.ParseDict(request, request_class())
        try:
            response = await call(message, metadata=grpc.aio.Metadata(*metadata), timeout=20)
        except grpc.aio.AioRpcError as error:
            raise grpc_refusal(error) from None
        answer: Json = json_format.MessageToDict(
            response, always_print_fields_with_no_presence=True, preserving_proto_field_name=known.proto_names
        )
        return answer[known.answer] if known.answer else answer


def grpc_refusal(error: grpc.aio.AioRpcError) -> Refused:
    """What a gRPC status says."""
    refusal = Refused(code=error.code().name, message=error.details() or "")
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                _add(refusal, detail)
    return refusal


def _add(refusal: Refused, detail: Any) -> None:
    info, bad_request = ErrorInfo(), BadRequest()
    if detail.Unpack(info):
        refusal.reason, refusal.metadata = info.reason, dict(info.metadata)
    elif detail.Unpack(bad_request):
        refusal.fields = tuple(violation.field for violation in bad_request.field_violations)
    elif detail.Is(RetryInfo.DESCRIPTOR):
        refusal.retry_after = True


class RestDoor:
    """JSON over HTTP."""

    name = "rest"

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def call(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> Json:
        known = RPCS[rpc]
        response = await self.send(rpc, token=token, request_id=request_id, **request)
        if response.status_code >= 400:
            raise rest_refusal(response)
        assert response.status_code == known.status, response.text
        answer: Json = response.json() if response.content else {}
        return answer

    async def send(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> httpx.Response:
        """The HTTP response, whatever it is. `headers` are sent as they are."""
        known = RPCS[rpc]
        headers = dict(request.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if request_id:
            headers["x-request-id"] = request_id
        path = known.path
        for name in [name for name in request if f"{{{name}}}" in path and name != known.body]:
            path = path.replace(f"{{{name}}}", quote(str(request.pop(name)), safe=""))
        body = request if known.body == "*" else request.pop(known.body, None) if known.body else None
        query = {} if known.body == "*" else request
        return await self.client.request(known.verb, path, params=query, json=body, headers=headers)


def rest_refusal(response: httpx.Response) -> Refused:
    """What an error body says."""
    body = response.json()
    assert body["code"] == response.status_code, body
    refusal = Refused(code=body["status"], message=body["message"], http=response)
    for detail in body["details"]:
        match detail["@type"].removeprefix("type.googleapis.com/google.rpc."):
            case "ErrorInfo":
                refusal.reason, refusal.metadata = detail["reason"], detail.get("metadata", {})
            case "BadRequest":
                refusal.fields = tuple(violation["field"] for violation in detail["fieldViolations"])
            case "RetryInfo":
                refusal.retry_after = True
    return refusal
