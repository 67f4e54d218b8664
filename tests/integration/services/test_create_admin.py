"""`python -m identity_service create-admin`: how a system gets its first administrator."""

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from identity_service.__main__ import parsed
from identity_service.mail_tokens.domain import digest_of
from identity_service.tables import audit_events, feed, mail_tokens, users
from standalone.ports import free_port
from tests.integration.services.test_provisioning import run
from tests.support.databases import Databases
from tests.support.people import PASSWORD, signed_in, signed_up
from tests.support.sql import change, rows
from tests.support.stack import running_stack

EMAIL = "grace@example.com"


def body_of(said: str) -> dict[str, str]:
    """What the command that was printed would send."""
    (line,) = [line for line in said.splitlines() if line.startswith("  curl ")]
    body: dict[str, str] = json.loads(line.partition("-d '")[2].rstrip("'"))
    return body


async def user_of(url: str, email: str = EMAIL) -> Any:
    (user,) = await rows(url, select(users).where(users.c.email == email))
    return user


async def actions(url: str) -> list[tuple[str, str]]:
    events = select(audit_events.c.actor_type, audit_events.c.action).order_by(audit_events.c.id)
    return [(event.actor_type, event.action) for event in await rows(url, events)]


async def test_the_first_administrator_chooses_a_password_with_what_is_printed_once(databases: Databases) -> None:
    url = databases.clone("identity")
    told = {"IDENTITY_DATABASE_URL": url, "IDENTITY_ISSUER": "https://tandem.example"}
    code, said, complaint = await run("create-admin", EMAIL, "--full-name", "Grace Hopper", **told)
    assert (code, complaint) == (0, "")
    assert said.startswith(f"administrator {EMAIL}: created\n")
    assert " https://tandem.example/api/v1/auth:resetPassword " in said
    user = await user_of(url)
    assert (user.role, user.full_name, user.password_hash, user.email_verify_time) == (
        "ADMIN",
        "Grace Hopper",
        None,
        None,
    )
    (kept,) = await rows(url, select(mail_tokens))
    assert (kept.user_id, kept.purpose) == (user.id, "INVITATION")
    assert kept.digest == digest_of(body_of(said)["token"])
    assert (kept.expire_time - kept.create_time).total_seconds() == 1800
    assert await actions(url) == [("system", "user.invited")]
    assert {row.kind for row in await rows(url, select(feed))} == {"PROFILE_CHANGED"}


async def test_what_was_printed_works_once(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        door = stack.doors["rest"]
        _, said, _ = await run("create-admin", EMAIL, IDENTITY_DATABASE_URL=stack.identity_url)
        body = body_of(said)
        assert body["new_password"] == "..."
        await door.call("RequestPasswordReset", email=EMAIL)  # which anybody can
        await door.call("ResetPassword", token_=body["token"], newPassword=PASSWORD)
        grace = await signed_in(door, EMAIL)
        assert [user["id"] for user in (await grace.call("ListUsers"))["users"]] == [grace.id]
        with pytest.raises(Exception, match="MAIL_TOKEN_INVALID"):
            await door.call("ResetPassword", token_=body["token"], newPassword=PASSWORD)


async def test_who_was_too_late_gets_another_one(databases: Databases) -> None:
    url = databases.clone("identity")
    told = {"IDENTITY_DATABASE_URL": url}
    _, first, _ = await run("create-admin", EMAIL, **told)
    code, said, complaint = await run("create-admin", EMAIL.upper(), **told)
    assert (code, said) == (2, "")
    assert complaint == "error: GRACE@example.com has an account: with --promote it becomes an administrator's"
    code, second, _ = await run("create-admin", EMAIL, "--promote", **told)
    assert (code, second.splitlines()[0]) == (0, f"administrator {EMAIL}: unchanged")
    assert body_of(first)["token"] != body_of(second)["token"]
    (kept,) = await rows(url, select(mail_tokens))
    assert kept.digest == digest_of(body_of(second)["token"]), "the one before it works no more"
    assert await actions(url) == [("system", "user.invited"), ("system", "password.reset_requested")]


async def test_somebody_who_is_there_is_promoted_only_when_that_is_said_and_the_address_is_theirs(
    databases: Databases,
) -> None:
    async with running_stack(databases) as stack:
        url, ada = stack.identity_url, await signed_up(stack.doors["grpc"], "Ada")
        told = {"IDENTITY_DATABASE_URL": url}
        code, said, complaint = await run("create-admin", ada.email, "--promote", **told)
        assert (code, said) == (2, "")
        assert complaint == "error: Whoever has this account has not shown that the address is theirs."
        assert (await user_of(url, ada.email)).role == "USER"
        verified = update(users).values(email_verify_time=users.c.create_time, disabled=True)
        await change(url, verified.where(users.c.email == ada.email))
        assert (await run("create-admin", ada.email, **told))[0] == 2
        code, said, _ = await run("create-admin", ada.email, "--promote", **told)
        assert (code, said) == (0, f"administrator {ada.email}: promoted\n"), "they have a password"
        promoted = await user_of(url, ada.email)
        assert (promoted.role, promoted.disabled, promoted.token_version) == ("ADMIN", False, 2)
        assert (await actions(url))[-1] == ("system", "user.role_changed")
        assert (await run("create-admin", ada.email, "--promote", **told))[1].endswith("unchanged\n")


@pytest.mark.parametrize("email", ["", "grace", "@example.com", "grace@", "a b@example.com", "a" * 250 + "@b.de"])
def test_what_is_no_address_is_refused(email: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(["create-admin", email])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith("is not an e-mail address\n")


async def test_what_is_wrong_is_one_line(databases: Databases) -> None:
    assert await run("create-admin", EMAIL) == (2, "", "error: missing IDENTITY_DATABASE_URL")
    nowhere = f"postgresql://u:p@127.0.0.1:{free_port()}/x"
    assert await run("create-admin", EMAIL, IDENTITY_DATABASE_URL=nowhere) == (
        2,
        "",
        "error: the identity database cannot be reached",
    )
    behind = await run("create-admin", EMAIL, IDENTITY_DATABASE_URL=databases.empty())
    assert behind[2].endswith("run `python -m migrations`")
