"""Who may do what: every RPC, every kind of caller. Written by hand, not taken from the roles."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

import identity_service.app
from identity_service.accounts.domain import Secret
from identity_service.config import ProvisionSettings
from identity_service.service_accounts.domain import Provision
from identity_service.tables import users
from tests.support.doors import RPCS, Door, Refused
from tests.support.people import PASSWORD, Person, signed_in, signed_up
from tests.support.sql import change
from tests.support.stack import Stack

CALLERS = ("nobody", "stranger", "VIEWER", "DEVELOPER", "MAINTAINER", "OWNER", "MANAGER", "ADMIN", "machine")

# What each caller gets, in the order above: ok, or the status over HTTP.
READ = "401 404 ok  ok  ok  ok  ok  ok  404"
WORK = "401 404 403 ok  ok  ok  403 ok  404"
LEAD = "401 404 403 403 ok  ok  403 ok  404"
OWN = " 401 404 403 403 403 ok  403 ok  404"
MATRIX = {
    "Register": "ok  ok  ok  ok  ok  ok  ok  ok  ok",
    "Login": "   ok  ok  ok  ok  ok  ok  ok  ok  ok",
    "Refresh": " ok  ok  ok  ok  ok  ok  ok  ok  ok",
    "Logout": "  ok  ok  ok  ok  ok  ok  ok  ok  403",
    "GetMe": "   401 ok  ok  ok  ok  ok  ok  ok  403",
    "IssueToken": "ok ok ok  ok  ok  ok  ok  ok  ok",
    "GetJsonWebKeySet": "ok ok ok ok ok ok ok ok ok",
    "LookupProfile": "401 403 403 403 403 403 403 403 403",
    "CreateProject": "401 ok ok ok  ok  ok  ok  ok  ok",
    "ListProjects": "401 ok  ok  ok  ok  ok  ok  ok  ok",
    "GetProject": READ,
    "UpdateProject": LEAD,
    "DeleteProject": OWN,
    "UndeleteProject": OWN,
    "AddMember": LEAD,
    "GetMember": READ,
    "ListMembers": READ,
    "UpdateMember": LEAD,
    "RemoveMember": LEAD,
    "LeaveProject": "401 404 ok  ok  ok  ok  404 404 404",
    "CreateTask": WORK,
    "GetTask": READ,
    "ListTasks": READ,
    "UpdateTask": WORK,
    "TransitionTask": WORK,
    "AssignTask": WORK,
    "UnassignTask": WORK,
    "DeleteTask": WORK,
    "UndeleteTask": WORK,
}
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

    def request(self, rpc: str) -> dict[str, Any]:
        """A request that would do, if the caller may."""
        project, task, member = {"project": self.project["id"]}, {"task": self.task["id"]}, {"userId": self.target.id}
        requests: dict[str, dict[str, Any]] = {
            "Register": {"email": "somebody@example.com", "password": PASSWORD, "fullName": "Somebody"},
            "Login": {"email": self.owner.email, "password": PASSWORD},
            "GetMe": {},
            "IssueToken": {
                "grantType": "client_credentials",
                "clientId": "machine",
                "clientSecret": self.machine_secret,
            },
            "GetJsonWebKeySet": {},
            "LookupProfile": {"userId": self.owner.id},
            "CreateProject": {"project": {"title": "Mine"}},
            "ListProjects": {},
            "UpdateProject": {"projectRef": self.project["id"], "project": {"title": "Renamed"}},
            "AddMember": {**project, **member, "role": "VIEWER"},
            "GetMember": project | member,
            "UpdateMember": {**project, **member, "member": {"role": "DEVELOPER"}},
            "RemoveMember": project | member,
            "CreateTask": {**project, "task": {"title": "New"}},
            "ListTasks": project,
            "UpdateTask": {**project, "taskRef": self.task["id"], "task": {"title": "Renamed"}},
            "TransitionTask": {**project, **task, "status": "DONE"},
            "AssignTask": {**project, **task, "assignee": self.target.id},
            **dict.fromkeys(("GetTask", "UnassignTask", "DeleteTask", "UndeleteTask"), project | task),
        }
        return requests.get(rpc, project)

    async def prepare(self, rpc: str) -> dict[str, Any]:
        """Bring about what the request is about."""
        request = self.request(rpc)
        match rpc:
            case "UndeleteProject":
                await self.owner.call("DeleteProject", project=self.project["id"])
            case "UndeleteTask":
                await self.owner.call("DeleteTask", project=self.project["id"], task=self.task["id"])
            case "Refresh" | "Logout":
                tokens = await self.owner.door.call("Login", email=self.owner.email, password=PASSWORD)
                request = {"refreshToken": tokens["refreshToken"]}
        return request


@pytest.fixture(scope="module")
async def machine_secret(stack: Stack) -> str:
    """The secret of a machine that may read and write at work, and nothing at identity."""
    secret = f"tds_{secrets.token_urlsafe(32)}"
    settings = ProvisionSettings(database_url=stack.identity_url, service_account_secret=secret)
    wanted = Provision(
        name="machine",
        scopes=frozenset({"work.read", "work.write"}),
        audiences=frozenset({"identity", "work"}),
        secret=Secret(secret),
    )
    async with identity_service.app.provisioning(settings, clock=stack.clock) as commands:
        await commands.provision(wanted)
    return secret


@pytest.fixture(scope="module")
def cast() -> dict[tuple[str, str], Person]:
    """Who has been signed up already, by door and kind."""
    return {}


@pytest.fixture
async def scenes(
    stack: Stack, door: Door, machine_secret: str, cast: dict[tuple[str, str], Person]
) -> Callable[[str], Awaitable[Scene]]:
    """Makes a scene for a caller. People are signed up once, projects each time."""

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
                somebody = await signed_up(door, kind)
                await change(stack.identity_url, users.update().values(role=kind).where(users.c.id == somebody.id))
                return await signed_in(door, somebody.email)
            case _:
                return await signed_up(door, kind)

    async def known(kind: str) -> Person:
        if (door.name, kind) not in cast:
            cast[door.name, kind] = await person(kind)
        return cast[door.name, kind]

    async def scene(kind: str) -> Scene:
        owner, target, caller = [await known(who) for who in ("owner", "target", kind)]
        project = await owner.call("CreateProject", project={"title": "Apollo"})
        task = await owner.call("CreateTask", project=project["id"], task={"title": "Land"})
        await owner.call("AddMember", project=project["id"], userId=target.id, role="VIEWER")
        if kind in {"VIEWER", "DEVELOPER", "MAINTAINER", "OWNER"}:
            await owner.call("AddMember", project=project["id"], userId=caller.id, role=kind)
        return Scene(owner, caller, project, task, target, machine_secret)

    return scene


@pytest.mark.parametrize("rpc", MATRIX)
async def test_each_caller_gets_what_is_theirs(door: Door, scenes: Callable[[str], Awaitable[Scene]], rpc: str) -> None:
    if not RPCS[rpc].path and door.name == "rest":
        return  # internal to the services: REST has no such thing
    outcomes = []
    for kind in CALLERS:
        scene = await scenes(kind)
        request = await scene.prepare(rpc)
        try:
            await door.call(rpc, token=scene.caller.token or None, **request)
        except Refused as refusal:
            outcomes.append(HTTP[refusal.code])
        else:
            outcomes.append("ok")
    assert dict(zip(CALLERS, outcomes, strict=True)) == dict(zip(CALLERS, MATRIX[rpc].split(), strict=True))


@pytest.mark.parametrize("rpc", [rpc for rpc, row in MATRIX.items() if row.split()[1] == "404"])
async def test_what_one_may_not_see_cannot_be_told_from_what_is_not_there(
    door: Door, scenes: Callable[[str], Awaitable[Scene]], rpc: str
) -> None:
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
