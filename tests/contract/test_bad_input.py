"""Bad input, field by field: the documented error, the field's name, and nothing changed. Through both doors."""

from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import FieldDescriptor
from sqlalchemy import MetaData, Select, func, select
from tandem.identity.v1 import user_pb2, user_pb2_grpc
from tandem.work.v1 import task_pb2, task_pb2_grpc

import identity_service.tables
import work_service.tables
from identity_service.oauth.domain import JWT_BEARER
from tests.support.doors import RPCS, Door, RestDoor, grpc_refusal, refused
from tests.support.machines import machine_token, provisioned
from tests.support.people import PASSWORD, Person, known, signed_up, signed_up_as
from tests.support.sql import rows
from tests.support.stack import Stack

REGISTER: dict[str, Any] = {"email": "new@example.com", "password": PASSWORD, "fullName": "New", "username": "new-one"}
LOGIN: dict[str, Any] = {"email": "new@example.com", "password": PASSWORD}
REFRESH: dict[str, Any] = {"refreshToken": "tdr_nonsense"}
ISSUE: dict[str, Any] = {"grantType": "client_credentials", "clientId": "robot", "clientSecret": "tds_nonsense"}

CHANGE_PASSWORD: dict[str, Any] = {"currentPassword": PASSWORD, "newPassword": f"another {PASSWORD}"}

NOTHING: dict[str, Any] = {}

AN_ID = "01a1f953-42b2-746c-8b1e-5c1d9bd380a1"
COMMENT: dict[str, Any] = {"project": "p", "task": "1", "comment": {"text": "x"}}

# RPC, a request that would do, the field to spoil (a dotted path), what with, and the field that the answer names.
# This is what services ask each other, over gRPC only.
AN_INVITATION = {
    "mailId": "01a1f953-0000-7000-8000-000000000001",
    "email": "ada@example.com",
    "inviterId": "01a1f953-0000-7000-8000-000000000002",
    "projectTitle": "Apollo",
}
SPOILED_BETWEEN_SERVICES: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("LookupProfile", {}, "name", None, "name"),
    ("LookupProfile", {}, "userId", "", "user_id"),
    ("LookupProfile", {}, "userId", "ada", "user_id"),
    ("LookupProfile", {}, "userId", "a\0", "user_id"),
    ("LookupProfile", {}, "username", "", "username"),
    ("LookupProfile", {}, "username", "a" * 65, "username"),
    ("LookupProfile", {}, "username", "a\0", "username"),
    ("LookupProfile", {}, "email", "", "email"),
    ("LookupProfile", {}, "email", "a" * 255, "email"),
    ("LookupProfile", {}, "email", "a\0", "email"),
    *[("Watch", {}, "cursor", bad, "cursor") for bad in ("a" * 65, "1\0", "nonsense")],
    *[("SendInvitation", AN_INVITATION, "mailId", bad, "mail_id") for bad in ("", "first", "1\0")],
    *[("SendInvitation", AN_INVITATION, "inviterId", bad, "inviter_id") for bad in ("", "ada", "1\0")],
    *[
        ("SendInvitation", AN_INVITATION, "email", bad, "email")
        for bad in (
            "",
            "ada",
            "a@b@example.com",
            "ada@example.com\r\nBcc: bob@example.com",
            f"{'a' * 250}@b.com",
            "a\0@b.com",
        )
    ],
    *[("SendInvitation", AN_INVITATION, "projectTitle", bad, "project_title") for bad in ("", "a" * 201, "a\0")],
]

# The same for what people and everybody ask, through both doors.


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def tag_cases(noun: str) -> dict[str, list[tuple[str, Any, str]]]:
    """What can be wrong with a request about a category or a label, by the part of it."""
    return {
        "project": [("project", "a" * 64, "project")],
        "tag": [
            *((f"{noun}.name", bad, f"{noun}.name") for bad in ("", "a" * 51, "a\0")),
            *((f"{noun}.color", bad, f"{noun}.color") for bad in ("red", "#12345g")),
        ],
        "required": [(noun, None, noun)],
        "ref": [(noun, "a" * 64, noun), (noun, "a\0", noun)],
        "tag_ref": [(f"{noun}Ref", "a" * 64, f"{noun}_ref")],
        "id": [(noun, "one", noun)],
        "mask": [("updateMask", "colour", "update_mask")],
        "etag": [("etag", "a" * 65, "etag")],
        "key": [("idempotencyKey", "a" * 129, "idempotency_key")],
        "page": [
            ("pageSize", -1, "page_size"),
            ("pageToken", "nonsense", "page_token"),
            ("pageToken", "a" * 1025, "page_token"),
        ],
    }


