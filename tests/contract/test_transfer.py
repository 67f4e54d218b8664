"""A project changes hands. At no time is it nobody's."""

import asyncio
from typing import Any

from sqlalchemy import select

from chassis.ids import new_id
from tests.contract.test_project_states import outcome, verbs
from tests.support.doors import refused
from tests.support.people import Person
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import activities, members


async def roles(stack: Stack, project: dict[str, Any]) -> dict[str, str]:
    found = select(members.c.user_id, members.c.role).where(members.c.project_id == project["id"])
    return {str(row.user_id): row.role for row in await rows(stack.work_url, found)}


async def test_the_receiver_becomes_an_owner_and_the_giver_a_maintainer(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    given = await ada.call("TransferProject", project=project["slug"], userId=stranger.id, etag=project["etag"])
    assert given["myRole"] == "MAINTAINER"
    assert given["owner"]["id"] == stranger.id
    assert given["owner"]["fullName"] == "Stranger"
    assert given["etag"] != project["etag"]
    assert await ada.call("GetProject", project=project["id"]) == given
    assert (await stranger.call("GetProject", project=project["id"]))["myRole"] == "OWNER"
    assert await roles(stack, project) == {ada.id: "MAINTAINER", stranger.id: "OWNER"}
    assert (await verbs(stack, project["id"]))[1:] == ["member_added", "project_transferred"]
    found = select(activities.c.changes).where(
        activities.c.project_id == project["id"], activities.c.verb == "project_transferred"
    )
    (told,) = await rows(stack.work_url, found)
    assert told.changes == [{"field": "owner", "old": ada.id, "new": stranger.id}]
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await ada.call("TransferProject", project=project["id"], userId=ada.id)
    back = await stranger.call("TransferProject", project=project["id"], userId=ada.id)
    assert back["owner"]["id"] == ada.id


async def test_it_goes_to_members_only(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    for user_id in (stranger.id, str(new_id())):
        with refused("NOT_FOUND", "MEMBER_NOT_FOUND"):
            await ada.call("TransferProject", project=project["id"], userId=user_id)
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("TransferProject", project=project["id"], userId=stranger.id)


async def test_to_give_it_to_its_owner_changes_nothing(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    for _ in range(2):  # the second time it has been answered before
        given = await ada.call("TransferProject", project=project["id"], userId=ada.id, idempotencyKey="once")
        assert given == project
    assert await verbs(stack, project["id"]) == ["project_created"]


async def test_an_administrator_who_gives_it_to_its_owner_changes_nothing(
    stack: Stack, ada: Person, admin: Person, project: dict[str, Any]
) -> None:
    for _ in range(2):
        given = await admin.call("TransferProject", project=project["id"], userId=ada.id, idempotencyKey="once")
        assert given["etag"] == project["etag"]
    assert await verbs(stack, project["id"]) == ["project_created"]
    await ada.call("AddMember", project=project["id"], userId=admin.id, role="OWNER")
    await admin.call("TransferProject", project=project["id"], userId=ada.id)
    assert await roles(stack, project) == {ada.id: "OWNER", admin.id: "MAINTAINER"}, "that was theirs to give"


async def test_of_two_owners_one_can_give_it_to_the_other(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="OWNER")
    await ada.call("TransferProject", project=project["id"], userId=stranger.id)
    assert await roles(stack, project) == {ada.id: "MAINTAINER", stranger.id: "OWNER"}


async def test_an_administrator_gives_what_is_not_theirs_and_nobody_loses_anything(
    stack: Stack, ada: Person, stranger: Person, admin: Person, project: dict[str, Any]
) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    given = await admin.call("TransferProject", project=project["id"], userId=stranger.id)
    assert given["owner"]["id"] == stranger.id
    assert await roles(stack, project) == {ada.id: "OWNER", stranger.id: "OWNER"}


async def test_what_has_changed_since_or_is_archived_is_not_given(
    ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    await ada.call("UpdateProject", projectRef=project["id"], project={"title": "Artemis"})
    with refused("ABORTED", "ETAG_MISMATCH"):
        await ada.call("TransferProject", project=project["id"], userId=stranger.id, etag=project["etag"])
    await ada.call("ArchiveProject", project=project["id"])
    with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
        await ada.call("TransferProject", project=project["id"], userId=stranger.id)


async def test_the_same_attempt_gives_it_once(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    request = {"project": project["id"], "userId": stranger.id, "idempotencyKey": "once"}
    first = await ada.call("TransferProject", **request)
    assert await ada.call("TransferProject", **request) == first


async def test_whatever_happens_at_once_a_project_keeps_an_owner(stack: Stack, ada: Person, stranger: Person) -> None:
    for _ in range(20):
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        name = {"project": project["id"]}
        await ada.call("AddMember", **name, userId=stranger.id, role="MAINTAINER")
        await asyncio.gather(
            outcome(ada.call("TransferProject", **name, userId=stranger.id)),
            outcome(ada.call("RemoveMember", **name, userId=stranger.id)),
            outcome(stranger.call("LeaveProject", **name)),
            outcome(ada.call("LeaveProject", **name)),
            outcome(stranger.call("CreateTask", **name, task={"title": "x"})),
            outcome(ada.call("UpdateMember", **name, userId=stranger.id, member={"role": "OWNER"})),
        )
        assert "OWNER" in (await roles(stack, project)).values()
