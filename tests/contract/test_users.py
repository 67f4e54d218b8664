"""People, as those see them who administrate them."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from chassis.ids import new_id
from identity_service.tables import feed, mail_tokens, mails, sessions, users
from tests.support.doors import Door, Json, Refused, refused
from tests.support.machines import machine_token, provisioned
from tests.support.mailbox import token_to
from tests.support.people import PASSWORD, Person, signed_in, signed_up, signed_up_as, verified
from tests.support.sql import change, rows
from tests.support.stack import Stack

NOBODY = "01a1f953-0000-7000-8000-000000000000"
ENDINGS: list[tuple[str, Json]] = [("UpdateUser", {"user": {"role": "USER"}}), ("DisableUser", {}), ("DeleteUser", {})]


@pytest.fixture
async def manager(door: Door, stack: Stack) -> Person:
    return await signed_up_as(door, stack.identity_url, "MANAGER")


def new_name(kind: str) -> str:
    """Nobody's yet, and no longer than a username may be."""
    return f"{kind}-{new_id().hex[12:]}"


def wanted(kind: str = "new", **more: Any) -> Json:
    return {"email": f"{new_name(kind)}@example.com", "fullName": "Grace Hopper", **more}


async def mail_to(stack: Stack, email: str) -> list[str]:
    """What kinds of mail were written to that address."""
    written = select(mails.c.kind).where(mails.c.recipient == email).order_by(mails.c.create_time)
    return [row.kind for row in await rows(stack.identity_url, written)]


async def told_of(stack: Stack, user_id: str) -> dict[str, Json]:
    """What the feed tells of a user, by kind."""
    about = select(feed.c.kind, feed.c.content).where(feed.c.subject == user_id)
    return {row.kind: row.content for row in await rows(stack.identity_url, about)}


async def test_an_invited_person_has_an_account_without_a_password(stack: Stack, door: Door, manager: Person) -> None:
    name = new_name("grace")
    invited = await manager.call("CreateUser", user=wanted(email=f"{name}@example.com", username=name))
    assert invited["role"] == "USER"
    assert not invited["emailVerified"]
    assert (invited["username"], invited["fullName"]) == (name, "Grace Hopper")
    assert await manager.call("GetUser", userId=invited["id"]) == invited
    (kept,) = await rows(stack.identity_url, select(users).where(users.c.email == invited["email"]))
    assert kept.password_hash is None
    assert await mail_to(stack, invited["email"]) == ["INVITATION"]
    (token,) = await rows(stack.identity_url, select(mail_tokens).where(mail_tokens.c.user_id == kept.id))
    assert (token.purpose, token.email) == ("INVITATION", invited["email"])
    assert (token.expire_time - token.create_time).days == 7
    assert (await told_of(stack, invited["id"]))["PROFILE_CHANGED"]["username"] == name
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await door.call("Login", email=invited["email"], password=PASSWORD)


async def test_an_invited_person_chooses_a_password_and_is_in(stack: Stack, door: Door, manager: Person) -> None:
    invited = await manager.call("CreateUser", user=wanted())
    token = await token_to(stack, invited["email"], "INVITATION")
    await door.call("ResetPassword", token_=token, newPassword=PASSWORD)
    me = await (await signed_in(door, invited["email"])).call("GetMe")
    assert me["emailVerified"], "the token came by mail"
    with refused("INVALID_ARGUMENT", "MAIL_TOKEN_INVALID"):
        await door.call("ResetPassword", token_=token, newPassword=PASSWORD)


async def test_nobody_takes_an_invitation_away(stack: Stack, door: Door, manager: Person) -> None:
    """Anybody can ask for a reset, of any address. Both of what was mailed works, and both only once."""
    for kind in ("INVITATION", "RESET_PASSWORD"):
        invited = await manager.call("CreateUser", user=wanted())
        await door.call("RequestPasswordReset", email=invited["email"])
        tokens = {each: await token_to(stack, invited["email"], each) for each in ("INVITATION", "RESET_PASSWORD")}
        await door.call("ResetPassword", token_=tokens[kind], newPassword=PASSWORD)
        await signed_in(door, invited["email"])
        for token in tokens.values():
            with refused("INVALID_ARGUMENT", "MAIL_TOKEN_INVALID"):
                await door.call("ResetPassword", token_=token, newPassword=PASSWORD)


