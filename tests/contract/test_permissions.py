"""Who may do what: every RPC, every kind of caller. Written by hand, not taken from the roles."""

from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from tandem.policy.v1 import policy_pb2

from chassis.ids import new_id
from identity_service.tables import users
from tests.contract.test_tokens import parts
from tests.support.doors import RPCS, Door, Refused
from tests.support.machines import provisioned
from tests.support.mailbox import token_to
from tests.support.people import PASSWORD, Person, signed_up, signed_up_as
from tests.support.sql import change
from tests.support.stack import Stack

CALLERS = ("nobody", "stranger", "VIEWER", "DEVELOPER", "MAINTAINER", "OWNER", "MANAGER", "ADMIN", "machine")

# What each caller gets, in the order above: ok, or the status over HTTP.
READ = "401 404 ok  ok  ok  ok  ok  ok  404"
WORK = "401 404 403 ok  ok  ok  403 ok  404"
LEAD = "401 404 403 403 ok  ok  403 ok  404"
MANAGE = "401 403 403 403 403 403 ok ok 403"
ADMINISTRATE = "401 403 403 403 403 403 403 ok 403"
OWN = " 401 404 403 403 403 ok  403 ok  404"
MINE = "401 ok ok ok  ok  ok  ok  ok  403"
ANYBODY = "ok ok ok ok ok ok ok ok ok"
MATRIX = {
    "Register": "ok  ok  ok  ok  ok  ok  ok  ok  ok",
    "Login": "   ok  ok  ok  ok  ok  ok  ok  ok  ok",
    "Refresh": " ok  ok  ok  ok  ok  ok  ok  ok  ok",
    "Logout": "  ok  ok  ok  ok  ok  ok  ok  ok  403",
    "GetMe": "   401 ok  ok  ok  ok  ok  ok  ok  403",
    "UpdateMe": MINE,
    "DeleteMe": MINE,
    "ChangePassword": MINE,
    "ChangeEmail": MINE,
    "SendVerificationEmail": MINE,
    "VerifyEmail": ANYBODY,
    "RequestPasswordReset": ANYBODY,
    "ResetPassword": ANYBODY,
    **dict.fromkeys(("ListSessions", "RevokeSession", "RevokeAllSessions"), MINE),
    "BatchGetProfiles": MINE,  # for people, and machines that hold the scope
    **dict.fromkeys(("CreateUser", "GetUser", "BatchGetUsers", "ListUsers"), MANAGE),
    **dict.fromkeys(("UpdateUser", "DisableUser", "EnableUser", "DeleteUser", "UndeleteUser"), ADMINISTRATE),
    **dict.fromkeys(("StartPasswordReset", "ListUserSessions", "RevokeUserSessions", "ListAuditEvents"), ADMINISTRATE),
    **dict.fromkeys(("CreateServiceAccount", "GetServiceAccount", "ListServiceAccounts"), ADMINISTRATE),
    **dict.fromkeys(("UpdateServiceAccount", "DeleteServiceAccount"), ADMINISTRATE),
    **dict.fromkeys(("DisableServiceAccount", "EnableServiceAccount"), ADMINISTRATE),
    **dict.fromkeys(
        ("CreateServiceAccountKey", "ListServiceAccountKeys", "RevokeServiceAccountKey"),
        ADMINISTRATE,
    ),
    **dict.fromkeys(("ListSigningKeys", "CreateSigningKey"), ADMINISTRATE),
    **dict.fromkeys(("ActivateSigningKey", "RetireSigningKey", "RevokeSigningKey"), ADMINISTRATE),
    **dict.fromkeys(("IssueToken", "IntrospectToken", "RevokeToken"), ANYBODY),  # who says who they are in the request
    **dict.fromkeys(("GetServerMetadata", "GetJsonWebKeySet"), ANYBODY),
    **dict.fromkeys(("LookupProfile", "Watch", "SendInvitation"), "401 403 403 403 403 403 403 403 403"),
    "CreateProject": "401 ok ok ok  ok  ok  ok  ok  ok",
    "ListProjects": "401 ok  ok  ok  ok  ok  ok  ok  ok",
    "GetProject": READ,
    "UpdateProject": LEAD,
    **dict.fromkeys(("ActivateProject", "ArchiveProject", "UnarchiveProject"), LEAD),
    "TransferProject": OWN,
    "GetProjectStats": READ,
    "DeleteProject": OWN,
    "UndeleteProject": OWN,
    "AddMember": LEAD,
    "GetMember": READ,
    "ListMembers": READ,
    "UpdateMember": LEAD,
    "RemoveMember": LEAD,
    "TestPermissions": READ,
    **dict.fromkeys(("InviteMember", "ListInvitations", "RevokeInvitation"), LEAD),
    "LeaveProject": "401 404 ok  ok  ok  ok  404 404 404",
    "CreateComment": WORK,
    "GetComment": READ,
    "ListComments": READ,
    "UpdateComment": WORK,  # whoever has written it; the caller has
    "DeleteComment": WORK,
    "ListActivities": READ,
    **dict.fromkeys(("GetCategory", "ListCategories", "GetLabel", "ListLabels"), READ),
    **{f"{verb}{tag}": LEAD for verb in ("Create", "Update", "Delete", "Undelete") for tag in ("Category", "Label")},
    "AttachLabel": WORK,
    "DetachLabel": WORK,
    "ReorderTask": WORK,
    "AddRelation": WORK,
    "ListRelations": READ,
    "RemoveRelation": WORK,
    "MoveTask": "401 404 403 ok ok ok 403 ok 404",  # to a project where the owner has made everybody a developer
    "BatchGetTasks": READ,
    **{f"Batch{verb}Tasks": WORK for verb in ("Create", "Update", "Transition", "Delete")},
    "ExportTasks": READ,
    "ImportTasks": WORK,
    "CreateTask": WORK,
    "GetTask": READ,
    "ListTasks": READ,
    "SearchTasks": READ,
    "UpdateTask": WORK,
    "TransitionTask": WORK,
    "AssignTask": WORK,
    "UnassignTask": WORK,
    "DeleteTask": WORK,
    "UndeleteTask": WORK,
}
ABOUT_ROBOTS = frozenset(
    rpc for rpc in MATRIX if "ServiceAccount" in rpc and rpc not in {"CreateServiceAccount", "ListServiceAccounts"}
)
HTTP = {"UNAUTHENTICATED": "401", "PERMISSION_DENIED": "403", "NOT_FOUND": "404"}


