"""Signing keys by hand: made, put to work, taken out of it, and withdrawn. On a system of their own: it loses keys."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from joserfc.jwk import KeySet as IndependentKeySet
from joserfc.jwk import RSAKey
from joserfc.jwt import decode as independently_decoded
from sqlalchemy import select, update
from tandem.gateway.v1 import gateway_pb2

import identity_service.app
from identity_service.app import MAX_AGE, TOKENS, key_schedule
from identity_service.tables import audit_events, feed, signing_keys
from tests.contract.test_sessions import login
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, Json, Refused, refused
from tests.support.people import Person, signed_up, signed_up_as
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack

A_COOLDOWN = {"seconds": 31}  # verifiers that have just asked for keys do not ask for each new name
OLDEST_FIRST = select(signing_keys).order_by(signing_keys.c.create_time)
PATIENCE_S = 20  # two seconds are promised; nothing here sleeps for what has happened


@pytest.fixture(scope="module")
async def stack(databases: Databases) -> AsyncIterator[Stack]:
    async with running_stack(databases) as running:
        yield running


async def states(admin: Person) -> dict[str, str]:
    """What every key is doing."""
    return {key["kid"]: key["state"] for key in (await admin.call("ListSigningKeys"))["signingKeys"]}


async def signing(admin: Person) -> str:
    (kid,) = [kid for kid, state in (await states(admin)).items() if state == "ACTIVE"]
    return kid


async def published(door: Door) -> dict[str, Json]:
    return {key["kid"]: key for key in (await door.call("GetJsonWebKeySet"))["keys"]}


async def known_for_long(stack: Stack, kid: str) -> None:
    """As if the key had been made long ago: the clock stays where access tokens are good."""
    await _back(stack, kid, "create_time", key_schedule(stack.identity_settings).lead)
    stack.clock.advance(**A_COOLDOWN)


async def unused_for_long(stack: Stack, kid: str) -> None:
    """As if the key had stopped signing long ago."""
    await _back(stack, kid, "retire_time", key_schedule(stack.identity_settings).overlap)


async def _back(stack: Stack, kid: str, column: str, by: timedelta) -> None:
    earlier = {column: signing_keys.c[column] - by}
    await change(stack.identity_url, update(signing_keys).values(earlier).where(signing_keys.c.kid == kid))


async def activated(stack: Stack, admin: Person) -> str:
    """A new key that signs."""
    made = await admin.call("CreateSigningKey")
    await known_for_long(stack, made["kid"])
    key = await admin.call("ActivateSigningKey", kid=made["kid"])
    assert (key["kid"], key["state"]) == (made["kid"], "ACTIVE")
    return str(made["kid"])


async def is_taken_everywhere(token: str, door: Door) -> None:
    await door.call("GetMe", token=token)
    await door.call("ListProjects", token=token)


async def until_refused(door: Door, rpc: str, token: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await door.call(rpc, token=token)
            except Refused as refusal:
                assert refusal.code == "UNAUTHENTICATED", refusal
                return
            await asyncio.sleep(0.05)


async def test_a_new_key_is_published_and_does_not_sign(door: Door, admin: Person) -> None:
    before = await signing(admin)
    key = await admin.call("CreateSigningKey")
    assert (key["state"], key["algorithm"]) == ("PENDING", "ES256")
    assert "activateTime" not in key
    assert key["kid"] in await published(door)
    assert parts((await login(admin))["accessToken"])[0]["kid"] == before
    assert next(iter(await states(admin))) == key["kid"], "the newest first"


async def test_a_key_that_verifiers_may_not_know_does_not_sign(admin: Person) -> None:
    before = await signing(admin)
    key = await admin.call("CreateSigningKey")
    with refused("FAILED_PRECONDITION", "SIGNING_KEY_TOO_NEW") as said:
        await admin.call("ActivateSigningKey", kid=key["kid"])
    assert said[0].retry_after
    assert await signing(admin) == before


async def test_a_key_takes_over_and_nobody_notices(stack: Stack, door: Door, admin: Person) -> None:
    before, old = await signing(admin), await signed_up(door)
    kid = await activated(stack, admin)
    assert (await states(admin))[before] == "RETIRING"
    new = await signed_up(door)
    assert [parts(person.token)[0]["kid"] for person in (old, new)] == [before, kid]
    for person in (old, new):
        await is_taken_everywhere(person.token, door)
    keys = IndependentKeySet.import_key_set({"keys": list((await published(door)).values())})
    for person in (old, new):
        independently_decoded(person.token, keys, algorithms=["ES256"])
    assert (await admin.call("ActivateSigningKey", kid=kid))["state"] == "ACTIVE", "it does already"


async def test_a_key_that_signs_no_more_is_not_kept(stack: Stack, admin: Person) -> None:
    """Its private half, that is: whoever gets into the database finds the one that signs, and those that will."""
    await activated(stack, admin)
    await admin.call("RevokeSigningKey", kid=(await admin.call("CreateSigningKey"))["kid"])
    kept = await rows(stack.identity_url, select(signing_keys))
    assert {"ACTIVE", "RETIRING", "REVOKED"} <= {key.state for key in kept}
    for key in kept:
        assert bool(key.sealed_private_key) == (key.state in {"ACTIVE", "PENDING"}), key.state


async def test_a_key_goes_when_nothing_that_it_has_signed_is_good(stack: Stack, door: Door, admin: Person) -> None:
    kid = await signing(admin)
    with refused("FAILED_PRECONDITION", "SIGNING_KEY_STATE") as said:
        await admin.call("RetireSigningKey", kid=kid)
    assert said[0].metadata == {"state": "ACTIVE"}
    await activated(stack, admin)
    with refused("FAILED_PRECONDITION", "SIGNING_KEY_NEEDED") as said:
        await admin.call("RetireSigningKey", kid=kid)
    assert said[0].retry_after
    await unused_for_long(stack, kid)
    later = await signed_up_as(door, stack.identity_url, "ADMIN")  # with a token that the new key has signed
    for _ in range(2):
        assert (await later.call("RetireSigningKey", kid=kid))["state"] == "RETIRED"
    assert kid not in await published(door)
    for rpc in ("ActivateSigningKey", "RevokeSigningKey"):
        with refused("FAILED_PRECONDITION", "SIGNING_KEY_STATE"):
            await later.call(rpc, kid=kid)


async def test_a_key_that_has_signed_nothing_may_go_at_once(door: Door, admin: Person) -> None:
    key = await admin.call("CreateSigningKey")
    assert (await admin.call("RetireSigningKey", kid=key["kid"]))["state"] == "RETIRED"
    assert key["kid"] not in await published(door)


async def test_nothing_that_a_revoked_key_has_signed_is_good(stack: Stack, door: Door, admin: Person) -> None:
    """At identity, at work, and between the two; whoever signs in again goes on."""
    kid, ada = await signing(admin), await signed_up(door)
    await is_taken_everywhere(ada.token, door)
    stack.clock.advance(**A_COOLDOWN)
    key = await admin.call("RevokeSigningKey", kid=kid)
    assert key["state"] == "REVOKED"
    assert "revokeTime" in key
    await until_refused(door, "GetMe", ada.token)
    await until_refused(door, "ListProjects", ada.token)
    assert kid not in await published(door)
    again = (await login(ada))["accessToken"]
    assert parts(again)[0]["kid"] != kid
    await is_taken_everywhere(again, door)
    project = await door.call("CreateProject", token=again, project={"title": "Apollo"})
    grace = await signed_up(door, "Grace")
    asked_of_identity = {"project": project["id"], "userId": grace.id, "role": "VIEWER"}
    await door.call("AddMember", token=again, **asked_of_identity)


async def test_a_key_that_is_published_already_takes_the_place_of_a_revoked_one(stack: Stack, admin: Person) -> None:
    """So that those who know it need not ask; however new it is."""
    for other, state in (await states(admin)).items():
        if state == "PENDING":
            await admin.call("RetireSigningKey", kid=other)
    waiting = await admin.call("CreateSigningKey")
    stack.clock.advance(**A_COOLDOWN)
    await admin.call("RevokeSigningKey", kid=await signing(admin))
    again = await signed_up_as(admin.door, stack.identity_url, "ADMIN")
    assert await signing(again) == waiting["kid"]
    assert (await again.call("RevokeSigningKey", kid=(await again.call("CreateSigningKey"))["kid"]))[
        "state"
    ] == "REVOKED"
    assert await signing(again) == waiting["kid"], "a key that signs nothing is missed by nobody"


async def test_a_key_is_revoked_once(stack: Stack, admin: Person) -> None:
    kid = (await admin.call("CreateSigningKey"))["kid"]
    first = await admin.call("RevokeSigningKey", kid=kid)
    assert await admin.call("RevokeSigningKey", kid=kid) == first
    for rpc in ("ActivateSigningKey", "RetireSigningKey"):
        with refused("FAILED_PRECONDITION", "SIGNING_KEY_STATE"):
            await admin.call(rpc, kid=kid)
    told = await rows(stack.identity_url, select(feed).where(feed.c.kind == "KEY_REVOKED", feed.c.subject == kid))
    assert len(told) == 1


@pytest.mark.parametrize("rpc", ["ActivateSigningKey", "RetireSigningKey", "RevokeSigningKey"])
async def test_there_is_no_key_of_another_name(admin: Person, rpc: str) -> None:
    with refused("NOT_FOUND", "SIGNING_KEY_NOT_FOUND"):
        await admin.call(rpc, kid="x" * 43)


async def test_a_key_is_for_one_algorithm(door: Door, admin: Person) -> None:
    key = await admin.call("CreateSigningKey", algorithm="RS256")
    assert key["algorithm"] == "RS256"
    jwk = (await published(door))[key["kid"]]
    assert set(jwk) == {"kty", "kid", "use", "alg", "n", "e"}
    assert (jwk["kty"], jwk["alg"], jwk["use"]) == ("RSA", "RS256", "sig")
    assert RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}).thumbprint() == key["kid"]


async def test_what_happens_to_keys_is_remembered(stack: Stack, admin: Person) -> None:
    kid = await activated(stack, admin)
    await admin.call("RevokeSigningKey", kid=kid)
    events = await rows(
        stack.identity_url, select(audit_events).where(audit_events.c.target_id == kid).order_by(audit_events.c.id)
    )
    assert [event.action for event in events] == [f"signing_key.{did}" for did in ("created", "activated", "revoked")]
    assert {str(event.actor_id) for event in events} == {admin.id}
    assert {event.target_type for event in events} == {"signing_key"}


async def test_what_is_gone_is_listed_for_90_days(stack: Stack, admin: Person) -> None:
    kids = [(await admin.call("CreateSigningKey"))["kid"] for _ in range(2)]
    for rpc, kid, column in (
        ("RetireSigningKey", kids[0], "remove_time"),
        ("RevokeSigningKey", kids[1], "revoke_time"),
    ):
        await admin.call(rpc, kid=kid)
        await _back(stack, kid, "create_time", timedelta(days=400))
        await _back(stack, kid, column, timedelta(days=89))
        assert kid in await states(admin)
        await _back(stack, kid, column, timedelta(days=2))
        assert kid not in await states(admin)


async def test_a_running_service_rotates_its_keys_by_itself(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody who is signed in notices."""
    monkeypatch.setattr(identity_service.app, "ROTATE_EVERY", timedelta(milliseconds=50))
    async with running_stack(databases, identity_settings={"signing_key_days": 1}) as stack:
        door, schedule = stack.doors["rest"], key_schedule(stack.identity_settings)

        async def until(*wanted: str) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while [key.state for key in await rows(stack.identity_url, OLDEST_FIRST)] != list(wanted):
                    await asyncio.sleep(0.05)

        ada = await signed_up(door)
        await until("ACTIVE")
        stack.clock.advance(days=1, seconds=-schedule.lead.total_seconds())
        await until("ACTIVE", "PENDING")
        before = (await login(ada))["accessToken"]
        stack.clock.advance(seconds=schedule.lead.total_seconds())
        await until("RETIRING", "ACTIVE")
        after = (await login(ada))["accessToken"]
        assert parts(before)[0]["kid"] != parts(after)[0]["kid"]
        for token in (before, after):
            await is_taken_everywhere(token, door)
        stack.clock.advance(seconds=schedule.overlap.total_seconds())
        await until("RETIRED", "ACTIVE")


async def test_tokens_are_signed_with_rs256_where_that_is_wanted(databases: Databases) -> None:
    async with running_stack(databases, identity_settings={"signing_algorithm": "RS256"}) as stack:
        door = stack.doors["rest"]
        ada = await signed_up(door)
        assert parts(ada.token)[0]["alg"] == "RS256"
        await is_taken_everywhere(ada.token, door)
        keys = IndependentKeySet.import_key_set({"keys": list((await published(door)).values())})
        independently_decoded(ada.token, keys, algorithms=["RS256"])


def test_the_lead_is_derived_from_what_the_contract_lets_caches_do() -> None:
    (said,) = [
        method.GetOptions().Extensions[gateway_pb2.method].cache_control
        for method in TOKENS.methods
        if method.name == "GetJsonWebKeySet"
    ]
    assert f"max-age={int(MAX_AGE.total_seconds())}" in said.split(", ")
