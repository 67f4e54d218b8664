"""One client per door, so that one specification speaks to both.

Requests and answers are ProtoJSON. The routes stand here by hand, as the contract's documentation gives them: what the
gateway derives from descriptors is held against it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
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
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
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
    without_project: str = ""
    """The path where no project is named, if that may be."""
    proto_names: bool = False
    """Whether JSON spells its fields as the contract does."""


PATIENCE_S = 60.0
"""How long a call may take: many times what it takes on a machine that is busy and measures coverage."""

_AUTH = auth_pb2.DESCRIPTOR.services_by_name["AuthService"].methods_by_name
_PROFILES = profile_pb2.DESCRIPTOR.services_by_name["ProfileService"].methods_by_name
_MAIL = mail_pb2.DESCRIPTOR.services_by_name["MailService"].methods_by_name
_FEED = feed_pb2.DESCRIPTOR.services_by_name["FeedService"].methods_by_name
_SERVICE_ACCOUNTS = service_account_pb2.DESCRIPTOR.services_by_name["ServiceAccountService"].methods_by_name
_SIGNING_KEYS = signing_key_pb2.DESCRIPTOR.services_by_name["SigningKeyService"].methods_by_name
_TOKENS = token_pb2.DESCRIPTOR.services_by_name["TokenService"].methods_by_name
_USERS = user_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name
_PROJECTS = project_pb2.DESCRIPTOR.services_by_name["ProjectService"].methods_by_name
_MEMBERS = member_pb2.DESCRIPTOR.services_by_name["MemberService"].methods_by_name
_TASKS = task_pb2.DESCRIPTOR.services_by_name["TaskService"].methods_by_name

_ACCOUNTS = "/api/v1/service-accounts"
_ACCOUNT = f"{_ACCOUNTS}/{{serviceAccount}}"
_KEYS = "/api/v1/signing-keys"
_CATEGORIES = category_pb2.DESCRIPTOR.services_by_name["CategoryService"].methods_by_name
_LABELS = label_pb2.DESCRIPTOR.services_by_name["LabelService"].methods_by_name
_RELATIONS = relation_pb2.DESCRIPTOR.services_by_name["RelationService"].methods_by_name
_COMMENTS = comment_pb2.DESCRIPTOR.services_by_name["CommentService"].methods_by_name
_ACTIVITIES = activity_pb2.DESCRIPTOR.services_by_name["ActivityService"].methods_by_name
_ALL = "/api/v1/projects"
_PROJECT = f"{_ALL}/{{project}}"
_MEMBER = f"{_PROJECT}/members/{{userId}}"
_TASK = f"{_PROJECT}/tasks/{{task}}"
_COMMENT = f"{_TASK}/comments/{{commentId}}"
_USER = "/api/v1/users/{userId}"

RPCS: Mapping[str, Rpc] = {
    "Register": Rpc(_AUTH["Register"], "POST", "/api/v1/auth/register", body="*", status=201),
    "Login": Rpc(_AUTH["Login"], "POST", "/api/v1/auth/login", body="*"),
    "Refresh": Rpc(_AUTH["Refresh"], "POST", "/api/v1/auth/refresh", body="*"),
    "Logout": Rpc(_AUTH["Logout"], "POST", "/api/v1/auth/logout", body="*", status=204),
    "ListSessions": Rpc(_AUTH["ListSessions"], "GET", "/api/v1/auth/me/sessions"),
    "RevokeSession": Rpc(_AUTH["RevokeSession"], "DELETE", "/api/v1/auth/me/sessions/{sessionId}", status=204),
    "RevokeAllSessions": Rpc(_AUTH["RevokeAllSessions"], "POST", "/api/v1/auth/me/sessions:revokeAll", body="*"),
    "GetMe": Rpc(_AUTH["GetMe"], "GET", "/api/v1/auth/me", answer="user"),
    "UpdateMe": Rpc(_AUTH["UpdateMe"], "PATCH", "/api/v1/auth/me", body="user", answer="user"),
    "DeleteMe": Rpc(_AUTH["DeleteMe"], "DELETE", "/api/v1/auth/me", status=204),
    "ChangePassword": Rpc(_AUTH["ChangePassword"], "POST", "/api/v1/auth/me:changePassword", body="*", status=204),
    "ChangeEmail": Rpc(_AUTH["ChangeEmail"], "POST", "/api/v1/auth/me:changeEmail", body="*", status=204),
    "SendVerificationEmail": Rpc(
        _AUTH["SendVerificationEmail"], "POST", "/api/v1/auth:sendVerificationEmail", body="*", status=204
    ),
    "VerifyEmail": Rpc(_AUTH["VerifyEmail"], "POST", "/api/v1/auth:verifyEmail", body="*"),
    "RequestPasswordReset": Rpc(
        _AUTH["RequestPasswordReset"], "POST", "/api/v1/auth:requestPasswordReset", body="*", status=204
    ),
    "ResetPassword": Rpc(_AUTH["ResetPassword"], "POST", "/api/v1/auth:resetPassword", body="*", status=204),
    "BatchGetProfiles": Rpc(_PROFILES["BatchGetProfiles"], "GET", "/api/v1/profiles:batchGet"),
    "LookupProfile": Rpc(_PROFILES["LookupProfile"], "", "", answer="profile"),  # between services: gRPC only
    "CreateUser": Rpc(_USERS["CreateUser"], "POST", "/api/v1/users", body="user", answer="user", status=201),
    "GetUser": Rpc(_USERS["GetUser"], "GET", _USER, answer="user"),
    "BatchGetUsers": Rpc(_USERS["BatchGetUsers"], "GET", "/api/v1/users:batchGet"),
    "ListUsers": Rpc(_USERS["ListUsers"], "GET", "/api/v1/users"),
    "UpdateUser": Rpc(_USERS["UpdateUser"], "PATCH", _USER, body="user", answer="user"),
    "DisableUser": Rpc(_USERS["DisableUser"], "POST", f"{_USER}:disable", body="*", answer="user"),
    "EnableUser": Rpc(_USERS["EnableUser"], "POST", f"{_USER}:enable", body="*", answer="user"),
    "DeleteUser": Rpc(_USERS["DeleteUser"], "DELETE", _USER, status=204),
    "UndeleteUser": Rpc(_USERS["UndeleteUser"], "POST", f"{_USER}:undelete", body="*", answer="user"),
    "StartPasswordReset": Rpc(
        _USERS["StartPasswordReset"], "POST", f"{_USER}:startPasswordReset", body="*", status=204
    ),
    "ListUserSessions": Rpc(_USERS["ListUserSessions"], "GET", f"{_USER}/sessions"),
    "RevokeUserSessions": Rpc(_USERS["RevokeUserSessions"], "POST", f"{_USER}/sessions:revokeAll", body="*"),
    "ListAuditEvents": Rpc(_USERS["ListAuditEvents"], "GET", "/api/v1/audit-events"),
    "IssueToken": Rpc(_TOKENS["IssueToken"], "POST", "/oauth2/token", body="*", proto_names=True),
    "IntrospectToken": Rpc(_TOKENS["IntrospectToken"], "POST", "/oauth2/introspect", body="*", proto_names=True),
    "RevokeToken": Rpc(_TOKENS["RevokeToken"], "POST", "/oauth2/revoke", body="*"),
    "GetServerMetadata": Rpc(
        _TOKENS["GetServerMetadata"], "GET", "/.well-known/oauth-authorization-server", proto_names=True
    ),
    "Watch": Rpc(_FEED["Watch"], "", ""),  # between services: gRPC only
    "SendInvitation": Rpc(_MAIL["SendInvitation"], "", ""),  # between services: gRPC only
    "CreateServiceAccount": Rpc(
        _SERVICE_ACCOUNTS["CreateServiceAccount"],
        "POST",
        _ACCOUNTS,
        body="serviceAccount",
        answer="serviceAccount",
        status=201,
    ),
    "GetServiceAccount": Rpc(_SERVICE_ACCOUNTS["GetServiceAccount"], "GET", _ACCOUNT, answer="serviceAccount"),
    "ListServiceAccounts": Rpc(_SERVICE_ACCOUNTS["ListServiceAccounts"], "GET", _ACCOUNTS),
    "UpdateServiceAccount": Rpc(
        _SERVICE_ACCOUNTS["UpdateServiceAccount"],
        "PATCH",
        f"{_ACCOUNTS}/{{serviceAccountRef}}",
        body="serviceAccount",
        answer="serviceAccount",
    ),
    "DeleteServiceAccount": Rpc(_SERVICE_ACCOUNTS["DeleteServiceAccount"], "DELETE", _ACCOUNT, status=204),
    "DisableServiceAccount": Rpc(
        _SERVICE_ACCOUNTS["DisableServiceAccount"], "POST", f"{_ACCOUNT}:disable", body="*", answer="serviceAccount"
    ),
    "EnableServiceAccount": Rpc(
        _SERVICE_ACCOUNTS["EnableServiceAccount"], "POST", f"{_ACCOUNT}:enable", body="*", answer="serviceAccount"
    ),
    "CreateServiceAccountKey": Rpc(
        _SERVICE_ACCOUNTS["CreateServiceAccountKey"], "POST", f"{_ACCOUNT}/keys", body="*", status=201
    ),
    "ListServiceAccountKeys": Rpc(_SERVICE_ACCOUNTS["ListServiceAccountKeys"], "GET", f"{_ACCOUNT}/keys"),
    "RevokeServiceAccountKey": Rpc(
        _SERVICE_ACCOUNTS["RevokeServiceAccountKey"], "DELETE", f"{_ACCOUNT}/keys/{{keyId}}", status=204
    ),
    "ListSigningKeys": Rpc(_SIGNING_KEYS["ListSigningKeys"], "GET", _KEYS),
    "CreateSigningKey": Rpc(
        _SIGNING_KEYS["CreateSigningKey"], "POST", _KEYS, body="*", answer="signingKey", status=201
    ),
    **{
        f"{verb}SigningKey": Rpc(
            _SIGNING_KEYS[f"{verb}SigningKey"], "POST", f"{_KEYS}/{{kid}}:{verb.lower()}", body="*", answer="signingKey"
        )
        for verb in ("Activate", "Retire", "Revoke")
    },
    "GetJsonWebKeySet": Rpc(_TOKENS["GetJsonWebKeySet"], "GET", "/.well-known/jwks.json"),
    "CreateProject": Rpc(_PROJECTS["CreateProject"], "POST", _ALL, body="project", answer="project", status=201),
    "GetProject": Rpc(_PROJECTS["GetProject"], "GET", _PROJECT, answer="project"),
    "ListProjects": Rpc(_PROJECTS["ListProjects"], "GET", _ALL),
    "UpdateProject": Rpc(
        _PROJECTS["UpdateProject"], "PATCH", f"{_ALL}/{{projectRef}}", body="project", answer="project"
    ),
    "DeleteProject": Rpc(_PROJECTS["DeleteProject"], "DELETE", _PROJECT, status=204),
    **{
        f"{verb}Project": Rpc(
            _PROJECTS[f"{verb}Project"], "POST", f"{_PROJECT}:{verb.lower()}", body="*", answer="project"
        )
        for verb in ("Activate", "Archive", "Unarchive")
    },
    "TransferProject": Rpc(_PROJECTS["TransferProject"], "POST", f"{_PROJECT}:transfer", body="*", answer="project"),
    "GetProjectStats": Rpc(_PROJECTS["GetProjectStats"], "GET", f"{_PROJECT}:stats", answer="stats"),
    "UndeleteProject": Rpc(_PROJECTS["UndeleteProject"], "POST", f"{_PROJECT}:undelete", body="*", answer="project"),
    "AddMember": Rpc(_MEMBERS["AddMember"], "POST", f"{_PROJECT}/members", body="*", answer="member", status=201),
    "GetMember": Rpc(_MEMBERS["GetMember"], "GET", _MEMBER, answer="member"),
    "ListMembers": Rpc(_MEMBERS["ListMembers"], "GET", f"{_PROJECT}/members"),
    "UpdateMember": Rpc(_MEMBERS["UpdateMember"], "PATCH", _MEMBER, body="member", answer="member"),
    "RemoveMember": Rpc(_MEMBERS["RemoveMember"], "DELETE", _MEMBER, status=204),
    "LeaveProject": Rpc(_MEMBERS["LeaveProject"], "POST", f"{_PROJECT}/members:leave", body="*", status=204),
    "TestPermissions": Rpc(_MEMBERS["TestPermissions"], "POST", f"{_PROJECT}/members:testPermissions", body="*"),
    "InviteMember": Rpc(_MEMBERS["InviteMember"], "POST", f"{_PROJECT}/members:invite", body="*", answer="invitation"),
    "ListInvitations": Rpc(_MEMBERS["ListInvitations"], "GET", f"{_PROJECT}/invitations"),
    "RevokeInvitation": Rpc(
        _MEMBERS["RevokeInvitation"], "DELETE", f"{_PROJECT}/invitations/{{invitationId}}", status=204
    ),
    "CreateTask": Rpc(_TASKS["CreateTask"], "POST", f"{_PROJECT}/tasks", body="task", answer="task", status=201),
    "GetTask": Rpc(_TASKS["GetTask"], "GET", _TASK, answer="task"),
    "ListTasks": Rpc(_TASKS["ListTasks"], "GET", f"{_PROJECT}/tasks", without_project="/api/v1/tasks"),
    "SearchTasks": Rpc(
        _TASKS["SearchTasks"], "GET", f"{_PROJECT}/tasks:search", without_project="/api/v1/tasks:search"
    ),
    "TransitionTask": Rpc(_TASKS["TransitionTask"], "POST", f"{_TASK}:transition", body="*", answer="task"),
    "UpdateTask": Rpc(_TASKS["UpdateTask"], "PATCH", f"{_PROJECT}/tasks/{{taskRef}}", body="task", answer="task"),
    "AssignTask": Rpc(_TASKS["AssignTask"], "POST", f"{_TASK}:assign", body="*", answer="task"),
    "UnassignTask": Rpc(_TASKS["UnassignTask"], "POST", f"{_TASK}:unassign", body="*", answer="task"),
    "DeleteTask": Rpc(_TASKS["DeleteTask"], "DELETE", _TASK, status=204),
    "AttachLabel": Rpc(_TASKS["AttachLabel"], "POST", f"{_TASK}:attachLabel", body="*", answer="task"),
    "DetachLabel": Rpc(_TASKS["DetachLabel"], "POST", f"{_TASK}:detachLabel", body="*", answer="task"),
    "MoveTask": Rpc(_TASKS["MoveTask"], "POST", f"{_TASK}:move", body="*", answer="task"),
    "BatchGetTasks": Rpc(_TASKS["BatchGetTasks"], "GET", f"{_PROJECT}/tasks:batchGet"),
    "BatchCreateTasks": Rpc(_TASKS["BatchCreateTasks"], "POST", f"{_PROJECT}/tasks:batchCreate", body="*", status=201),
    **{
        f"Batch{verb}Tasks": Rpc(_TASKS[f"Batch{verb}Tasks"], "POST", f"{_PROJECT}/tasks:batch{verb}", body="*")
        for verb in ("Update", "Transition", "Delete")
    },
    "ExportTasks": Rpc(_TASKS["ExportTasks"], "GET", f"{_PROJECT}/tasks:export", answer="task"),
    "ImportTasks": Rpc(_TASKS["ImportTasks"], "POST", f"{_PROJECT}/tasks:import", body="task"),
    "ReorderTask": Rpc(_TASKS["ReorderTask"], "POST", f"{_TASK}:reorder", body="*", answer="task"),
    **{
        f"{verb}{noun}": Rpc(methods[f"{verb}{noun}"], http, f"{_PROJECT}{path}", body, answer, status)
        for methods, noun, one, many in (
            (_CATEGORIES, "Category", "category", "categories"),
            (_LABELS, "Label", "label", "labels"),
        )
        for verb, http, path, body, answer, status in (
            ("Create", "POST", f"/{many}", one, one, 201),
            ("Get", "GET", f"/{many}/{{{one}}}", "", one, 200),
            ("Update", "PATCH", f"/{many}/{{{one}Ref}}", one, one, 200),
            ("Delete", "DELETE", f"/{many}/{{{one}}}", "", "", 204),
            ("Undelete", "POST", f"/{many}/{{{one}}}:undelete", "*", one, 200),
        )
    },
    "ListCategories": Rpc(_CATEGORIES["ListCategories"], "GET", f"{_PROJECT}/categories"),
    "ListLabels": Rpc(_LABELS["ListLabels"], "GET", f"{_PROJECT}/labels"),
    "AddRelation": Rpc(
        _RELATIONS["AddRelation"], "POST", f"{_TASK}/relations", body="*", answer="relation", status=201
    ),
    "ListRelations": Rpc(_RELATIONS["ListRelations"], "GET", f"{_TASK}/relations"),
    "RemoveRelation": Rpc(_RELATIONS["RemoveRelation"], "DELETE", f"{_TASK}/relations/{{kind}}/{{other}}", status=204),
    "CreateComment": Rpc(
        _COMMENTS["CreateComment"], "POST", f"{_TASK}/comments", body="comment", answer="comment", status=201
    ),
    "GetComment": Rpc(_COMMENTS["GetComment"], "GET", _COMMENT, answer="comment"),
    "ListComments": Rpc(_COMMENTS["ListComments"], "GET", f"{_TASK}/comments"),
    "UpdateComment": Rpc(_COMMENTS["UpdateComment"], "PATCH", _COMMENT, body="comment", answer="comment"),
    "DeleteComment": Rpc(_COMMENTS["DeleteComment"], "DELETE", _COMMENT, status=204),
    "ListActivities": Rpc(_ACTIVITIES["ListActivities"], "GET", f"{_PROJECT}/activity"),
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


def fields(request: Json) -> Json:
    """A request without what keeps its names apart from those of Python."""
    return {name.removesuffix("_"): value for name, value in request.items()}


class Door(Protocol):
    """A way into the system."""

    name: str

    async def stream(self, rpc: str, *, token: str | None = None, **request: Any) -> list[Json]:
        """Everything that a stream answers."""
        ...

    async def upload(self, rpc: str, bodies: Sequence[Json], *, token: str | None = None, **request: Any) -> Json:
        """The answer to a stream: a request for each body, the first of which says all else."""
        ...

    async def call(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> Json:
        """The answer, or Refused. A field that is called `token` is written `token_`."""
        ...


class GrpcDoor:
    """gRPC, with the generated messages."""

    name = "grpc"

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._channels = channels

    async def call(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> Json:
        known, request = RPCS[rpc], fields(request)
        masked = "update_mask" in known.method.input_type.fields_by_name
        if known.verb == "PATCH" and masked and "updateMask" not in request:
            request["updateMask"] = ",".join(request[known.body])  # what REST does with the keys of the body
        try:
            answering = self._asked(known, [request], token, request_id)
            # Of a stream, the first message: it was let in.
            response = await (answering.read() if known.method.server_streaming else answering)
            answering.cancel()
        except grpc.aio.AioRpcError as error:
            raise grpc_refusal(error) from None
        return _written(known, response)

    async def stream(self, rpc: str, *, token: str | None = None, **request: Any) -> list[Json]:
        known = RPCS[rpc]
        try:
            return [_written(known, response) async for response in self._asked(known, [fields(request)], token)]
        except grpc.aio.AioRpcError as error:
            raise grpc_refusal(error) from None

    async def upload(self, rpc: str, bodies: Sequence[Json], *, token: str | None = None, **request: Any) -> Json:
        known, first = RPCS[rpc], fields(request)
        requests = [{known.body: body} for body in bodies] or [{}]
        try:
            return _written(known, await self._asked(known, [{**first, **requests[0]}, *requests[1:]], token))
        except grpc.aio.AioRpcError as error:
            raise grpc_refusal(error) from None

    def _asked(self, known: Rpc, requests: Sequence[Json], token: str | None, request_id: str = "") -> Any:
        """The call, on its way."""
        method = known.method
        request_class = message_factory.GetMessageClass(method.input_type)
        channel = self._channels[method.containing_service.file.package]
        if method.client_streaming:
            make: Any = channel.stream_unary
        else:
            make = channel.unary_stream if method.server_streaming else channel.unary_unary
        call: Any = make(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token is not None else []
        if request_id:
            metadata.append(("x-request-id", request_id))
        messages = [json_format.ParseDict(request, request_class()) for request in requests]
        sent = messages if method.client_streaming else messages[0]
        return call(sent, metadata=grpc.aio.Metadata(*metadata), timeout=PATIENCE_S)


def _written(known: Rpc, response: Message) -> Json:
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
        if known.method.server_streaming:
            return _lines(response)[0]
        answer: Json = response.json() if response.content else {}
        return answer

    async def stream(self, rpc: str, *, token: str | None = None, **request: Any) -> list[Json]:
        response = await self.send(rpc, token=token, **request)
        if response.status_code >= 400:
            raise rest_refusal(response)
        return _lines(response)

    async def upload(self, rpc: str, bodies: Sequence[Json], *, token: str | None = None, **request: Any) -> Json:
        response = await self.send(rpc, token=token, lines=bodies, **request)
        if response.status_code >= 400:
            raise rest_refusal(response)
        answer: Json = response.json()
        return answer

    async def send(self, rpc: str, *, token: str | None = None, request_id: str = "", **request: Any) -> httpx.Response:
        """The HTTP response, whatever it is. `headers` are sent as they are."""
        known, request = RPCS[rpc], fields(request)
        headers = dict(request.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if request_id:
            headers["x-request-id"] = request_id
        path = known.path if "project" in request else known.without_project or known.path
        for name in [name for name in request if f"{{{name}}}" in path and name != known.body]:
            path = path.replace(f"{{{name}}}", quote(str(request.pop(name)), safe=""))
        if known.method.client_streaming:
            one = [request.pop(known.body)] if known.body in request else []
            content = "".join(json.dumps(line) + "\n" for line in request.pop("lines", one))
            headers["content-type"] = "application/x-ndjson"
            return await self.client.request(known.verb, path, params=request, content=content, headers=headers)
        body = request if known.body == "*" else request.pop(known.body, None) if known.body else None
        query = {} if known.body == "*" else request
        return await self.client.request(known.verb, path, params=query, json=body, headers=headers)


def _lines(response: httpx.Response) -> list[Json]:
    """The messages of a stream; what went wrong amid it is raised."""
    lines = [json.loads(line) for line in response.text.splitlines()]
    if lines and set(lines[-1]) == {"error"}:
        raise refusal_in(lines[-1]["error"], response)
    return lines


def rest_refusal(response: httpx.Response) -> Refused:
    """What an error body says."""
    body = response.json()
    if "error" in body:
        return oauth_refusal(response)
    assert body["code"] == response.status_code, body
    return refusal_in(body, response)


def refusal_in(body: Json, response: httpx.Response) -> Refused:
    """What the JSON of an error says."""
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


_CODES_OF_OAUTH = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def oauth_refusal(response: httpx.Response) -> Refused:
    """What an error body of RFC 6749 says: of fields, no more than the sentence does."""
    body = response.json()
    assert set(body) == {"error", "error_description"}, body
    said = body["error_description"]
    return Refused(
        code=_CODES_OF_OAUTH[response.status_code],
        message=said,
        reason=body["error"].upper(),
        fields=tuple(part.partition(":")[0] for part in said.split("; ") if ":" in part),
        http=response,
    )