def test_every_rpc_has_a_row() -> None:
    assert set(MATRIX) == set(RPCS)
    assert {len(row.split()) for row in MATRIX.values()} == {len(CALLERS)}


@dataclass
class Scene:
    """A project with a task and a member, and somebody who wants something of it."""

    owner: Person
    caller: Person
    project: dict[str, Any]
    task: dict[str, Any]
    target: Person
    machine_secret: str
    stack: Stack

    def request(self, rpc: str) -> dict[str, Any]:
        """A request that would do, if the caller may."""
        project, task, member = {"project": self.project["id"]}, {"task": self.task["id"]}, {"userId": self.target.id}
        client = {"clientId": "machine", "clientSecret": self.machine_secret}
        requests: dict[str, dict[str, Any]] = {
            "Register": {"email": "somebody@example.com", "password": PASSWORD, "fullName": "Somebody"},
            "Login": {"email": self.owner.email, "password": PASSWORD},
            "GetMe": {},
            "UpdateMe": {"user": {"fullName": "Somebody Else"}},
            "ChangePassword": {"currentPassword": PASSWORD, "newPassword": PASSWORD},
            "ChangeEmail": {"email": f"{new_id()}@example.com", "password": PASSWORD},
            "DeleteMe": {},
            "SendVerificationEmail": {},
            "RequestPasswordReset": {"email": f"{new_id()}@example.com"},
            "BatchGetProfiles": {"userIds": [self.owner.id]},
            "CreateUser": {"user": {"email": f"invited.{new_id().hex}@example.com", "fullName": "Invited"}},
            "BatchGetUsers": {"userIds": [self.owner.id]},
            "GetUser": {"userId": self.owner.id},
            "ListUsers": {},
            "ListAuditEvents": {},
            "IssueToken": {"grantType": "client_credentials", **client},
            "IntrospectToken": {"token_": "x", **client},
            "RevokeToken": {"token_": "x", **client},
            "CreateServiceAccount": {
                "serviceAccount": {"name": f"robot-{new_id().hex}", "scopes": ["work.read"], "audiences": ["work"]}
            },
            "ListServiceAccounts": {},
            "ListSigningKeys": {},
            "CreateSigningKey": {},
            "GetServerMetadata": {},
            "GetJsonWebKeySet": {},
            "ListSessions": {},
            "RevokeAllSessions": {},
            "Watch": {},
            "LookupProfile": {"userId": self.owner.id},
            "SendInvitation": {
                "mailId": str(new_id()),
                "email": f"{new_id()}@example.com",
                "inviterId": self.owner.id,
                "projectTitle": "Apollo",
            },
            "CreateProject": {"project": {"title": "Mine"}},
            "ListProjects": {},
            "UpdateProject": {"projectRef": self.project["id"], "project": {"title": "Renamed"}},
            "TransferProject": project | member,
            "TestPermissions": {**project, "permissions": ["task.read"]},
            "InviteMember": {**project, "email": f"{new_id()}@example.com", "role": "VIEWER"},
            "AddMember": {**project, **member, "role": "VIEWER"},
            "GetMember": project | member,
            "UpdateMember": {**project, **member, "member": {"role": "DEVELOPER"}},
            "RemoveMember": project | member,
            "CreateTask": {**project, "task": {"title": "New"}},
            "ImportTasks": {**project, "task": {"title": "New"}},
            "ListTasks": project,
            "SearchTasks": {**project, "query": "land"},
            "UpdateTask": {**project, "taskRef": self.task["id"], "task": {"title": "Renamed"}},
            "TransitionTask": {**project, **task, "status": "DONE"},
            "AssignTask": {**project, **task, "assignee": self.target.id},
            "CreateComment": {**project, **task, "comment": {"text": "Well done."}},
            "ListComments": project | task,
            "CreateCategory": {**project, "category": {"name": "Bug"}},
            "CreateLabel": {**project, "label": {"name": "Bug"}},
            "ListRelations": project | task,
            "BatchGetTasks": {**project, "tasks": [self.task["id"], "1"]},
            "BatchCreateTasks": {**project, "requests": [{"task": {"title": "New"}}]},
            "BatchUpdateTasks": {**project, "requests": [{"taskRef": "1", "task": {"title": "Renamed"}}]},
            "BatchTransitionTasks": {**project, "requests": [{"task": "1", "status": "DONE"}]},
            "BatchDeleteTasks": {**project, "requests": [{"task": "1"}]},
            "ReorderTask": {**project, **task, "before": self.task["id"]},
            **dict.fromkeys(("GetTask", "UnassignTask", "DeleteTask", "UndeleteTask"), project | task),
        }
        return requests.get(rpc, project)

    async def a_comment(self) -> dict[str, Any]:
        """One of the caller's, or, if they may not say anything, of somebody else's."""
        name = {"project": self.project["id"], "task": self.task["id"]}
        said = {**name, "comment": {"text": "Well done."}}
        try:
            comment = await self.caller.door.call("CreateComment", token=self.caller.token or None, **said)
        except Refused:
            comment = await self.owner.call("CreateComment", **said)
        return {**name, "commentId": comment["id"]}

    async def about_a_relation(self, rpc: str) -> dict[str, Any]:
        """A request about the task and another one."""
        other = await self.owner.call("CreateTask", project=self.project["id"], task={"title": "Other"})
        name = {"project": self.project["id"], "task": self.task["id"], "kind": "BLOCKS", "other": other["id"]}
        if rpc == "RemoveRelation":
            await self.owner.call("AddRelation", **name)
        return name

    async def elsewhere(self) -> dict[str, Any]:
        """Another project, where the caller is a developer, if they can be."""
        project = await self.owner.call("CreateProject", project={"title": "Elsewhere"})
        if self.caller.id not in {"", self.owner.id}:
            await self.owner.call("AddMember", project=project["id"], userId=self.caller.id, role="DEVELOPER")
        return project

    async def about_a_tag(self, rpc: str) -> dict[str, Any]:
        """A request about a new category, or a new label."""
        noun = "category" if rpc.endswith("Category") else "label"
        project = self.project["id"]
        made = await self.owner.call(f"Create{noun.title()}", project=project, **{noun: {"name": "Bug"}})
        if rpc.startswith("Undelete"):
            await self.owner.call(f"Delete{noun.title()}", project=project, **{noun: made["id"]})
        if rpc.startswith("Update"):
            return {"project": project, f"{noun}Ref": made["slug"], noun: {"name": "Better"}}
        task = {"task": self.task["id"]} if rpc in {"AttachLabel", "DetachLabel"} else {}
        return {"project": project, noun: made["id"], **task}

    async def prepare(self, rpc: str) -> dict[str, Any]:  # noqa: C901, PLR0912 - a table of what each RPC needs
        """Bring about what the request is about."""
        request = self.request(rpc)
        match rpc:
            case "RevokeInvitation":
                invitation = await self.owner.call("InviteMember", **self.request("InviteMember"))
                request = request | {"invitationId": invitation["id"]}
            case "UndeleteProject":
                await self.owner.call("DeleteProject", project=self.project["id"])
            case "GetComment" | "UpdateComment" | "DeleteComment":
                request = await self.a_comment() | ({"comment": {"text": "Better."}} if rpc == "UpdateComment" else {})
            case "AddRelation" | "RemoveRelation":
                request = await self.about_a_relation(rpc)
            case "MoveTask":
                request = {**request, "task": self.task["id"], "destination": (await self.elsewhere())["id"]}
            case "AttachLabel" | "DetachLabel":
                request = await self.about_a_tag(rpc)
            case _ if rpc.endswith(("Category", "Label")) and not rpc.startswith("Create"):
                request = await self.about_a_tag(rpc)
            case "UndeleteTask":
                await self.owner.call("DeleteTask", project=self.project["id"], task=self.task["id"])
            case "VerifyEmail":
                somebody = await signed_up(self.owner.door)
                request = {"token_": await token_to(self.stack, somebody.email, "VERIFY_EMAIL")}
            case "ResetPassword":
                somebody = await signed_up(self.owner.door)
                await somebody.call("RequestPasswordReset", email=somebody.email)
                request = {
                    "token_": await token_to(self.stack, somebody.email, "RESET_PASSWORD"),
                    "newPassword": PASSWORD,
                }
            case (
                "UpdateUser"
                | "DisableUser"
                | "EnableUser"
                | "DeleteUser"
                | "UndeleteUser"
                | "StartPasswordReset"
                | "ListUserSessions"
                | "RevokeUserSessions"
            ):
                request = await self.about_somebody(rpc)
            case _ if rpc in ABOUT_ROBOTS:
                request = await self.about_a_robot(rpc)
            case "ActivateSigningKey" | "RetireSigningKey" | "RevokeSigningKey":
                request = await self.about_a_signing_key(rpc)
            case "RevokeSession":
                email = self.caller.email or self.owner.email
                tokens = await self.owner.door.call("Login", email=email, password=PASSWORD)
                request = {"sessionId": parts(tokens["accessToken"])[1]["sid"]}
            case "Refresh" | "Logout":
                tokens = await self.owner.door.call("Login", email=self.owner.email, password=PASSWORD)
                request = {"refreshToken": tokens["refreshToken"]}
        return request

    async def about_somebody(self, rpc: str) -> dict[str, Any]:
        """A request about somebody new."""
        somebody = await signed_up(self.owner.door, "Somebody")
        if rpc == "UndeleteUser":
            gone = users.update().values(delete_time=users.c.create_time).where(users.c.id == somebody.id)
            await change(self.stack.identity_url, gone)
        request: dict[str, Any] = {"userId": somebody.id}
        return request | {"user": {"fullName": "Renamed"}} if rpc == "UpdateUser" else request

    async def about_a_robot(self, rpc: str) -> dict[str, Any]:
        """A request about a new service account."""
        name = f"robot-{new_id().hex}"
        await provisioned(self.stack.identity_url, name, scopes=["work.read"], audiences=["work"])
        if rpc == "UpdateServiceAccount":
            return {"serviceAccountRef": name, "serviceAccount": {"description": "Renamed"}}
        if rpc == "RevokeServiceAccountKey":
            made = await (await self.an_admin()).call("CreateServiceAccountKey", serviceAccount=name)
            return {"serviceAccount": name, "keyId": made["key"]["id"]}
        return {"serviceAccount": name}

    async def about_a_signing_key(self, rpc: str) -> dict[str, Any]:
        """A request about a key that nothing is signed with, or about the one that signs already."""
        admin = await self.an_admin()
        if rpc == "ActivateSigningKey":
            listed = (await admin.call("ListSigningKeys"))["signingKeys"]
            return {"kid": next(key["kid"] for key in listed if key["state"] == "ACTIVE")}
        return {"kid": (await admin.call("CreateSigningKey"))["kid"]}

    async def an_admin(self) -> Person:
        return await signed_up_as(self.owner.door, self.stack.identity_url, "ADMIN")