async def test_nobody_is_invited_twice(stack: Stack, manager: Person, ada: Person) -> None:
    with refused("ALREADY_EXISTS", "EMAIL_TAKEN"):
        await manager.call("CreateUser", user=wanted(email=ada.email.upper()))
    name = new_name("taken")
    await manager.call("CreateUser", user=wanted(username=name))
    other = wanted(username=name)
    with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
        await manager.call("CreateUser", user=other)
    assert await mail_to(stack, other["email"]) == []


@pytest.mark.parametrize("role", ["MANAGER", "ADMIN"])
async def test_only_administrators_give_roles(admin: Person, manager: Person, role: str) -> None:
    user = wanted(role=role)
    with refused("PERMISSION_DENIED", "GLOBAL_ROLE_TOO_LOW"):
        await manager.call("CreateUser", user=user)
    assert (await admin.call("CreateUser", user=user))["role"] == role
    events = await admin.call("ListAuditEvents", userId=manager.id, outcome="REFUSED")
    assert [(event["action"], event["reason"]) for event in events["auditEvents"]] == [
        ("user.invited", "GLOBAL_ROLE_TOO_LOW")
    ]


async def test_whoever_may_not_be_who_the_address_says_gets_no_role(stack: Stack, admin: Person, ada: Person) -> None:
    """Somebody may have registered with the address of another one, and have chosen the password."""
    for role in ("MANAGER", "ADMIN"):
        with refused("FAILED_PRECONDITION", "ADDRESS_NOT_VERIFIED"):
            await admin.call("UpdateUser", userId=ada.id, user={"role": role, "fullName": "The boss"})
    assert (await ada.call("GetMe"))["fullName"] != "The boss"
    await verified(stack, ada)
    assert (await admin.call("UpdateUser", userId=ada.id, user={"role": "MANAGER"}))["role"] == "MANAGER"
    invited = await admin.call("CreateUser", user=wanted())
    assert (await admin.call("UpdateUser", userId=invited["id"], user={"role": "ADMIN"}))["role"] == "ADMIN", (
        "there is no password but by a token that comes by mail"
    )


async def test_a_role_that_the_mask_leaves_out_may_be_none(stack: Stack, admin: Person, ada: Person) -> None:
    unknown = {"user": {"fullName": "Ada", "role": 99}, "updateMask": "fullName"}
    changed = await replace(admin, door=stack.doors["grpc"]).call("UpdateUser", userId=ada.id, **unknown)
    assert (changed["fullName"], changed["role"]) == ("Ada", "USER")


async def test_users_are_read_together_in_the_order_asked_for(manager: Person, ada: Person, stranger: Person) -> None:
    answer = await manager.call("BatchGetUsers", userIds=[stranger.id, NOBODY, ada.id, stranger.id])
    assert [user["id"] for user in answer["users"]] == [stranger.id, ada.id]
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await manager.call("GetUser", userId=NOBODY)


async def test_users_are_listed_a_page_at_a_time_in_either_order(stack: Stack, admin: Person) -> None:
    prefix = new_name("page")
    made = [
        await admin.call("CreateUser", user=wanted(email=f"{prefix}-{letter}@example.com"))
        for letter in ("b", "D", "a", "c", "E")
    ]
    by_email = sorted(made, key=lambda user: user["email"].lower())
    stack.clock.advance(seconds=1)

    async def listed(**more: Any) -> list[Json]:
        found: list[Json] = []
        token = ""
        while True:
            page = await admin.call("ListUsers", q=prefix.upper(), pageSize=2, pageToken=token, **more)
            assert len(page["users"]) <= 2
            found += page["users"]
            token = page["nextPageToken"]
            if not token:
                return found

    assert await listed() == made[::-1]
    assert await listed(orderBy="create_time") == made
    assert await listed(orderBy="create_time desc") == made[::-1]
    assert await listed(orderBy="email") == by_email
    assert await listed(orderBy=" email  desc ") == by_email[::-1]


