"""Drafts, active projects, and archived ones: those can be read, and nothing in them changes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import grpc
import grpc.aio
import psycopg
import pytest
from google.rpc.error_details_pb2 import PreconditionFailure
from google.rpc.status_pb2 import Status
from sqlalchemy import func, select, text
from tandem.work.v1 import task_pb2, task_pb2_grpc

from chassis.status import DETAILS_KEY
from tests.support.doors import Refused, RestDoor, refused
from tests.support.people import Person
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import activities, members, outbox, projects, tasks


async def archived(owner: Person, project: dict[str, Any]) -> dict[str, Any]:
    return await owner.call("ArchiveProject", project=project["id"])


async def verbs(stack: Stack, project_id: str) -> list[str]:
    found = select(activities.c.verb).where(activities.c.project_id == project_id).order_by(activities.c.id)
    return [row.verb for row in await rows(stack.work_url, found)]


async def test_a_project_goes_from_state_to_state(stack: Stack, ada: Person) -> None:
    draft = await ada.call("CreateProject", project={"title": "Apollo", "state": "DRAFT"})
    assert draft["state"] == "DRAFT"
    await ada.call("CreateTask", project=draft["id"], task={"title": "Plan"})
    name = {"project": draft["slug"]}
    with refused("FAILED_PRECONDITION", "PROJECT_NOT_ARCHIVED"):
        await ada.call("UnarchiveProject", **name)
    active = await ada.call("ActivateProject", **name, etag=draft["etag"])
    assert active == draft | {"state": "ACTIVE", "etag": active["etag"], "updateTime": active["updateTime"]}
    with refused("ABORTED", "ETAG_MISMATCH"):
        await ada.call("ArchiveProject", **name, etag=draft["etag"])
    closed = await ada.call("ArchiveProject", **name, etag=active["etag"])
    assert closed["state"] == "ARCHIVED"
    assert await ada.call("GetProject", **name) == closed
    with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
        await ada.call("ActivateProject", **name)
    assert (await ada.call("UnarchiveProject", **name))["state"] == "ACTIVE"
    assert await verbs(stack, draft["id"]) == [
        "project_created",
        "task_created",
        "project_activated",
        "project_archived",
        "project_unarchived",
    ]


async def test_a_draft_can_be_archived(ada: Person) -> None:
    draft = await ada.call("CreateProject", project={"title": "Apollo", "state": "DRAFT"})
    assert (await archived(ada, draft))["state"] == "ARCHIVED"
    assert (await ada.call("UnarchiveProject", project=draft["id"]))["state"] == "ACTIVE"


async def test_to_be_what_it_is_already_changes_nothing(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    assert project["state"] == "ACTIVE"
    assert await ada.call("ActivateProject", project=project["id"]) == project
    assert await ada.call("UnarchiveProject", project=project["id"]) == project
    closed = await archived(ada, project)
    assert await archived(ada, project) == closed
    assert await verbs(stack, project["id"]) == ["project_created", "project_archived"]


async def test_a_state_cannot_be_written(ada: Person, project: dict[str, Any]) -> None:
    changed = await ada.call("UpdateProject", projectRef=project["id"], project={"title": "A", "state": "DRAFT"})
    assert changed["state"] == "ACTIVE"


async def test_projects_are_listed_by_state(ada: Person) -> None:
    one, two, draft = [
        await ada.call("CreateProject", project={"title": "P", "state": state})
        for state in ("ACTIVE", "ACTIVE", "DRAFT")
    ]
    await archived(ada, one)

    async def listed(**request: Any) -> list[str]:
        return [project["id"] for project in (await ada.call("ListProjects", **request))["projects"]]

    assert await listed() == [draft["id"], two["id"], one["id"]]
    assert await listed(state="ARCHIVED") == [one["id"]]
    assert await listed(state="ACTIVE") == [two["id"]]
    assert await listed(state="DRAFT") == [draft["id"]]
    page = await ada.call("ListProjects", pageSize=1)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await ada.call("ListProjects", pageToken=page["nextPageToken"], state="ACTIVE")


@pytest.fixture
async def closed(
    ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """An archived project with a task, a deleted task, a comment and a member. What each change needs, by RPC."""
    name = {"project": project["id"], "task": task["id"]}
    member = {"project": project["id"], "userId": stranger.id}
    comment = await ada.call("CreateComment", **name, comment={"text": "Well done."})
    deleted = await ada.call("CreateTask", project=project["id"], task={"title": "Gone"})
    await ada.call("DeleteTask", project=project["id"], task=deleted["id"])
    await ada.call("AssignTask", **name, assignee=ada.id)
    await ada.call("AddMember", **member, role="DEVELOPER")
    await archived(ada, project)
    said = {**name, "commentId": comment["id"]}
    return {
        "UpdateProject": {"projectRef": project["id"], "project": {"title": "Artemis"}},
        "CreateTask": {"project": project["id"], "task": {"title": "New"}},
        "UpdateTask": {"project": project["id"], "taskRef": task["id"], "task": {"title": "New"}},
        "TransitionTask": name | {"status": "DONE"},
        "AssignTask": name | {"assignee": stranger.id},
        "UnassignTask": name,
        "DeleteTask": name,
        "UndeleteTask": {"project": project["id"], "task": deleted["id"]},
        "CreateComment": name | {"comment": {"text": "Really."}},
        "UpdateComment": said | {"comment": {"text": "Better."}},
        "DeleteComment": said,
        "CreateCategory": {"project": project["id"], "category": {"name": "Rockets"}},
        "CreateLabel": {"project": project["id"], "label": {"name": "urgent"}},
        "AddMember": member | {"userId": stranger.id, "role": "DEVELOPER"},
        "UpdateMember": member | {"member": {"role": "VIEWER"}},
        "RemoveMember": member,
        "LeaveProject": {"project": project["id"]},
    }


async def test_nothing_in_an_archived_project_changes(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any], closed: dict[str, dict[str, Any]]
) -> None:
    async def contents() -> Any:
        counted = [
            select(func.count(), func.sum(table.c.version)).where(column == project["id"])
            for table, column in (
                (projects, projects.c.id),
                (tasks, tasks.c.project_id),
                (members, members.c.project_id),
            )
        ]
        recorded = [select(func.count()).where(table.c.project_id == project["id"]) for table in (activities, outbox)]
        return [await rows(stack.work_url, statement) for statement in (*counted, *recorded)]

    before = await contents()
    for rpc, request in closed.items():
        if rpc == "AddMember":
            continue  # below: they are a member already
        who = stranger if rpc == "LeaveProject" else ada
        with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
            await who.call(rpc, **request)
    assert await contents() == before
    assert await ada.call("AddMember", **closed["AddMember"]), "there is nothing to change"
    await ada.call("UnarchiveProject", project=project["id"])
    for rpc, request in closed.items():
        if rpc in {"RemoveMember", "DeleteTask", "DeleteComment"}:
            continue  # the others need what these take away
        await (stranger if rpc == "LeaveProject" else ada).call(rpc, **request)


async def test_an_archived_project_can_be_read_deleted_and_brought_back(
    ada: Person, project: dict[str, Any], closed: dict[str, dict[str, Any]]
) -> None:
    name = {"project": project["id"]}
    one = closed["UnassignTask"]
    for rpc, request in (
        ("GetTask", one),
        ("ListTasks", name),
        ("ListComments", one),
        ("ListMembers", name),
        ("ListActivities", name),
    ):
        await ada.call(rpc, **request)
    await ada.call("DeleteProject", **name)
    assert (await ada.call("UndeleteProject", **name))["state"] == "ARCHIVED"
    with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
        await ada.call("CreateTask", **closed["CreateTask"])


async def test_a_refusal_says_what_would_have_to_be_otherwise(
    stack: Stack, ada: Person, project: dict[str, Any]
) -> None:
    await archived(ada, project)
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        request = task_pb2.CreateTaskRequest(project=project["id"], task=task_pb2.Task(title="x"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await task_pb2_grpc.TaskServiceStub(channel).CreateTask(
                request, metadata=(("authorization", f"Bearer {ada.token}"),)
            )
    status = Status.FromString(dict(caught.value.trailing_metadata())[DETAILS_KEY])
    failure = PreconditionFailure()
    assert any(detail.Unpack(failure) for detail in status.details)
    assert [(violation.type, violation.subject) for violation in failure.violations] == [("STATE", "project")]
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    answer = await door.send("CreateTask", token=ada.token, project=project["id"], task={"title": "x"})
    assert answer.status_code == 400


async def test_who_may_not_change_learns_that_first(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    await archived(ada, project)
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await stranger.call("CreateTask", project=project["id"], task={"title": "x"})


ROUNDS = 40


async def outcome(call: Awaitable[Any]) -> str:
    try:
        await call
    except Refused as refusal:
        return refusal.reason
    return "done"


@pytest.mark.parametrize("closing", ["ArchiveProject", "DeleteProject"])
async def test_what_changes_while_its_project_is_closed_is_before_it_or_refused(
    stack: Stack, ada: Person, closing: str
) -> None:
    """Once it is closed nothing comes after, whoever of many at once is first."""
    too_late = {
        "ArchiveProject": {"PROJECT_ARCHIVED"},
        "DeleteProject": {"PROJECT_NOT_FOUND", "TASK_NOT_FOUND", "CONCURRENT_MODIFICATION"},
    }[closing]
    told: Counter[str] = Counter()
    for number in range(10 * ROUNDS):
        if number >= ROUNDS and told["done"] and set(told) & too_late:
            break  # who is first is for the machine to say: both have to have happened
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        name = {"project": project["id"]}
        one, two = [await ada.call("CreateTask", **name, task={"title": "x"}) for _ in range(2)]

        async def closed(name: dict[str, Any], after_s: float) -> list[str]:
            await asyncio.sleep(after_s)
            await ada.call(closing, **name)
            return await verbs(stack, name["project"])

        being_closed = asyncio.create_task(closed(name, after_s=0.002 * (number % 20)))
        outcomes = await asyncio.gather(
            outcome(ada.call("CreateTask", **name, task={"title": "New"})),
            outcome(ada.call("TransitionTask", **name, task=one["id"], status="DONE")),
            outcome(ada.call("CreateComment", **name, task=two["id"], comment={"text": "x"})),
            outcome(ada.call("UpdateProject", projectRef=project["id"], project={"title": "Artemis"})),
            outcome(ada.call("DeleteTask", **name, task=two["id"])),
        )
        recorded = await being_closed
        assert await verbs(stack, project["id"]) == recorded
        assert len(recorded) == 4 + outcomes.count("done")
        told.update(outcomes)
    assert told["done"]
    assert set(told) & too_late
    assert set(told) <= {"done", "TASK_NOT_FOUND"} | too_late


@pytest.mark.parametrize("rpc", ["CreateTask", "TransitionTask", "CreateComment", "RemoveMember"])
async def test_who_comes_while_a_project_is_being_archived_waits_and_is_refused(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any], rpc: str
) -> None:
    name = {"project": project["id"], "task": task["id"]}
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    request: dict[str, Any] = {
        "CreateTask": {"project": project["id"], "task": {"title": "x"}},
        "TransitionTask": name | {"status": "DONE"},
        "CreateComment": name | {"comment": {"text": "x"}},
        "RemoveMember": {"project": project["id"], "userId": stranger.id},
    }[rpc]
    plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as closing:
        await closing.execute("SELECT id FROM projects WHERE id = %s FOR UPDATE", (project["id"],))
        await closing.execute("UPDATE projects SET state = 'ARCHIVED' WHERE id = %s", (project["id"],))
        waiting = asyncio.create_task(outcome(ada.call(rpc, **request)))
        await wait_for_a_row(stack.work_url)
    assert await waiting == "PROJECT_ARCHIVED"


async def test_who_archives_waits_for_what_is_under_way(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as changing:
        await changing.execute("SELECT id FROM projects WHERE id = %s FOR KEY SHARE", (project["id"],))
        waiting = asyncio.create_task(archived(ada, project))
        await wait_for_a_row(stack.work_url)
        # Others are not kept from changing things by a change that is under way.
        await changing.execute("UPDATE tasks SET version = version WHERE id = %s", (task["id"],))
    assert (await waiting)["state"] == "ARCHIVED"


async def test_changes_in_one_project_wait_neither_for_each_other_nor_for_a_new_title(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as changing:
        await changing.execute("SELECT id FROM projects WHERE id = %s FOR KEY SHARE", (project["id"],))
        await ada.call("TransitionTask", project=project["id"], task=task["id"], status="DONE")
        await ada.call("UpdateProject", projectRef=project["id"], project={"title": "Artemis"})


async def wait_for_a_row(url: str) -> None:
    """Return once somebody waits for a row that another transaction holds."""
    waiting = text(
        "SELECT count(*) AS number FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted"
    )
    async with asyncio.timeout(10):
        while (await rows(url, waiting))[0].number < 1:
            await asyncio.sleep(0.01)