class Scenes(Protocol):
    """Makes a scene for a caller, for an RPC of work or of identity."""

    async def __call__(self, kind: str, *, at: str = "work") -> Scene: ...


@pytest.fixture(scope="module")
async def machine_secret(stack: Stack) -> str:
    """The secret of a machine that may read and write at work, and nothing at identity."""
    return await provisioned(
        stack.identity_url, "machine", scopes=["work.read", "work.write"], audiences=["identity", "work"]
    )


@pytest.fixture(scope="module")
def cast() -> dict[tuple[str, str], Person]:
    """Who has been signed up already, by door and kind."""
    return {}


@pytest.fixture
async def scenes(stack: Stack, door: Door, machine_secret: str, cast: dict[tuple[str, str], Person]) -> Scenes:
    """Makes a scene for a caller. People are signed up once, projects each time that one is needed."""

    async def person(kind: str) -> Person:
        match kind:
            case "nobody":
                return Person("", "", "", door)
            case "machine":
                tokens = await stack.doors["grpc"].call(
                    "IssueToken",
                    grantType="client_credentials",
                    clientId="machine",
                    clientSecret=machine_secret,
                )
                return Person("", "", tokens["access_token"], door)
            case "MANAGER" | "ADMIN":
                await signed_up_as(door, stack.identity_url, kind)  # a deputy: the last administrator cannot leave
                return await signed_up_as(door, stack.identity_url, kind)
            case _:
                return await signed_up(door, kind)

    async def known(kind: str) -> Person:
        if (door.name, kind) not in cast:
            cast[door.name, kind] = await person(kind)
        return cast[door.name, kind]

    async def scene(kind: str, *, at: str = "work") -> Scene:
        owner, target, caller = [await known(who) for who in ("owner", "target", kind)]
        if at == "identity":
            return Scene(owner, caller, {"id": ""}, {"id": ""}, target, machine_secret, stack)
        project = await owner.call("CreateProject", project={"title": "Apollo"})
        task = await owner.call("CreateTask", project=project["id"], task={"title": "Land"})
        await owner.call("AddMember", project=project["id"], userId=target.id, role="VIEWER")
        if kind in {"VIEWER", "DEVELOPER", "MAINTAINER", "OWNER"}:
            await owner.call("AddMember", project=project["id"], userId=caller.id, role=kind)
        return Scene(owner, caller, project, task, target, machine_secret, stack)

    return scene