async def test_a_page_token_is_good_for_its_question_only(admin: Person) -> None:
    prefix = new_name("question")
    for letter in "ab":
        await admin.call("CreateUser", user=wanted(email=f"{prefix}-{letter}@example.com"))
    token = (await admin.call("ListUsers", q=prefix, pageSize=1))["nextPageToken"]
    for other in (
        {"q": prefix[:-1]},
        {"q": prefix, "role": "USER"},
        {"q": prefix, "orderBy": "email"},
        {"q": prefix, "filter": "disabled = false"},
    ):
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", field="page_token"):
            await admin.call("ListUsers", pageToken=token, **other)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await admin.call("ListAuditEvents", pageToken=token)


@pytest.mark.parametrize("q", ["%", "_", "\\", "*", ".*", "'"])
async def test_nothing_in_a_search_stands_for_something_else(admin: Person, q: str) -> None:
    assert (await admin.call("ListUsers", q=q))["users"] == []
    odd = await admin.call("CreateUser", user=wanted(fullName=f"{q} {new_name('odd')}"))
    found = await admin.call("ListUsers", q=odd["fullName"].upper())
    assert found["users"] == [odd]
    await admin.call("DeleteUser", userId=odd["id"])


async def test_users_are_found_by_address_username_and_name_and_what_they_are(admin: Person) -> None:
    name = new_name("find")
    user = await admin.call("CreateUser", user=wanted(email=f"{name}.e@example.com", username=name, role="MANAGER"))
    named = await admin.call("CreateUser", user=wanted(fullName=f"{name.upper()} Öztürk"))

    async def found(**question: Any) -> list[str]:
        return [there["id"] for there in (await admin.call("ListUsers", orderBy="create_time", **question))["users"]]

    assert await found(q=name) == [user["id"], named["id"]]
    assert await found(q=f"{name} öz") == [named["id"]]
    assert await found(q=name, role="MANAGER") == [user["id"]]
    await admin.call("DisableUser", userId=named["id"])
    assert await found(q=name, disabled=True) == [named["id"]]
    assert await found(q=name, disabled=False) == [user["id"]]
    assert await found(filter=f"{name} AND role = MANAGER") == [user["id"]]
    assert await found(filter=f"'{name} öz' OR role = ADMIN {name}") == [named["id"]]
    assert await found(q=name, filter="role != MANAGER") == [named["id"]]
    assert await found(q=name, filter="disabled = true OR email_verified = true") == [named["id"]]
    assert await found(q=name, filter="NOT last_login_time:* create_time > 2020-01-01") == [user["id"], named["id"]]
    await admin.call("DeleteUser", userId=user["id"])
    assert await found(q=name) == [named["id"]]
    assert await found(q=name, showDeleted=True) == [user["id"], named["id"]]


async def test_only_what_is_named_is_changed(admin: Person) -> None:
    user = await admin.call("CreateUser", user=wanted(username=new_name("before")))
    changed = await admin.call("UpdateUser", userId=user["id"], user={"fullName": "Grace B. Hopper"})
    assert changed == user | {
        "fullName": "Grace B. Hopper",
        "etag": changed["etag"],
        "updateTime": changed["updateTime"],
    }
    assert changed["etag"] != user["etag"]
    assert (await admin.call("UpdateUser", userId=user["id"], user={"username": ""}))["username"] == ""
    same = await admin.call("GetUser", userId=user["id"])
    assert await admin.call("UpdateUser", userId=user["id"], user={"fullName": "Grace B. Hopper"}) == same
    assert await admin.call("UpdateUser", userId=user["id"], user={"email": "other@example.com"}) == same


async def test_a_username_is_given_once(admin: Person) -> None:
    name = new_name("once")
    await admin.call("CreateUser", user=wanted(username=name))
    other = await admin.call("CreateUser", user=wanted())
    with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
        await admin.call("UpdateUser", userId=other["id"], user={"username": name})


