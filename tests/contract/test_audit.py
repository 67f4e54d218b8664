"""What has happened that matters for security: kept once, for good, and found again."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Row, func, select

from chassis.ids import new_id
from identity_service.tables import audit_events, users
from tests.support.doors import Door, Json, RestDoor
from tests.support.people import Person, signed_up, signed_up_as, verified
from tests.support.sql import change, rows
from tests.support.stack import Stack

# Every act that leaves something to remember: RPC, what is sent besides `userId`, the action, and what is said of it.
ACTS: list[tuple[str, Json, str, Json]] = [
    ("UpdateUser", {"user": {"fullName": "Other"}}, "user.updated", {"fields": "full_name"}),
    ("UpdateUser", {"user": {"username": "{name}", "fullName": "O"}}, "user.updated", {"fields": "full_name,username"}),
    (
        "UpdateUser",
        {"user": {"role": "MANAGER"}},
        "user.role_changed",
        {"fields": "role", "old_role": "USER", "new_role": "MANAGER"},
    ),
    ("DisableUser", {}, "user.disabled", {}),
    ("EnableUser", {}, "user.enabled", {}),
    ("DeleteUser", {}, "user.deleted", {}),
    ("UndeleteUser", {}, "user.undeleted", {}),
    ("StartPasswordReset", {}, "password.reset_requested", {}),
    ("RevokeUserSessions", {}, "session.ended", {"sessions": "1"}),
]
READS: list[tuple[str, Json]] = [
    ("GetUser", {"userId": "{id}"}),
    ("BatchGetUsers", {"userIds": ["{id}"]}),
    ("ListUsers", {}),
    ("ListUserSessions", {"userId": "{id}"}),
    ("ListAuditEvents", {}),
]


async def kept_by(stack: Stack, actor: str) -> Sequence[Row[Any]]:
    """What that actor has done, the oldest first, but for their own signing up and in."""
    theirs = audit_events.c.actor_id == actor, audit_events.c.action.not_in(["session.opened", "user.registered"])
    return await rows(stack.identity_url, select(audit_events).where(*theirs).order_by(audit_events.c.id))


@pytest.mark.parametrize(("rpc", "more", "action", "said"), ACTS)
async def test_every_act_leaves_exactly_one_event(
    stack: Stack, door: Door, admin: Person, rpc: str, more: Json, action: str, said: Json
) -> None:
    ada = await verified(stack, await signed_up(door, "Ada"))
    behind: dict[str, Json] = {"EnableUser": {"disabled": True}, "UndeleteUser": {"delete_time": stack.clock.now()}}
    if rpc in behind:
        await change(stack.identity_url, users.update().values(**behind[rpc]).where(users.c.id == ada.id))
    if "username" in more.get("user", {}):
        more = {"user": more["user"] | {"username": f"n{new_id().hex[:28]}"}}
    await admin.call(rpc, userId=ada.id, request_id="here-it-is", **more)
    (event,) = await kept_by(stack, admin.id)
    assert (event.action, event.target_type, event.target_id) == (action, "user", ada.id)
    assert (event.actor_type, event.outcome, event.reason) == ("user", "SUCCEEDED", "")
    assert event.metadata == said
    assert event.request_id == "here-it-is"
    assert event.address == "127.0.0.1"
    assert event.user_agent


async def test_an_invitation_leaves_exactly_one_event_without_the_address(stack: Stack, admin: Person) -> None:
    user = await admin.call("CreateUser", user={"email": f"{new_id().hex}@example.com", "fullName": "Grace"})
    (event,) = await kept_by(stack, admin.id)
    assert (event.action, event.target_id, event.metadata) == ("user.invited", user["id"], {"role": "USER"})
    assert user["email"] not in str(event)


async def test_what_changes_nothing_and_what_only_reads_leaves_none(stack: Stack, admin: Person, ada: Person) -> None:
    await admin.call("UpdateUser", userId=ada.id, user={"fullName": "Ada"})
    await admin.call("EnableUser", userId=ada.id)
    for rpc, request in READS:
        filled = {
            name: [ada.id] if value == ["{id}"] else ada.id if value == "{id}" else value
            for name, value in request.items()
        }
        await admin.call(rpc, **filled)
    assert await kept_by(stack, admin.id) == []


async def test_events_are_listed_newest_first_a_page_at_a_time(stack: Stack, admin: Person, ada: Person) -> None:
    for name in "abcde":
        await admin.call("UpdateUser", userId=ada.id, user={"fullName": name})
    kept = [str(event.id) for event in await kept_by(stack, admin.id)]
    first = await admin.call("ListAuditEvents", userId=ada.id, action="user.updated", pageSize=2)
    second = await admin.call(
        "ListAuditEvents",
        userId=ada.id,
        action="user.updated",
        pageSize=5,
        pageToken=first["nextPageToken"],
    )
    listed = [event["id"] for page in (first, second) for event in page["auditEvents"]]
    assert listed == sorted(kept, reverse=True)
    assert second["nextPageToken"] == ""


async def test_events_are_found_by_who_what_and_when(stack: Stack, admin: Person, ada: Person) -> None:
    begun = stack.clock.now()
    await admin.call("DisableUser", userId=ada.id)
    stack.clock.advance(minutes=1)
    await admin.call("EnableUser", userId=ada.id)

    async def found(**question: Any) -> list[str]:
        events = (await admin.call("ListAuditEvents", **question))["auditEvents"]
        changes = {"user.disabled", "user.enabled"}
        return [event["action"] for event in events if event["targetId"] == ada.id and event["action"] in changes]

    middle = (begun + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    both = ["user.enabled", "user.disabled"]
    assert await found(userId=ada.id) == both
    assert await found(userId=admin.id) == both
    assert await found(userId=admin.id, after=middle) == both[:1]
    assert await found(userId=admin.id, before=middle) == both[1:]
    assert await found(action="user.enabled", userId=ada.id) == both[:1]
    assert await found(userId=ada.id, outcome="REFUSED") == []
    assert await found(userId=ada.id, action="user.invented") == []


async def test_an_event_says_who_did_what_to_whom_and_from_where(stack: Stack, admin: Person, ada: Person) -> None:
    await verified(stack, ada)
    await admin.call("UpdateUser", userId=ada.id, user={"role": "MANAGER"}, request_id="the-promotion")
    (event,) = (await admin.call("ListAuditEvents", userId=ada.id, action="user.role_changed"))["auditEvents"]
    assert datetime.fromisoformat(event["eventTime"]) <= stack.clock.now()
    assert event == {
        "id": event["id"],
        "eventTime": event["eventTime"],
        "actorType": "user",
        "actorId": admin.id,
        "action": "user.role_changed",
        "targetType": "user",
        "targetId": ada.id,
        "outcome": "SUCCEEDED",
        "reason": "",
        "requestId": "the-promotion",
        "address": "127.0.0.1",
        "userAgent": event["userAgent"],
        "metadata": {"fields": "role", "old_role": "USER", "new_role": "MANAGER"},
    }


async def test_the_events_of_a_user_have_an_address_of_their_own(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    admin = await signed_up_as(door, stack.identity_url, "ADMIN")
    ada = await signed_up(door, "Ada")
    await admin.call("DisableUser", userId=ada.id)
    response = await door.client.get(
        f"/api/v1/users/{ada.id}/audit-events", headers={"authorization": f"Bearer {admin.token}"}
    )
    assert response.json()["auditEvents"][0]["action"] == "user.disabled"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET reason = 'nothing happened'",
        "UPDATE audit_events SET reason = '' WHERE false",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ],
)
async def test_events_are_only_added_even_by_the_role_that_owns_them(
    stack: Stack, admin: Person, ada: Person, statement: str
) -> None:
    await admin.call("DisableUser", userId=ada.id)
    before = (await rows(stack.identity_url, select(func.count()).select_from(audit_events)))[0][0]
    plain = stack.identity_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="audit events are only added"):
            await connection.execute(statement.encode())
    assert (await rows(stack.identity_url, select(func.count()).select_from(audit_events)))[0][0] == before


async def test_no_event_holds_a_secret(stack: Stack, admin: Person, ada: Person) -> None:
    marker = f"hush-{secrets.token_hex(8)}"
    await admin.call("UpdateUser", userId=ada.id, user={"fullName": marker, "username": f"u{marker[5:]}"})
    (event,) = await kept_by(stack, admin.id)
    assert marker[5:] not in str(event)