@pytest.mark.parametrize("rpc", MATRIX)
async def test_each_caller_gets_what_is_theirs(
    door: Door, scenes: Scenes, cast: dict[tuple[str, str], Person], rpc: str
) -> None:
    if not RPCS[rpc].path and door.name == "rest":
        return  # internal to the services: REST has no such thing
    where = RPCS[rpc].method.containing_service.file.package.split(".")[1]
    outcomes = []
    for kind in CALLERS:
        scene = await scenes(kind, at=where)
        request = await scene.prepare(rpc)
        try:
            await door.call(rpc, token=scene.caller.token or None, **request)
        except Refused as refusal:
            outcomes.append(HTTP[refusal.code])
        else:
            outcomes.append("ok")
        if rpc in {"DeleteMe", "RevokeAllSessions"}:
            cast.pop((door.name, kind))  # they are gone, or signed out
    assert dict(zip(CALLERS, outcomes, strict=True)) == dict(zip(CALLERS, MATRIX[rpc].split(), strict=True))


@pytest.mark.parametrize("rpc", [rpc for rpc, row in MATRIX.items() if row.split()[1] == "404"])
async def test_what_one_may_not_see_cannot_be_told_from_what_is_not_there(door: Door, scenes: Scenes, rpc: str) -> None:
    """In code, message, details and headers."""

    async def told(request: dict[str, Any]) -> tuple[Any, ...]:
        with pytest.raises(Refused) as caught:
            await door.call(rpc, token=scene.caller.token, request_id="same", **request)
        refusal = caught.value
        headers = dict(refusal.http.headers) if refusal.http is not None else {}
        body = refusal.http.text if refusal.http is not None else ""
        headers.pop("date", None)
        return refusal.code, refusal.message, refusal.reason, refusal.metadata, body, headers

    scene = await scenes("stranger")
    request = await scene.prepare(rpc)
    nowhere = "01a1f953-0000-7000-8000-000000000000"
    name = "projectRef" if "projectRef" in request else "project"
    assert await told(request) == await told(request | {name: nowhere})