async def test_a_change_of_what_has_changed_since_is_refused(admin: Person) -> None:
    user = await admin.call("CreateUser", user=wanted())
    await admin.call("UpdateUser", userId=user["id"], user={"fullName": "G."}, etag=user["etag"])
    for rpc, more in (("UpdateUser", {"user": {"fullName": "H."}}), ("DisableUser", {}), ("DeleteUser", {})):
        with refused("ABORTED", "ETAG_MISMATCH"):
            await admin.call(rpc, userId=user["id"], etag=user["etag"], **more)


async def test_a_role_is_changed_and_the_tokens_of_before_are_told_of(
    stack: Stack, door: Door, admin: Person, ada: Person
) -> None:
    await verified(stack, ada)
    changed = await admin.call("UpdateUser", userId=ada.id, user={"role": "MANAGER"})
    assert changed["role"] == "MANAGER"
    assert (await told_of(stack, ada.id))["TOKENS_INVALIDATED"] == {"token_version": 2}
    promoted = await signed_in(door, ada.email)
    assert (await promoted.call("GetUser", userId=admin.id))["id"] == admin.id
    await admin.call("UpdateUser", userId=ada.id, user={"fullName": "A."})
    assert (await told_of(stack, ada.id))["TOKENS_INVALIDATED"] == {"token_version": 2}, "a name is no role"


async def test_a_disabled_user_is_out_and_comes_back(stack: Stack, door: Door, admin: Person) -> None:
    ada = await signed_up(door, "Ada")
    refresh_token = (await door.call("Login", email=ada.email, password=PASSWORD))["refreshToken"]
    before = await admin.call("GetUser", userId=ada.id)
    disabled = await admin.call("DisableUser", userId=ada.id, etag=before["etag"])
    assert disabled["disabled"]
    told = await told_of(stack, ada.id)
    assert told["PROFILE_CHANGED"]["disabled"]
    assert told["TOKENS_INVALIDATED"] == {"token_version": 2}
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await door.call("Login", email=ada.email, password=PASSWORD)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await door.call("Refresh", refreshToken=refresh_token)
    ended = await rows(stack.identity_url, select(sessions.c.revoke_reason).where(sessions.c.user_id == ada.id))
    assert {row.revoke_reason for row in ended} == {"DISABLED"}
    assert await admin.call("DisableUser", userId=ada.id) == disabled, "once is enough"
    enabled = await admin.call("EnableUser", userId=ada.id, etag=disabled["etag"])
    assert not enabled["disabled"]
    await signed_in(door, ada.email)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await door.call("Refresh", refreshToken=refresh_token)


async def test_a_deleted_user_is_gone_and_comes_back(stack: Stack, door: Door, admin: Person) -> None:
    ada = await signed_up(door, "Ada")
    await admin.call("StartPasswordReset", userId=ada.id)
    await admin.call("DeleteUser", userId=ada.id)
    assert (await told_of(stack, ada.id))["PROFILE_CHANGED"]["deleted"]
    assert await rows(stack.identity_url, select(mail_tokens).where(mail_tokens.c.user_id == ada.id)) == []
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await admin.call("GetUser", userId=ada.id)
    assert (await admin.call("GetUser", userId=ada.id, showDeleted=True))["deleteTime"]
    for rpc, more in (
        ("UpdateUser", {"user": {"fullName": "A."}}),
        ("DisableUser", {}),
        ("EnableUser", {}),
        ("DeleteUser", {}),
        ("StartPasswordReset", {}),
        ("ListUserSessions", {}),
        ("RevokeUserSessions", {}),
    ):
        with refused("NOT_FOUND", "USER_NOT_FOUND"):
            await admin.call(rpc, userId=ada.id, **more)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await door.call("Login", email=ada.email, password=PASSWORD)
    back = await admin.call("UndeleteUser", userId=ada.id)
    assert "deleteTime" not in back
    assert not (await told_of(stack, ada.id))["PROFILE_CHANGED"]["deleted"]
    await signed_in(door, ada.email)
    with refused("ALREADY_EXISTS", "USER_NOT_DELETED"):
        await admin.call("UndeleteUser", userId=ada.id)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await admin.call("UndeleteUser", userId=NOBODY)