SPOILED: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("Register", REGISTER, "email", "", "email"),
    ("Register", REGISTER, "email", "not an address", "email"),
    ("Register", REGISTER, "email", "a" * 250 + "@b.de", "email"),
    ("Register", REGISTER, "email", "a\0b@example.com", "email"),
    ("Register", REGISTER, "password", "", "password"),
    ("Register", REGISTER, "password", "a" * 14, "password"),
    ("Register", REGISTER, "password", "a" * 100, "password"),
    ("Register", REGISTER, "password", "a" * 257, "password"),
    ("Register", REGISTER, "password", PASSWORD + "\0", "password"),
    ("Register", REGISTER, "fullName", "", "full_name"),
    ("Register", REGISTER, "fullName", "a" * 201, "full_name"),
    ("Register", REGISTER, "fullName", "A\0", "full_name"),
    ("Register", REGISTER, "username", "ab", "username"),
    ("Register", REGISTER, "username", "a" * 33, "username"),
    ("Register", REGISTER, "username", "Has Space", "username"),
    ("Register", REGISTER, "username", "abc\0", "username"),
    ("Login", LOGIN, "email", "", "email"),
    ("Login", LOGIN, "email", "a" * 255, "email"),
    ("Login", LOGIN, "email", "a\0", "email"),
    ("Login", LOGIN, "password", "", "password"),
    ("Login", LOGIN, "password", "a" * 257, "password"),
    ("Login", LOGIN, "password", "a\0", "password"),
    ("Refresh", REFRESH, "refreshToken", "", "refresh_token"),
    ("Refresh", REFRESH, "refreshToken", "a" * 2049, "refresh_token"),
    ("Refresh", REFRESH, "refreshToken", "a\0", "refresh_token"),
    ("Refresh", REFRESH, "idempotencyKey", "a" * 129, "idempotency_key"),
    ("Refresh", REFRESH, "idempotencyKey", "a\0", "idempotency_key"),
    ("Logout", {}, "refreshToken", "a" * 2049, "refresh_token"),
    ("Logout", {}, "refreshToken", "a\0", "refresh_token"),
    ("UpdateMe", {"user": {}}, "user.fullName", "", "user.full_name"),
    ("UpdateMe", {"user": {}}, "user.fullName", "a" * 201, "user.full_name"),
    ("UpdateMe", {"user": {}}, "user.fullName", "a\0", "user.full_name"),
    ("UpdateMe", {"user": {}}, "user.username", "ab", "user.username"),
    ("UpdateMe", {"user": {}}, "user.username", "Has Space", "user.username"),
    ("UpdateMe", {"user": {}}, "user.email", "nobody", "user.email"),
    ("UpdateMe", {"user": {}}, "user.role", 99, "user.role"),
    ("UpdateMe", {"user": {"fullName": "x"}}, "updateMask", "colour", "update_mask"),
    ("UpdateMe", {"user": {"fullName": "x"}}, "etag", "a" * 65, "etag"),
    ("UpdateMe", {"user": {"fullName": "x"}}, "etag", "1\0", "etag"),
    ("DeleteMe", {}, "etag", "a" * 65, "etag"),
    ("DeleteMe", {}, "etag", "1\0", "etag"),
    ("ChangePassword", CHANGE_PASSWORD, "currentPassword", "", "current_password"),
    ("ChangePassword", CHANGE_PASSWORD, "currentPassword", "a" * 257, "current_password"),
    ("ChangePassword", CHANGE_PASSWORD, "currentPassword", "a\0", "current_password"),
    ("ChangePassword", CHANGE_PASSWORD, "newPassword", "a" * 7, "new_password"),
    ("ChangePassword", CHANGE_PASSWORD, "newPassword", "a" * 257, "new_password"),
    ("ChangePassword", CHANGE_PASSWORD, "newPassword", PASSWORD + "\0", "new_password"),
    ("ChangeEmail", LOGIN, "email", "", "email"),
    ("ChangeEmail", LOGIN, "email", "nobody", "email"),
    ("ChangeEmail", LOGIN, "email", "a" * 250 + "@b.de", "email"),
    ("ChangeEmail", LOGIN, "email", "a\0b@example.com", "email"),
    ("ChangeEmail", LOGIN, "password", "", "password"),
    ("ChangeEmail", LOGIN, "password", "a" * 257, "password"),
    ("ChangeEmail", LOGIN, "password", "a\0", "password"),
    ("RequestPasswordReset", {}, "email", "", "email"),
    ("RequestPasswordReset", {}, "email", "nobody", "email"),
    ("RequestPasswordReset", {}, "email", "a" * 250 + "@b.de", "email"),
    ("RequestPasswordReset", {}, "email", "a\0b@example.com", "email"),
    *[
        (rpc, request, "token_", bad, "token")
        for rpc, request in (("VerifyEmail", NOTHING), ("ResetPassword", NOTHING | {"newPassword": PASSWORD}))
        for bad in ("", "a" * 257, "tdm_\0")
    ],
    ("ResetPassword", {"token_": "tdm_x"}, "newPassword", "a" * 7, "new_password"),
    ("ResetPassword", {"token_": "tdm_x"}, "newPassword", "a" * 257, "new_password"),
    ("ResetPassword", {"token_": "tdm_x"}, "newPassword", PASSWORD + "\0", "new_password"),
    ("BatchGetProfiles", {}, "userIds", [], "user_ids"),
    ("BatchGetProfiles", {}, "userIds", [AN_ID] * 101, "user_ids"),
    ("BatchGetProfiles", {}, "userIds", [AN_ID, "ada"], "user_ids[1]"),
    ("RevokeSession", {}, "sessionId", "mine", "session_id"),
    ("IssueToken", ISSUE, "grantType", "", "grant_type"),
    ("IssueToken", ISSUE, "grantType", "password", "grant_type"),
    ("IssueToken", ISSUE, "grantType", "client_credentials\0", "grant_type"),
    ("IssueToken", ISSUE, "clientId", "a" * 65, "client_id"),
    ("IssueToken", ISSUE, "clientId", "a\0", "client_id"),
    ("IssueToken", ISSUE, "clientSecret", "a" * 257, "client_secret"),
    ("IssueToken", ISSUE, "clientSecret", "a\0", "client_secret"),
    ("IssueToken", ISSUE, "audience", "a" * 65, "audience"),
    ("IssueToken", ISSUE, "audience", "a\0", "audience"),
    *[
        case
        for rpc, request in (
            ("IssueToken", {"grantType": "client_credentials"}),
            ("IntrospectToken", {"token_": "x"}),
            ("RevokeToken", {"token_": "x"}),
        )
        for case in (
            (rpc, request, "clientAssertionType", "a" * 129, "client_assertion_type"),
            (rpc, request, "clientAssertionType", "password", "client_assertion_type"),
            (rpc, request, "clientAssertion", "a" * 8193, "client_assertion"),
            (rpc, request | {"clientAssertionType": JWT_BEARER}, "clientAssertion", "a\0", "client_assertion"),
            (rpc, request | {"clientAssertionType": JWT_BEARER}, "clientAssertion", "", "client_assertion"),
        )
    ],
    *[
        case
        for rpc in ("IntrospectToken", "RevokeToken")
        for case in (
            (rpc, {"token_": "x"}, "token_", "", "token"),
            (rpc, {"token_": "x"}, "token_", "a" * 8193, "token"),
            (rpc, {"token_": "x"}, "tokenTypeHint", "a" * 129, "token_type_hint"),
            (rpc, {"token_": "x"}, "clientId", "a" * 65, "client_id"),
            (rpc, {"token_": "x"}, "clientSecret", "a" * 257, "client_secret"),
        )
    ],
    ("IssueToken", ISSUE, "scope", "a" * 513, "scope"),
    ("IssueToken", ISSUE, "scope", "a\0", "scope"),
    ("CreateProject", {}, "project", None, "project"),
    ("CreateProject", {"project": {"title": "x"}}, "project.title", "", "project.title"),
    ("CreateProject", {"project": {"title": "x"}}, "project.title", "a" * 201, "project.title"),
    ("CreateProject", {"project": {"title": "x"}}, "project.title", "a\0", "project.title"),
    ("CreateProject", {"project": {"title": "x"}}, "project.description", "a" * 20_001, "project.description"),
    ("CreateProject", {"project": {"title": "x"}}, "project.description", "\0", "project.description"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "-a", "project.slug"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "Upper", "project.slug"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "a" * 64, "project.slug"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "a\0", "project.slug"),
    (
        "CreateProject",
        {"project": {"title": "x"}},
        "project.slug",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "project.slug",
    ),
    ("CreateProject", {"project": {"title": "x"}}, "project.state", 99, "project.state"),
    ("CreateProject", {"project": {"title": "x"}}, "project.state", "ARCHIVED", "project.state"),
    ("UpdateProject", {"projectRef": "p", "project": {}}, "project.state", 99, "project.state"),
    ("ListProjects", {}, "state", 99, "state"),
    ("ListProjects", {}, "view", 99, "view"),
    ("GetProject", {"project": "p"}, "view", 99, "view"),
    ("GetProject", {}, "project", "a" * 64, "project"),
    ("GetProject", {}, "project", "a\0b", "project"),
    ("CreateTask", {"project": "p"}, "task", None, "task"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "project", "a" * 64, "project"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "project", "a\0b", "project"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.title", "", "task.title"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.title", "a" * 201, "task.title"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.title", "a\0", "task.title"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.description", "a" * 20_001, "task.description"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.description", "\0", "task.description"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.status", 99, "task.status"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.priority", 99, "task.priority"),
    ("GetTask", {"project": "p", "task": "1"}, "project", "a" * 64, "project"),
    ("GetTask", {"project": "p", "task": "1"}, "task", "1" * 37, "task"),
    ("GetTask", {"project": "p", "task": "1"}, "task", "1\0", "task"),
    ("GetTask", {"project": "p", "task": "1"}, "view", 99, "view"),
    ("ListTasks", {"project": "p"}, "view", 99, "view"),
    ("ListTasks", {"project": "p"}, "project", "a" * 64, "project"),
    ("ListTasks", {"project": "p"}, "pageSize", -1, "page_size"),
    ("ListTasks", {"project": "p"}, "pageToken", "a" * 2049, "page_token"),
    ("ListTasks", {"project": "p"}, "pageToken", "nonsense", "page_token"),
    ("ListTasks", {"project": "p"}, "pageToken", "a\0", "page_token"),
    ("ListTasks", {"project": "p"}, "orderBy", "colour", "order_by"),
    ("ListTasks", {"project": "p"}, "orderBy", "number,status,priority,due_time", "order_by"),
    ("ListTasks", {"project": "p"}, "orderBy", "status, status desc", "order_by"),
    ("ListTasks", {"project": "p"}, "orderBy", "a" * 101, "order_by"),
    ("ListTasks", {}, "orderBy", "number", "order_by"),
    ("ListTasks", {"project": "p"}, "skip", -1, "skip"),
    ("ListTasks", {"project": "p"}, "skip", 10_001, "skip"),
    ("ListTasks", {"project": "p"}, "status", [0], "status[0]"),
    ("ListTasks", {"project": "p"}, "status", [1, 99], "status[1]"),
    ("ListTasks", {"project": "p"}, "status", [1] * 11, "status"),
    ("ListTasks", {"project": "p"}, "priority", [0], "priority[0]"),
    ("ListTasks", {"project": "p"}, "priority", [99], "priority[0]"),
    ("ListTasks", {"project": "p"}, "priority", [1] * 11, "priority"),
    ("ListTasks", {"project": "p"}, "assignee", "ada", "assignee"),
    ("ListTasks", {"project": "p"}, "assignee", "a" * 37, "assignee"),
    ("ListTasks", {"project": "p"}, "category", "a" * 64, "category"),
    ("ListTasks", {"project": "p"}, "label", "a" * 64, "label"),
    ("ListTasks", {"project": "p"}, "q", "a" * 201, "q"),
    ("ListTasks", {"project": "p"}, "q", "a\0", "q"),
    *[
        case
        for rpc, request in (("ListTasks", {"project": "p"}), ("SearchTasks", {"project": "p", "query": "moon"}))
        for case in (
            (rpc, request, "filter", "colour = red", "filter"),
            (rpc, request, "filter", "a" * 1001, "filter"),
            (rpc, request, "filter", "a\0", "filter"),
        )
    ],
    ("SearchTasks", {"project": "p", "query": "moon"}, "view", 99, "view"),
    ("SearchTasks", {"project": "p", "query": "moon"}, "project", "a" * 64, "project"),
    ("SearchTasks", {"project": "p", "query": "moon"}, "query", "", "query"),
    ("SearchTasks", {"project": "p", "query": "moon"}, "query", "a" * 201, "query"),
    ("SearchTasks", {"project": "p", "query": "moon"}, "query", "a\0", "query"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "project", "a" * 64, "project"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "task", "1" * 37, "task"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "status", 0, "status"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "status", 99, "status"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "etag", "a" * 65, "etag"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "etag", "1\0", "etag"),
    *[
        case
        for rpc, request in (
            ("ListSessions", {}),
            ("ListProjects", {}),
            ("ListMembers", {"project": "p"}),
            ("ListInvitations", {"project": "p"}),
            ("SearchTasks", {"project": "p", "query": "moon"}),
        )
        for case in (
            (rpc, request, "pageSize", -1, "page_size"),
            (rpc, request, "pageToken", "nonsense", "page_token"),
            (rpc, request, "pageToken", "a" * 1025, "page_token"),
        )
    ],
    *[
        case
        for rpc, request, name, project, etag in (
            ("UpdateProject", {"projectRef": "p", "project": {"title": "x"}}, "project_ref", "projectRef", True),
            ("DeleteProject", {"project": "p"}, "project", "project", True),
            ("UndeleteProject", {"project": "p"}, "project", "project", False),
            ("ActivateProject", {"project": "p"}, "project", "project", True),
            ("ArchiveProject", {"project": "p"}, "project", "project", True),
            ("UnarchiveProject", {"project": "p"}, "project", "project", True),
            ("TransferProject", {"project": "p", "userId": AN_ID}, "project", "project", True),
            ("AddMember", {"project": "p", "userId": AN_ID, "role": "VIEWER"}, "project", "project", False),
            (
                "UpdateMember",
                {"project": "p", "userId": AN_ID, "member": {"role": "VIEWER"}},
                "project",
                "project",
                True,
            ),
            ("RemoveMember", {"project": "p", "userId": AN_ID}, "project", "project", True),
            ("LeaveProject", {"project": "p"}, "project", "project", False),
            ("InviteMember", {"project": "p", "email": "a@b.de", "role": "VIEWER"}, "project", "project", False),
            ("RevokeInvitation", {"project": "p", "invitationId": AN_ID}, "project", "project", False),
            ("CreateProject", {"project": {"title": "x"}}, "", "", False),
            ("CreateTask", {"project": "p", "task": {"title": "x"}}, "", "", False),
            ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "", "", False),
            ("UpdateTask", {"project": "p", "taskRef": "1", "task": {"title": "x"}}, "project", "project", True),
            ("AssignTask", {"project": "p", "task": "1", "assignee": AN_ID}, "project", "project", True),
            ("UnassignTask", {"project": "p", "task": "1"}, "project", "project", True),
            ("DeleteTask", {"project": "p", "task": "1"}, "project", "project", True),
            ("UndeleteTask", {"project": "p", "task": "1"}, "project", "project", False),
        )
        for case in (
            (rpc, request, "idempotencyKey", "a" * 129, "idempotency_key"),
            (rpc, request, "idempotencyKey", "a\0", "idempotency_key"),
            *([(rpc, request, project, "a" * 64, name), (rpc, request, project, "a\0", name)] if name else []),
            *([(rpc, request, "etag", "a" * 65, "etag"), (rpc, request, "etag", "1\0", "etag")] if etag else []),
        )
    ],
    *[
        case
        for rpc, more in (
            ("CreateComment", {"comment": {"text": "x"}}),
            ("GetComment", {"commentId": AN_ID}),
            ("ListComments", {}),
            ("UpdateComment", {"commentId": AN_ID, "comment": {"text": "x"}}),
            ("DeleteComment", {"commentId": AN_ID}),
        )
        for case in (
            (rpc, {"project": "p", "task": "1", **more}, "project", "a" * 64, "project"),
            (rpc, {"project": "p", "task": "1", **more}, "task", "1" * 37, "task"),
            *(
                [(rpc, {"project": "p", "task": "1", **more}, "commentId", "one", "comment_id")]
                if "commentId" in more
                else []
            ),
        )
    ],
    *[
        case
        for rpc, more in (
            ("CreateComment", {}),
            ("UpdateComment", {"commentId": AN_ID}),
        )
        for case in (
            (rpc, {"project": "p", "task": "1", **more, "comment": {"text": "x"}}, "comment.text", "", "comment.text"),
            (
                rpc,
                {"project": "p", "task": "1", **more, "comment": {"text": "x"}},
                "comment.text",
                "a" * 20_001,
                "comment.text",
            ),
            (
                rpc,
                {"project": "p", "task": "1", **more, "comment": {"text": "x"}},
                "comment.text",
                "a\0",
                "comment.text",
            ),
            (rpc, {"project": "p", "task": "1", **more}, "comment", None, "comment"),
        )
    ],
    *[
        ("UpdateComment", {"project": "p", "task": "1", "commentId": AN_ID, "comment": {"text": "x"}}, *case)
        for case in (
            ("idempotencyKey", "a" * 129, "idempotency_key"),
            ("etag", "a" * 65, "etag"),
        )
    ],
    (
        "CreateComment",
        {"project": "p", "task": "1", "comment": {"text": "x"}},
        "idempotencyKey",
        "a" * 129,
        "idempotency_key",
    ),
    (
        "DeleteComment",
        {"project": "p", "task": "1", "commentId": AN_ID},
        "idempotencyKey",
        "a" * 129,
        "idempotency_key",
    ),
    ("DeleteComment", {"project": "p", "task": "1", "commentId": AN_ID}, "etag", "a" * 65, "etag"),
    *[
        case
        for rpc, request in (("ListComments", {"project": "p", "task": "1"}), ("ListActivities", {"project": "p"}))
        for case in (
            (rpc, request, "pageSize", -1, "page_size"),
            (rpc, request, "pageToken", "nonsense", "page_token"),
            (rpc, request, "pageToken", "a" * 1025, "page_token"),
        )
    ],
    ("ListActivities", {"project": "p"}, "project", "a" * 64, "project"),
    *[
        (rpc, {"project": "p", **more}, *case)
        for noun, nouns in (("category", "Categories"), ("label", "Labels"))
        for rpc, more, parts in (
            (f"Create{noun.title()}", {noun: {"name": "x"}}, "project tag required key"),
            (f"Get{noun.title()}", {noun: "x"}, "project ref"),
            (f"List{nouns}", {}, "project page"),
            (f"Update{noun.title()}", {f"{noun}Ref": "x", noun: {"name": "x"}}, "project tag tag_ref mask etag key"),
            (f"Delete{noun.title()}", {noun: "x"}, "project ref etag key"),
            (f"Undelete{noun.title()}", {noun: AN_ID}, "project id key"),
        )
        for part, cases in tag_cases(noun).items()
        if part in parts.split()
        for case in cases
    ],
    *[
        (rpc, {"project": "p", "task": "1", **more}, path, bad, named)
        for rpc, more in (
            ("AttachLabel", {"label": "x"}),
            ("DetachLabel", {"label": "x"}),
            ("ReorderTask", {"before": "2"}),
        )
        for path, bad, named in (
            ("project", "a" * 64, "project"),
            ("task", "1" * 37, "task"),
            ("etag", "a" * 65, "etag"),
            ("idempotencyKey", "a" * 129, "idempotency_key"),
            *([("label", "a" * 64, "label"), ("label", "", "label")] if "label" in more else []),
            *([("before", "1" * 37, "before"), ("before", None, "neighbour")] if "before" in more else []),
        )
    ],
    ("ReorderTask", {"project": "p", "task": "1", "after": "2"}, "after", "1" * 37, "after"),
    *[
        (rpc, {"project": "p", **more, "task": {"title": "x"}}, f"task.{path}", bad, f"task.{named}")
        for rpc, more in (("CreateTask", {}), ("UpdateTask", {"taskRef": "1"}))
        for path, bad, named in (
            ("category", "a" * 64, "category"),
            ("labels", ["a" * 64], "labels[0]"),
            ("labels", [""], "labels[0]"),
            ("labels", ["a", "a"], "labels"),
            ("labels", [str(n) for n in range(51)], "labels"),
            ("parent", "1" * 37, "parent"),
            ("parent", "first", "parent"),
            ("annotations", {"Upper": "x"}, 'annotations["Upper"]'),
            ("annotations", {"x": "a" * 1025}, 'annotations["x"]'),
            ("annotations", {str(n): "x" for n in range(51)}, "annotations"),
            ("externalId", "a" * 129, "external_id"),
        )
    ],
    *[
        ("MoveTask", {"project": "p", "task": "1", "destination": "q"}, *case)
        for case in (
            ("project", "a" * 64, "project"),
            ("task", "1" * 37, "task"),
            ("destination", "a" * 64, "destination"),
            ("destination", "", "destination"),
            ("etag", "a" * 65, "etag"),
            ("idempotencyKey", "a" * 129, "idempotency_key"),
        )
    ],
    ("ExportTasks", {"project": "p"}, "project", "a" * 64, "project"),
    ("ExportTasks", {"project": "p"}, "project", "a\0", "project"),
    *[("ExportTasks", {"project": "p"}, "filter", bad, "filter") for bad in ("colour = 1", "a" * 1001, "a\0")],
    *[
        ("ImportTasks", {"project": "p", "task": {"title": "x"}}, *case)
        for case in (
            ("project", "a" * 64, "project"),
            ("project", "a\0", "project"),
            ("updateMask", "colour", "update_mask"),
            ("idempotencyKey", "a" * 129, "idempotency_key"),
            ("task.title", "a" * 201, "tasks[0].title"),
            ("task.title", "a\0", "tasks[0].title"),
            ("task.description", "a" * 20_001, "tasks[0].description"),
            ("task.status", 99, "tasks[0].status"),
            ("task.priority", 99, "tasks[0].priority"),
            ("task.category", "a" * 64, "tasks[0].category"),
            ("task.labels", ["a", "a"], "tasks[0].labels"),
            ("task.parent", "a" * 129, "tasks[0].parent"),
            ("task.annotations", {"Upper": "x"}, 'tasks[0].annotations["Upper"]'),
            ("task.externalId", "a" * 129, "tasks[0].external_id"),
        )
    ],
    ("BatchGetTasks", {"project": "p", "tasks": ["1"]}, "project", "a" * 64, "project"),
    ("BatchGetTasks", {"project": "p", "tasks": ["1"]}, "tasks", [], "tasks"),
    ("BatchGetTasks", {"project": "p", "tasks": ["1"]}, "tasks", ["1"] * 101, "tasks"),
    ("BatchGetTasks", {"project": "p", "tasks": ["1"]}, "tasks", ["1", "1" * 37], "tasks[1]"),
    *[
        (f"Batch{verb}Tasks", {"project": "p", "requests": [item]}, path, bad, named)
        for verb, item, spoiled_items in (
            (
                "Create",
                {"task": {"title": "x"}},
                [
                    ({}, "task"),
                    ({"task": {"title": ""}}, "task.title"),
                    ({"task": {"title": "x", "category": "a" * 64}}, "task.category"),
                ],
            ),
            (
                "Update",
                {"taskRef": "1", "task": {"title": "x"}},
                [
                    ({"taskRef": "1" * 37, "task": {"title": "x"}}, "task_ref"),
                    ({"taskRef": "1"}, "task"),
                    ({"taskRef": "1", "task": {"title": "a" * 201}}, "task.title"),
                    ({"taskRef": "1", "task": {"title": "x"}, "updateMask": "colour"}, "update_mask"),
                    ({"taskRef": "1", "task": {"title": "x"}, "etag": "a" * 65}, "etag"),
                ],
            ),
            (
                "Transition",
                {"task": "1", "status": "DONE"},
                [
                    ({"task": "1" * 37, "status": "DONE"}, "task"),
                    ({"task": "1"}, "status"),
                    ({"task": "1", "status": "DONE", "etag": "a" * 65}, "etag"),
                ],
            ),
            (
                "Delete",
                {"task": "1"},
                [({"task": "1" * 37}, "task"), ({"task": "1", "etag": "a" * 65}, "etag")],
            ),
        )
        for path, bad, named in (
            ("project", "a" * 64, "project"),
            ("idempotencyKey", "a" * 129, "idempotency_key"),
            ("requests", [], "requests"),
            ("requests", [item] * 101, "requests"),
            *(("requests", [item, spoiled_item], f"requests[1].{field}") for spoiled_item, field in spoiled_items),
        )
    ],
    *[
        (rpc, {"project": "p", "task": "1", **more}, *case)
        for rpc, more in (
            ("AddRelation", {"kind": "BLOCKS", "other": "2"}),
            ("RemoveRelation", {"kind": "BLOCKS", "other": "2"}),
            ("ListRelations", {}),
        )
        for case in (
            ("project", "a" * 64, "project"),
            ("task", "1" * 37, "task"),
            *([("other", "1" * 37, "other"), ("kind", "KIND_UNSPECIFIED", "kind")] if more else []),
            *([("idempotencyKey", "a" * 129, "idempotency_key")] if more else []),
        )
    ],
    ("ListActivities", {"project": "p"}, "task", "1" * 37, "task"),
    ("GetProjectStats", {}, "project", "a" * 64, "project"),
    ("ListInvitations", {}, "project", "a" * 64, "project"),
    ("RevokeInvitation", {"project": "p"}, "invitationId", "mine", "invitation_id"),
    ("InviteMember", {"project": "p", "role": "VIEWER"}, "email", "nobody", "email"),
    ("InviteMember", {"project": "p", "role": "VIEWER"}, "email", "a" * 250 + "@b.de", "email"),
    ("InviteMember", {"project": "p", "email": "a@b.de"}, "role", 0, "role"),
    ("InviteMember", {"project": "p", "email": "a@b.de"}, "role", 99, "role"),
    ("TestPermissions", {"permissions": ["task.read"]}, "project", "a" * 64, "project"),
    ("TestPermissions", {"project": "p"}, "permissions", [], "permissions"),
    ("TestPermissions", {"project": "p"}, "permissions", ["task.read"] * 101, "permissions"),
    ("TestPermissions", {"project": "p"}, "permissions", ["task.read", ""], "permissions[1]"),
    ("TestPermissions", {"project": "p"}, "permissions", ["task.read", "a" * 65], "permissions[1]"),
    ("GetMember", {"project": "p", "userId": AN_ID}, "project", "a" * 64, "project"),
    ("ListMembers", {"project": "p"}, "project", "a" * 64, "project"),
    *[
        (rpc, {"project": "p", "userId": AN_ID, **more}, "userId", "ada", "user_id")
        for rpc, more in (
            ("GetMember", {}),
            ("TransferProject", {}),
            ("AddMember", {"role": "VIEWER"}),
            ("UpdateMember", {"member": {"role": "VIEWER"}}),
            ("RemoveMember", {}),
        )
    ],
    ("AddMember", {"project": "p", "role": "VIEWER"}, "username", "", "username"),
    ("AddMember", {"project": "p", "role": "VIEWER"}, "username", "a" * 65, "username"),
    ("AddMember", {"project": "p", "role": "VIEWER"}, "email", "nobody", "email"),
    ("AddMember", {"project": "p", "userId": AN_ID, "role": "VIEWER"}, "userId", None, "person"),
    ("AddMember", {"project": "p", "userId": AN_ID}, "role", 0, "role"),
    ("AddMember", {"project": "p", "userId": AN_ID}, "role", 99, "role"),
    ("UpdateMember", {"project": "p", "userId": AN_ID, "member": {}}, "member.role", 99, "member.role"),
    ("UpdateProject", {"projectRef": "p", "project": {}}, "project.title", "", "project.title"),
    ("UpdateProject", {"projectRef": "p", "project": {}}, "project.title", "a" * 201, "project.title"),
    ("UpdateProject", {"projectRef": "p", "project": {}}, "project.slug", "-a", "project.slug"),
    ("UpdateProject", {"projectRef": "p", "project": {}}, "project.description", "a" * 20_001, "project.description"),
    ("UpdateProject", {"projectRef": "p", "project": {"title": "x"}}, "updateMask", "colour", "update_mask"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {"title": "x"}}, "updateMask", "colour", "update_mask"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {"title": "x"}}, "taskRef", "1" * 37, "task_ref"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {}}, "task.title", "", "task.title"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {}}, "task.title", "a" * 201, "task.title"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {}}, "task.description", "a\0", "task.description"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {}}, "task.status", 99, "task.status"),
    ("UpdateTask", {"project": "p", "taskRef": "1", "task": {}}, "task.priority", 99, "task.priority"),
    ("AssignTask", {"project": "p", "task": "1", "assignee": AN_ID}, "task", "1" * 37, "task"),
    ("AssignTask", {"project": "p", "task": "1"}, "assignee", "ada", "assignee"),
    *[
        (rpc, {"project": "p", "task": "1"}, "task", "1" * 37, "task")
        for rpc in ("UnassignTask", "DeleteTask", "UndeleteTask")
    ],
]