# What may be done to an archived project, and what the requests above would not change.
IN_SPITE_OF_IT = {"ArchiveProject", "UnarchiveProject", "DeleteProject", "UndeleteProject"}
NOTHING_TO_CHANGE = {"AddMember", "UnassignTask", "DetachLabel", "ReorderTask"}


def changes_something_in_a_project(rpc: str) -> bool:
    options: Any = RPCS[rpc].method.GetOptions()
    return bool(options.Extensions[policy_pb2.method].permission) and not options.idempotency_level


@pytest.mark.parametrize("rpc", [rpc for rpc in MATRIX if changes_something_in_a_project(rpc)])
async def test_what_is_archived_refuses_every_change(door: Door, scenes: Scenes, rpc: str) -> None:
    scene = await scenes("OWNER")
    request = await scene.prepare(rpc)
    if rpc != "UndeleteProject":  # what is deleted cannot be archived
        await scene.owner.call("ArchiveProject", project=scene.project["id"])
    try:
        await door.call(rpc, token=scene.caller.token, **request)
    except Refused as refusal:
        assert refusal.reason == "PROJECT_ARCHIVED", refusal
        assert rpc not in IN_SPITE_OF_IT
    else:
        assert rpc in IN_SPITE_OF_IT | NOTHING_TO_CHANGE