async def test_who_comes_back_does_not_take_what_is_somebody_elses_by_now(admin: Person) -> None:
    name = new_name("reused")
    user = await admin.call("CreateUser", user=wanted(email=f"{name}@example.com", username=name))
    await admin.call("DeleteUser", userId=user["id"])
    other = await admin.call("CreateUser", user=wanted(email=f"{name}@EXAMPLE.com"))
    with refused("ALREADY_EXISTS", "EMAIL_TAKEN"):
        await admin.call("UndeleteUser", userId=user["id"])
    await admin.call("DeleteUser", userId=other["id"])
    await admin.call("CreateUser", user=wanted(username=name))
    with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
        await admin.call("UndeleteUser", userId=user["id"])


async def test_a_reset_is_begun_by_mail_and_no_password_is_chosen(stack: Stack, admin: Person, ada: Person) -> None:
    assert await admin.call("StartPasswordReset", userId=ada.id) == {}
    assert (await mail_to(stack, ada.email))[-1] == "RESET_PASSWORD"
    resets = mail_tokens.c.user_id == ada.id, mail_tokens.c.purpose == "RESET_PASSWORD"
    (token,) = await rows(stack.identity_url, select(mail_tokens).where(*resets))
    assert (token.expire_time - token.create_time).total_seconds() == 1800
    assert len(token.digest) == 32
    await signed_in(ada.door, ada.email)  # with the password of before, until another is chosen
    other = "another battery, another horse"
    sent = await token_to(stack, ada.email, "RESET_PASSWORD")
    await ada.door.call("ResetPassword", token_=sent, newPassword=other)
    await signed_in(ada.door, ada.email, other)
    invited = await admin.call("CreateUser", user=wanted())
    await admin.call("StartPasswordReset", userId=invited["id"])
    assert await mail_to(stack, invited["email"]) == ["INVITATION", "INVITATION"]


async def test_a_users_sessions_are_listed_and_ended(stack: Stack, door: Door, admin: Person) -> None:
    ada = await signed_up(door, "Ada")
    stack.clock.advance(seconds=1)
    refresh_token = (await door.call("Login", email=ada.email, password=PASSWORD))["refreshToken"]
    first = await admin.call("ListUserSessions", userId=ada.id, pageSize=1)
    second = await admin.call("ListUserSessions", userId=ada.id, pageSize=1, pageToken=first["nextPageToken"])
    assert second["nextPageToken"] == ""
    (newer,), (older,) = first["sessions"], second["sessions"]
    assert newer["lastUseTime"] > older["lastUseTime"]
    assert newer["expireTime"] > newer["createTime"]
    assert not newer["current"]
    (own, *_) = (await admin.call("ListUserSessions", userId=admin.id))["sessions"]
    assert own["current"]
    assert await admin.call("RevokeUserSessions", userId=ada.id) == {"revokedCount": 2}
    assert (await admin.call("ListUserSessions", userId=ada.id))["sessions"] == []
    assert (await told_of(stack, ada.id))["TOKENS_INVALIDATED"] == {"token_version": 2}
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await door.call("Refresh", refreshToken=refresh_token)
    assert await admin.call("RevokeUserSessions", userId=ada.id) == {"revokedCount": 0}


async def test_sessions_that_have_expired_are_not_listed(stack: Stack, door: Door) -> None:
    ada = await signed_up(door, "Ada")
    past = sessions.update().values(idle_expire_time=sessions.c.create_time).where(sessions.c.user_id == ada.id)
    await change(stack.identity_url, past)
    admin = await signed_up_as(door, stack.identity_url, "ADMIN")
    assert (await admin.call("ListUserSessions", userId=ada.id))["sessions"] == []


@pytest.mark.parametrize("rpc", ["DisableUser", "DeleteUser"])
async def test_nobody_shuts_themselves_out(admin: Person, rpc: str) -> None:
    with refused("FAILED_PRECONDITION", "NOT_YOURSELF"):
        await admin.call(rpc, userId=admin.id)


async def only_administrators(stack: Stack, *kept: Person) -> None:
    """Nobody administrates but these."""
    others = users.c.id.not_in([person.id for person in kept])
    await change(stack.identity_url, users.update().values(role="USER").where(others))