CREATE_USER: dict[str, Any] = {"user": {"email": "new@example.com", "fullName": "New"}}
UPDATE_USER: dict[str, Any] = {"userId": AN_ID, "user": {"fullName": "New"}}
CREATE_ACCOUNT: dict[str, Any] = {
    "serviceAccount": {"name": "new-robot", "scopes": ["work.read"], "audiences": ["work"]}
}
UPDATE_ACCOUNT: dict[str, Any] = {"serviceAccountRef": "robot", "serviceAccount": {"description": "New"}}

# The same for what administrators ask.
SPOILED_BY_ADMINISTRATORS: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("CreateUser", {}, "user", None, "user"),
    ("CreateUser", CREATE_USER, "user.email", "", "user.email"),
    ("CreateUser", CREATE_USER, "user.email", "a" * 250 + "@b.de", "user.email"),
    *[
        case
        for rpc, request in (("CreateUser", CREATE_USER), ("UpdateUser", UPDATE_USER))
        for case in (
            (rpc, request, "user.email", "not an address", "user.email"),
            (rpc, request, "user.email", "a\0b@example.com", "user.email"),
            (rpc, request, "user.fullName", "", "user.full_name"),
            (rpc, request, "user.fullName", "a" * 201, "user.full_name"),
            (rpc, request, "user.fullName", "A\0", "user.full_name"),
            (rpc, request, "user.username", "ab", "user.username"),
            (rpc, request, "user.username", "Has Space", "user.username"),
            (rpc, request, "user.username", "abc\0", "user.username"),
            (rpc, request, "user.role", 99, "user.role"),
        )
    ],
    ("UpdateUser", UPDATE_USER, "user.role", "ROLE_UNSPECIFIED", "user.role"),
    ("UpdateUser", UPDATE_USER, "updateMask", "colour", "update_mask"),
    *[
        (rpc, {"userId": AN_ID, **more}, "userId", "ada", "user_id")
        for rpc, more in (
            ("GetUser", {}),
            ("UpdateUser", {"user": {"fullName": "New"}}),
            ("DisableUser", {}),
            ("EnableUser", {}),
            ("DeleteUser", {}),
            ("UndeleteUser", {}),
            ("StartPasswordReset", {}),
            ("ListUserSessions", {}),
            ("RevokeUserSessions", {}),
            ("ListAuditEvents", {}),
        )
    ],
    *[
        (rpc, {"userId": AN_ID, **more}, "etag", etag, "etag")
        for rpc, more in (
            ("UpdateUser", {"user": {"fullName": "New"}}),
            ("DisableUser", {}),
            ("EnableUser", {}),
            ("DeleteUser", {}),
        )
        for etag in ("a" * 65, "1\0")
    ],
    ("BatchGetUsers", {}, "userIds", None, "user_ids"),
    ("BatchGetUsers", {}, "userIds", [AN_ID] * 101, "user_ids"),
    ("BatchGetUsers", {}, "userIds", [AN_ID, "ada"], "user_ids[1]"),
    *[
        case
        for rpc, request in (("ListUsers", {}), ("ListUserSessions", {"userId": AN_ID}), ("ListAuditEvents", {}))
        for case in (
            (rpc, request, "pageSize", -1, "page_size"),
            (rpc, request, "pageToken", "nonsense", "page_token"),
            (rpc, request, "pageToken", "a" * 1025, "page_token"),
        )
    ],
    ("ListUsers", {}, "q", "a" * 201, "q"),
    ("ListUsers", {}, "q", "a\0", "q"),
    ("ListUsers", {}, "role", 99, "role"),
    ("ListUsers", {}, "orderBy", "password_hash", "order_by"),
    ("ListUsers", {}, "orderBy", "email up", "order_by"),
    ("ListUsers", {}, "orderBy", "a" * 65, "order_by"),
    ("ListUsers", {}, "filter", "password = x", "filter"),
    ("ListUsers", {}, "filter", "role > USER", "filter"),
    ("ListUsers", {}, "filter", "a" * 1001, "filter"),
    ("ListUsers", {}, "filter", "a\0", "filter"),
    ("ListAuditEvents", {}, "action", "a" * 65, "action"),
    ("ListAuditEvents", {}, "action", "a\0", "action"),
    ("ListAuditEvents", {}, "outcome", 99, "outcome"),
    ("CreateServiceAccount", {}, "serviceAccount", None, "service_account"),
    ("CreateServiceAccount", CREATE_ACCOUNT, "serviceAccount.name", "", "service_account.name"),
    *[
        ("CreateServiceAccount", CREATE_ACCOUNT, "serviceAccount.name", bad, "service_account.name")
        for bad in ("x", "Robot", "1robot", "robot-", "a" * 65, "tandem", AN_ID.replace("0", "a", 1), "robot\0")
    ],
    *[
        case
        for rpc, request in (("CreateServiceAccount", CREATE_ACCOUNT), ("UpdateServiceAccount", UPDATE_ACCOUNT))
        for case in (
            (rpc, request, "serviceAccount.description", "a" * 1001, "service_account.description"),
            (rpc, request, "serviceAccount.description", "a\0", "service_account.description"),
            (rpc, request, "serviceAccount.scopes", [], "service_account.scopes"),
            (rpc, request, "serviceAccount.scopes", ["work.read", "work.read"], "service_account.scopes"),
            (rpc, request, "serviceAccount.scopes", ["work.read", "all"], "service_account.scopes[1]"),
            (rpc, request, "serviceAccount.audiences", [], "service_account.audiences"),
            (rpc, request, "serviceAccount.audiences", ["work", "work"], "service_account.audiences"),
            (rpc, request, "serviceAccount.audiences", ["play"], "service_account.audiences[0]"),
        )
    ],
    ("UpdateServiceAccount", UPDATE_ACCOUNT, "updateMask", "colour", "update_mask"),
    ("UpdateServiceAccount", UPDATE_ACCOUNT, "serviceAccountRef", "a" * 65, "service_account_ref"),
    ("UpdateServiceAccount", UPDATE_ACCOUNT, "serviceAccountRef", "a\0", "service_account_ref"),
    *[
        (rpc, {"serviceAccount": "robot", **more}, "serviceAccount", bad, "service_account")
        for rpc, more in (
            ("GetServiceAccount", {}),
            ("DeleteServiceAccount", {}),
            ("DisableServiceAccount", {}),
            ("EnableServiceAccount", {}),
            ("CreateServiceAccountKey", {}),
            ("ListServiceAccountKeys", {}),
            ("RevokeServiceAccountKey", {"keyId": AN_ID}),
        )
        for bad in ("a" * 65, "a\0")
    ],
    *[
        (rpc, request, "etag", etag, "etag")
        for rpc, request in (
            ("UpdateServiceAccount", UPDATE_ACCOUNT),
            ("DeleteServiceAccount", {"serviceAccount": "robot"}),
            ("DisableServiceAccount", {"serviceAccount": "robot"}),
            ("EnableServiceAccount", {"serviceAccount": "robot"}),
        )
        for etag in ("a" * 65, "1\0")
    ],
    ("ListServiceAccounts", {}, "pageSize", -1, "page_size"),
    ("ListServiceAccounts", {}, "pageToken", "nonsense", "page_token"),
    ("ListServiceAccounts", {}, "pageToken", "a" * 1025, "page_token"),
    ("CreateServiceAccountKey", {"serviceAccount": "robot"}, "publicJwk", "a" * 4097, "public_jwk"),
    ("CreateServiceAccountKey", {"serviceAccount": "robot"}, "publicJwk", "{}\0", "public_jwk"),
    ("CreateServiceAccountKey", {"serviceAccount": "robot"}, "publicJwk", "{}", "public_jwk"),
    ("CreateServiceAccountKey", {"serviceAccount": "robot"}, "expireTime", "2001-01-01T00:00:00Z", "expire_time"),
    ("RevokeServiceAccountKey", {"serviceAccount": "robot"}, "keyId", "one", "key_id"),
    ("CreateSigningKey", {}, "algorithm", "HS256", "algorithm"),
    ("CreateSigningKey", {}, "algorithm", "es256", "algorithm"),
    ("CreateSigningKey", {}, "algorithm", "ES256\0", "algorithm"),
    *[
        (rpc, {}, "kid", bad, "kid")
        for rpc in ("ActivateSigningKey", "RetireSigningKey", "RevokeSigningKey")
        for bad in ("a" * 65, "a\0")
    ],
]


def spoiled(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The request with another value in one place."""
    first, _, rest = path.partition(".")
    changed = dict(request)
    if rest:
        changed[first] = spoiled(changed.get(first, {}), rest, value)
    elif value is None:
        changed.pop(first, None)
    else:
        changed[first] = value
    return changed


def counted(metadata: MetaData) -> Select[Any]:
    return select(
        *(
            select(func.count()).select_from(table).scalar_subquery().label(table.name)
            for table in metadata.sorted_tables
            if table is not work_service.tables.profiles
        )
    )


COUNTED_BY_IDENTITY, COUNTED_BY_WORK = counted(identity_service.tables.metadata), counted(work_service.tables.metadata)


async def contents(stack: Stack) -> dict[str, int]:
    """How many rows there are in every table, but in work's copy of profiles, which comes a moment later."""

    counted = await rows(stack.identity_url, COUNTED_BY_IDENTITY), await rows(stack.work_url, COUNTED_BY_WORK)
    return {name: count for (row,) in counted for name, count in row._mapping.items()}


@pytest.fixture(scope="module")
def cast() -> dict[tuple[str, str], Person]:
    """Who has been signed up already, by door and name: nothing here changes anything about them."""
    return {}


@pytest.fixture
async def ada(stack: Stack, door: Door, cast: dict[tuple[str, str], Person]) -> Person:
    if (door.name, "ada") not in cast:
        cast[door.name, "ada"] = await known(stack, await signed_up(door, "Ada"))
    return cast[door.name, "ada"]


@pytest.fixture
async def admin(stack: Stack, door: Door, cast: dict[tuple[str, str], Person]) -> Person:
    if (door.name, "admin") not in cast:
        cast[door.name, "admin"] = await known(stack, await signed_up_as(door, stack.identity_url, "ADMIN"))
    return cast[door.name, "admin"]


@pytest.mark.parametrize(
    ("rpc", "request_", "path", "value", "named"),
    [pytest.param(*case, id=f"{case[0]}-{case[2]}-{str(case[3])[:16]!r}-{n}") for n, case in enumerate(SPOILED)],
)
async def test_a_bad_value_is_refused_by_name_and_changes_nothing(
    stack: Stack, ada: Person, rpc: str, request_: dict[str, Any], path: str, value: Any, named: str
) -> None:
    before = await contents(stack)
    with refused("INVALID_ARGUMENT", field=named) as said:
        await ada.call(rpc, **spoiled(request_, path, value))
    assert PASSWORD not in said[0].message
    assert await contents(stack) == before


@pytest.mark.parametrize(("rpc", "request_", "path", "value", "named"), SPOILED_BY_ADMINISTRATORS)
async def test_a_bad_value_from_an_administrator_is_refused_by_name_and_changes_nothing(
    stack: Stack, admin: Person, rpc: str, request_: dict[str, Any], path: str, value: Any, named: str
) -> None:
    before = await contents(stack)
    with refused("INVALID_ARGUMENT", field=named):
        await admin.call(rpc, **spoiled(request_, path, value))
    assert await contents(stack) == before


@pytest.mark.parametrize(("rpc", "request_", "path", "value", "named"), SPOILED_BETWEEN_SERVICES)
async def test_a_bad_value_from_a_service_is_refused_by_name(
    stack: Stack, rpc: str, request_: dict[str, Any], path: str, value: Any, named: str
) -> None:
    door = stack.doors["grpc"]
    scopes = ["identity.read", "identity.mail"]
    secret = await provisioned(stack.identity_url, "curious", scopes=scopes, audiences=["identity"])
    token = await machine_token(door, "curious", secret)
    with refused("INVALID_ARGUMENT", field=named):
        await door.call(rpc, token=token, **spoiled(request_, path, value))


async def test_every_request_field_has_been_spoiled() -> None:
    """What is not in the table above has not been thought about."""
    output_only = {
        "author",
        "task",
        "position",
        "details",
        "counts",
        "id",
        "owner",
        "myRole",
        "personal",
        "createTime",
        "updateTime",
        "etag",
        "project",
        "number",
        "creator",
        "completeTime",
        "deleteTime",
        "assignee",
        "userId",
        "emailVerified",
        "disabled",
        "lastLoginTime",
    }
    wanted = set()
    for name, rpc in RPCS.items():
        for field in rpc.method.input_type.fields:
            if field.type == FieldDescriptor.TYPE_BOOL:
                continue  # there is no bad one but of another type, and that is the codec's to refuse
            wanted.add((name, field.json_name))
            if field.message_type is not None and field.message_type.full_name.startswith("tandem."):
                wanted |= {
                    (name, f"{field.json_name}.{inner.json_name}")
                    for inner in field.message_type.fields
                    if inner.json_name not in output_only
                }
    cases = (*SPOILED, *SPOILED_BY_ADMINISTRATORS, *SPOILED_BETWEEN_SERVICES)
    spoiled_fields = {(rpc, path.removesuffix("_")) for rpc, _, path, _, _ in cases}
    # Of one in a list, the answer alone says which field it was.
    spoiled_fields |= {
        (rpc, f"requests.{camel_case(named.split('.')[1])}")
        for rpc, _, path, _, named in cases
        if path == "requests" and "." in named
    }
    spoiled_fields |= {
        ("CreateTask", "task.dueTime"),  # below: the two doors disagree on what can be said at all
        ("UpdateTask", "task.dueTime"),
        ("ImportTasks", "task.dueTime"),
        ("ListTasks", "dueBefore"),  # below, too
        ("ListTasks", "dueAfter"),
        ("ListAuditEvents", "after"),
        ("ListAuditEvents", "before"),
        # No resource at all is a change of nothing over REST.
        ("UpdateMe", "user"),
        ("UpdateProject", "project"),
        ("UpdateTask", "task"),
        ("ImportTasks", "task"),  # none at all is an import of nothing
        ("UpdateUser", "user"),
        ("UpdateServiceAccount", "serviceAccount"),
        ("UpdateCategory", "category"),
        ("UpdateLabel", "label"),
        # It cannot be changed, so whatever it is makes no difference.
        *((f"{verb}{tag.title()}", f"{tag}.slug") for verb in ("Create", "Update") for tag in ("category", "label")),
        ("UpdateServiceAccount", "serviceAccount.name"),
        ("UpdateMember", "member"),
        ("UpdateMember", "updateMask"),  # of the same code as the other two
    }
    assert wanted - spoiled_fields == set()


@pytest.mark.parametrize("seconds", [-62_135_596_801, 253_402_300_800])
async def test_an_instant_beyond_the_calendar_is_refused(stack: Stack, seconds: int) -> None:
    """gRPC only: JSON cannot spell it."""
    door = stack.doors["grpc"]
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    request = task_pb2.CreateTaskRequest(project=project["id"], task=task_pb2.Task(title="x"))
    request.task.due_time.seconds = seconds
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        stub = task_pb2_grpc.TaskServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateTask(request, metadata=(("authorization", f"Bearer {ada.token}"),))
    refusal = grpc_refusal(caught.value)
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.fields == ("task.due_time",)


@pytest.mark.parametrize("field", ["after", "before"])
async def test_no_event_is_looked_for_beyond_the_calendar(stack: Stack, field: str) -> None:
    """gRPC; and over REST, what is no time at all."""
    admin = await signed_up_as(stack.doors["rest"], stack.identity_url, "ADMIN")
    request = user_pb2.ListAuditEventsRequest()
    getattr(request, field).seconds = 253_402_300_800
    async with grpc.aio.insecure_channel(stack.identity_address) as channel:
        stub = user_pb2_grpc.UserServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListAuditEvents(request, metadata=(("authorization", f"Bearer {admin.token}"),))
    assert grpc_refusal(caught.value).fields == (field,)
    with refused("INVALID_ARGUMENT", field=field):
        await admin.call("ListAuditEvents", **{field: "tomorrow"})


@pytest.mark.parametrize("field", ["due_before", "due_after"])
async def test_nothing_is_due_beyond_the_calendar(stack: Stack, field: str) -> None:
    """gRPC; and over REST, what is no time at all."""
    ada = await signed_up(stack.doors["rest"])
    request = task_pb2.ListTasksRequest()
    getattr(request, field).seconds = 253_402_300_800
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        stub = task_pb2_grpc.TaskServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListTasks(request, metadata=(("authorization", f"Bearer {ada.token}"),))
    assert grpc_refusal(caught.value).fields == (field,)
    with refused("INVALID_ARGUMENT", field=field):
        await ada.call("ListTasks", **{field: "tomorrow"})


async def test_bytes_that_are_no_message_are_refused(stack: Stack, ada: Person) -> None:
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/tandem.work.v1.TaskService/GetTask"
        )
        for nonsense in (b"\xff\xff\xff", b"\x0a\x02\xff\xfe"):  # no field; text that is not UTF-8
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(nonsense, metadata=(("authorization", f"Bearer {ada.token}"),))
            assert grpc_refusal(caught.value).reason == "MALFORMED_REQUEST"