async def test_the_last_administrator_stays_one(stack: Stack, door: Door, admin: Person) -> None:
    await only_administrators(stack, admin)
    await admin.call("CreateUser", user=wanted(role="ADMIN"))  # who cannot sign in before they choose a password
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        await admin.call("UpdateUser", userId=admin.id, user={"role": "USER"})
    second = await signed_up_as(door, stack.identity_url, "ADMIN")
    assert (await second.call("UpdateUser", userId=admin.id, user={"role": "MANAGER"}))["role"] == "MANAGER"
    name = new_name("machine")
    secret = await provisioned(stack.identity_url, name, scopes=["identity.admin"], audiences=["identity"])
    machine = await machine_token(door, name, secret)
    for rpc, more in ENDINGS:
        with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
            await door.call(rpc, token=machine, userId=second.id, **more)
    assert (await second.call("GetUser", userId=second.id))["role"] == "ADMIN"


@pytest.mark.parametrize(("rpc", "more"), ENDINGS)
async def test_administrators_who_remove_each_other_at_once_leave_one(
    stack: Stack, door: Door, rpc: str, more: Json
) -> None:
    """Each on a connection of its own, and all at the same time; who is removed before being heard removes nobody."""
    crowd = [await signed_up_as(door, stack.identity_url, "ADMIN") for _ in range(6)]
    await only_administrators(stack, *crowd)

    async def remove(by: Person, whom: Person) -> str:
        try:
            await by.call(rpc, userId=whom.id, **more)
        except Refused as refusal:
            return refusal.reason
        return "done"

    ring = zip(crowd, [*crowd[1:], crowd[0]], strict=True)
    came = Counter(await asyncio.gather(*(remove(by, whom) for by, whom in ring)))
    assert came.keys() <= {"done", "LAST_ADMINISTRATOR", "TOKEN_REVOKED"}
    in_office = users.c.role == "ADMIN", ~users.c.disabled, users.c.delete_time.is_(None)
    left = len(await rows(stack.identity_url, select(users.c.id).where(*in_office)))
    assert left == len(crowd) - came["done"] >= 1
    assert came["LAST_ADMINISTRATOR"] == 1 or came["TOKEN_REVOKED"]


async def test_a_machine_administrates_with_the_scope_for_it(stack: Stack, door: Door) -> None:
    name = new_name("admin")
    secret = await provisioned(stack.identity_url, name, scopes=["identity.admin"], audiences=["identity"])
    token = await machine_token(door, name, secret)
    user = await door.call("CreateUser", token=token, user=wanted(role="MANAGER"))
    assert (await door.call("DisableUser", token=token, userId=user["id"]))["disabled"]
    with refused("PERMISSION_DENIED", "INSUFFICIENT_SCOPE"):
        await door.call("GetUser", token=token, userId=user["id"])


async def test_what_administration_costs(stack: Stack, admin: Person, ada: Person) -> None:
    """In statements; BEGIN and COMMIT are not counted."""
    await verified(stack, ada)
    me = {"userId": ada.id}
    for rpc, request, cost in (
        ("GetUser", me, 1),
        ("BatchGetUsers", {"userIds": [ada.id, admin.id]}, 1),
        ("ListUsers", {"q": "ada", "role": "USER", "disabled": False, "pageSize": 100}, 1),
        ("ListUsers", {"orderBy": "email", "showDeleted": True}, 1),
        ("ListUserSessions", me, 1),
        ("ListAuditEvents", {"userId": ada.id, "action": "user.disabled"}, 1),
        ("UpdateUser", me | {"user": {"fullName": "A."}}, 4),  # lock, change, remember, tell
        ("UpdateUser", me | {"user": {"role": "MANAGER"}}, 5),  # and invalidate tokens, and tell both at once
        ("StartPasswordReset", me, 4),
        ("RevokeUserSessions", me, 5),
        ("DisableUser", me, 6),
        ("EnableUser", me, 4),
        ("DeleteUser", me, 7),
        ("UndeleteUser", me, 4),
        ("CreateUser", {"user": wanted()}, 5),
    ):
        stack.clear()
        await admin.call(rpc, **request)
        assert len(stack.identity.statements) == cost, (rpc, stack.identity.statements)