JSON = {"content-type": "application/json"}

# Body, and the field that the answer names.
BODIES = [
    pytest.param(b"{", "", 400, id="malformed"),
    pytest.param(b'{"title": "x"} {}', "", 400, id="trailing bytes"),
    pytest.param(b'{"title": "x", "title": "y"}', "title", 400, id="duplicate key"),
    pytest.param(b'{"title": "x", "dueTime": null, "due_time": null}', "due", 400, id="camel and snake twins"),
    pytest.param(b'{"title": "x", "colour": "red"}', "colour", 400, id="unknown field"),
    pytest.param(b'{"title": 5}', "title", 400, id="wrong type"),
    pytest.param(b'{"title": "x", "status": "SOON"}', "status", 400, id="unknown enum value"),
    pytest.param(b'{"title": "x", "dueTime": "tomorrow"}', "due", 400, id="not a time"),
    pytest.param(b'{"title": "x", "dueTime": "2030-13-45T00:00:00Z"}', "due", 400, id="not a date"),
    pytest.param(b'{"title": "\\ud800"}', "title", 400, id="lone surrogate"),
    pytest.param(b'{"title": "\xff"}', "", 400, id="not UTF-8"),
    pytest.param(b'["x"]', "", 400, id="an array"),
    pytest.param(b'{"title": "x", "description": "' + b"a" * 5_000_000 + b'"}', "", 413, id="too large"),
]


@pytest.mark.parametrize(("body", "named", "status"), BODIES)
async def test_a_bad_body_is_refused_and_changes_nothing(stack: Stack, body: bytes, named: str, status: int) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    before = await contents(stack)
    response = await door.client.post(
        f"/api/v1/projects/{project['id']}/tasks",
        content=body,
        headers=JSON | {"authorization": f"Bearer {ada.token}"},
    )
    assert response.status_code == status, response.text
    error = response.json()
    assert error["code"] == status
    assert error["requestId"]
    violations = [v["field"] for detail in error["details"] for v in detail.get("fieldViolations", [])]
    assert not named or any(named in field for field in violations), error
    assert await contents(stack) == before


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("pageSize=many", "pageSize"),
        ("pageSize=1&pageSize=2", "pageSize"),
        ("page_size=1&pageSize=2", "page"),
        ("pagesize=1", "pagesize"),
        ("project=other", "project"),
        ("pageToken=%ff", ""),
    ],
)
async def test_a_bad_query_is_refused(stack: Stack, query: str, named: str) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    response = await door.client.get(
        f"/api/v1/projects/{project['id']}/tasks?{query}", headers={"authorization": f"Bearer {ada.token}"}
    )
    assert response.status_code == 400, response.text
    violations = [v["field"] for detail in response.json()["details"] for v in detail.get("fieldViolations", [])]
    assert not named or any(named in field for field in violations), response.text


async def test_strings_at_their_longest_are_taken(door: Door, ada: Person) -> None:
    project = await ada.call("CreateProject", project={"title": "ü" * 200, "description": "🚀" * 20_000})
    task = await ada.call("CreateTask", project=project["id"], task={"title": "x" * 200, "description": "y" * 20_000})
    assert len(task["description"]) == 20_000
    assert len((await ada.call("GetProject", project=project["id"]))["description"]) == 20_000
