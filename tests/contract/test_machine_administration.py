"""Machines as administrators see them: what they may do, the keys that they have, and the end of both."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, OctKey, RSAKey
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import select

from chassis.ids import new_id
from identity_service.tables import audit_events, service_account_secrets, service_accounts
from tests.contract.test_oauth import Robot, asked
from tests.contract.test_service_accounts import issued, new_name
from tests.support.doors import Door, Json, Refused, RestDoor, refused
from tests.support.machines import machine_token, new_client_secret, provisioned
from tests.support.people import Person
from tests.support.sql import rows
from tests.support.stack import Stack

PATIENCE_S = 20  # two seconds are promised; nothing here sleeps for what has happened


async def created(admin: Person, **more: Any) -> Json:
    """A new service account that may read at work and at identity."""
    wanted = {"name": new_name(), "scopes": ["work.read", "identity.read"], "audiences": ["work", "identity"]}
    return await admin.call("CreateServiceAccount", serviceAccount=wanted | more)


async def with_secret(admin: Person, **more: Any) -> tuple[Json, str]:
    account = await created(admin, **more)
    made = await admin.call("CreateServiceAccountKey", serviceAccount=account["name"])
    return account, made["secret"]


async def until_refused(call: Callable[[], Awaitable[Json]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await call()
            except Refused as refusal:
                assert refusal.code == "UNAUTHENTICATED", refusal
                return
            await asyncio.sleep(0.05)


async def until_refused_everywhere(stack: Stack, token: str) -> None:
    door = stack.doors["grpc"]
    await until_refused(lambda: door.call("ListProjects", token=token))
    await until_refused(lambda: door.call("BatchGetProfiles", token=token, userIds=[str(new_id())]))


async def works_everywhere(stack: Stack, token: str) -> None:
    door = stack.doors["grpc"]
    await door.call("ListProjects", token=token)
    await door.call("BatchGetProfiles", token=token, userIds=[str(new_id())])


async def test_an_account_is_made_and_found_by_name_and_id(door: Door, admin: Person) -> None:
    name = new_name()
    account = await created(admin, name=name, description="Reads", scopes=["work.read", "identity.read"])
    assert account == {
        "id": account["id"],
        "name": name,
        "description": "Reads",
        "scopes": ["identity.read", "work.read"],
        "audiences": ["identity", "work"],
        "disabled": False,
        "createTime": account["createTime"],
        "updateTime": account["createTime"],
        "etag": account["etag"],
    }
    for ref in (name, account["id"]):
        assert await admin.call("GetServiceAccount", serviceAccount=ref) == account
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, "tds_" + "x" * 43)


async def test_rest_says_where_a_new_account_is_and_what_its_version_is(stack: Stack, admin: Person) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    wanted = {"name": new_name(), "scopes": ["work.read"], "audiences": ["work"]}
    response = await door.send("CreateServiceAccount", token=admin.token, serviceAccount=wanted)
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/service-accounts/{wanted['name']}"
    etag = response.headers["etag"]
    path = response.headers["location"]
    headers = {"authorization": f"Bearer {admin.token}"}
    assert (await door.client.get(path, headers=headers | {"if-none-match": etag})).status_code == 304
    stale = await door.client.patch(path, headers=headers | {"if-match": '"other"'}, json={"description": "x"})
    assert stale.status_code == 412
    changed = await door.client.patch(path, headers=headers | {"if-match": etag}, json={"description": "x"})
    assert (changed.status_code, changed.headers["etag"] == etag) == (200, False)


async def test_a_name_is_taken_until_its_account_is_deleted(admin: Person) -> None:
    name = new_name()
    first = await created(admin, name=name)
    with refused("ALREADY_EXISTS", "SERVICE_ACCOUNT_NAME_TAKEN"):
        await created(admin, name=name)
    await admin.call("DeleteServiceAccount", serviceAccount=name)
    assert (await created(admin, name=name))["id"] != first["id"]


async def test_accounts_are_listed_by_name_page_by_page(admin: Person) -> None:
    made = [(await created(admin))["name"] for _ in range(3)]
    names, page_token = [], ""
    while True:
        page = await admin.call("ListServiceAccounts", pageSize=2, pageToken=page_token)
        assert len(page["serviceAccounts"]) <= 2
        names += [account["name"] for account in page["serviceAccounts"]]
        page_token = page["nextPageToken"]
        if not page_token:
            break
    assert names == sorted(set(names))
    assert set(made) <= set(names)


@pytest.mark.parametrize(
    ("rpc", "more"),
    [
        ("GetServiceAccount", {}),
        ("DeleteServiceAccount", {}),
        ("DisableServiceAccount", {}),
        ("EnableServiceAccount", {}),
        ("CreateServiceAccountKey", {}),
        ("ListServiceAccountKeys", {}),
        ("RevokeServiceAccountKey", {"keyId": str(new_id())}),
    ],
)
async def test_what_is_not_there_is_not_found(admin: Person, rpc: str, more: Json) -> None:
    gone = await created(admin)
    await admin.call("DeleteServiceAccount", serviceAccount=gone["id"])
    for ref in ("nobody", str(new_id()), gone["name"], gone["id"]):
        with refused("NOT_FOUND", "SERVICE_ACCOUNT_NOT_FOUND"):
            await admin.call(rpc, serviceAccount=ref, **more)


async def test_only_what_is_named_changes(admin: Person) -> None:
    account = await created(admin, description="old")
    name = account["name"]
    changed = await admin.call("UpdateServiceAccount", serviceAccountRef=name, serviceAccount={"description": "new"})
    assert {key: changed[key] for key in account if changed[key] != account[key]}.keys() == {
        "description",
        "updateTime",
        "etag",
    }
    again = await admin.call("UpdateServiceAccount", serviceAccountRef=name, serviceAccount={"description": "new"})
    assert again == changed, "nothing has changed, the version neither"
    same = await admin.call(
        "UpdateServiceAccount", serviceAccountRef=name, serviceAccount={"name": "other", "disabled": True}
    )
    assert same == changed, "these are not changed by this"


async def test_a_stale_etag_changes_nothing(admin: Person) -> None:
    account = await created(admin)
    name, stale = account["name"], account["etag"]
    current = await admin.call("UpdateServiceAccount", serviceAccountRef=name, serviceAccount={"description": "new"})
    for rpc, request in (
        ("UpdateServiceAccount", {"serviceAccountRef": name, "serviceAccount": {"description": "newer"}}),
        ("DisableServiceAccount", {"serviceAccount": name}),
        ("EnableServiceAccount", {"serviceAccount": name}),
        ("DeleteServiceAccount", {"serviceAccount": name}),
    ):
        with refused("ABORTED", "ETAG_MISMATCH"):
            await admin.call(rpc, **request, etag=stale)
    assert await admin.call("GetServiceAccount", serviceAccount=name) == current
    await admin.call("DeleteServiceAccount", serviceAccount=name, etag=current["etag"])


async def test_tokens_end_with_what_they_hold(stack: Stack, door: Door, admin: Person) -> None:
    """Nothing happens to them when their account may do more."""
    account, secret = await with_secret(admin)
    name = account["name"]
    for more, less in (
        ({"scopes": ["identity.read", "work.read", "work.write"]}, {"scopes": ["identity.read", "work.read"]}),
        ({"audiences": ["identity", "work"]}, {"audiences": ["work"]}),
    ):
        token = await machine_token(door, name, secret)
        await admin.call("UpdateServiceAccount", serviceAccountRef=name, serviceAccount=more)
        await works_everywhere(stack, token)
        await admin.call("UpdateServiceAccount", serviceAccountRef=name, serviceAccount=less)
        await until_refused_everywhere(stack, token)


async def test_a_disabled_account_is_out_at_once_and_comes_back_with_new_tokens(
    stack: Stack, door: Door, admin: Person
) -> None:
    account, secret = await with_secret(admin)
    name = account["name"]
    token = await machine_token(door, name, secret)
    await works_everywhere(stack, token)
    disabled = await admin.call("DisableServiceAccount", serviceAccount=name)
    assert disabled["disabled"]
    assert await admin.call("DisableServiceAccount", serviceAccount=name) == disabled
    await until_refused_everywhere(stack, token)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, secret)
    assert not (await admin.call("EnableServiceAccount", serviceAccount=name))["disabled"]
    await works_everywhere(stack, await machine_token(door, name, secret))
    with refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
        await stack.doors["grpc"].call("ListProjects", token=token)


async def test_a_deleted_account_is_out_at_once(stack: Stack, door: Door, admin: Person) -> None:
    account, secret = await with_secret(admin)
    token = await machine_token(door, account["name"], secret)
    await admin.call("DeleteServiceAccount", serviceAccount=account["id"])
    await until_refused_everywhere(stack, token)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, account["name"], secret)


async def test_what_is_provisioned_with_less_ends_tokens_as_well(stack: Stack, door: Door) -> None:
    name, secret = new_name(), new_client_secret()

    async def provision(*, scopes: list[str], audiences: list[str]) -> None:
        await provisioned(
            stack.identity_url, name, scopes=scopes, audiences=audiences, secret=secret, clock=stack.clock
        )

    await provision(scopes=["work.read", "identity.read"], audiences=["work", "identity"])
    token = await machine_token(door, name, secret)
    await works_everywhere(stack, token)
    await provision(scopes=["work.read"], audiences=["work"])
    await until_refused_everywhere(stack, token)
    (account,) = await rows(stack.identity_url, select(service_accounts).where(service_accounts.c.name == name))
    assert await actions(stack, str(account.id)) == [
        "service_account.created",
        "service_account_key.created",
        "service_account.updated",
    ]


async def actions(stack: Stack, account_id: str) -> list[str]:
    """What is remembered of an account, in order."""
    events = await rows(
        stack.identity_url,
        select(audit_events).where(audit_events.c.target_id == account_id).order_by(audit_events.c.id),
    )
    return [event.action for event in events]


async def test_what_happens_to_machines_is_remembered(stack: Stack, admin: Person) -> None:
    account, _ = await with_secret(admin)
    name = account["name"]
    (key,) = (await admin.call("ListServiceAccountKeys", serviceAccount=name))["keys"]
    await admin.call("UpdateServiceAccount", serviceAccountRef=name, serviceAccount={"description": "x"})
    await admin.call("DisableServiceAccount", serviceAccount=name)
    await admin.call("EnableServiceAccount", serviceAccount=name)
    await admin.call("RevokeServiceAccountKey", serviceAccount=name, keyId=key["id"])
    await admin.call("DeleteServiceAccount", serviceAccount=name)
    assert await actions(stack, account["id"]) == [
        "service_account.created",
        "service_account_key.created",
        "service_account.updated",
        "service_account.disabled",
        "service_account.enabled",
        "service_account_key.revoked",
        "service_account.deleted",
    ]


# -- keys


async def test_a_secret_is_shown_once(stack: Stack, door: Door, admin: Person) -> None:
    account = await created(admin)
    made = await admin.call("CreateServiceAccountKey", serviceAccount=account["name"])
    assert made["secret"].startswith("tds_")
    await issued(door, account["name"], made["secret"])
    listed = await admin.call("ListServiceAccountKeys", serviceAccount=account["id"])
    assert made["secret"] not in json.dumps(listed)
    assert [key["id"] for key in listed["keys"]] == [made["key"]["id"]]
    assert made["key"]["publicJwk"] == ""
    kept = await rows(
        stack.identity_url, select(service_account_secrets).where(service_account_secrets.c.id == made["key"]["id"])
    )
    assert made["secret"].encode() not in kept[0].digest


async def test_two_secrets_and_five_public_keys_work_at_a_time(admin: Person) -> None:
    account = await created(admin)
    name = account["name"]

    async def make(*, public: bool) -> Json:
        jwk = json.dumps(ECKey.generate_key("P-256", private=False).as_dict()) if public else ""
        return await admin.call("CreateServiceAccountKey", serviceAccount=name, publicJwk=jwk)

    for most, public in ((2, False), (5, True)):
        made = [await make(public=public) for _ in range(most)]
        with refused("FAILED_PRECONDITION", "TOO_MANY_KEYS"):
            await make(public=public)
        await admin.call("RevokeServiceAccountKey", serviceAccount=name, keyId=made[0]["key"]["id"])
        await make(public=public)


async def test_a_revoked_key_ends_the_accounts_tokens(stack: Stack, door: Door, admin: Person) -> None:
    account, secret = await with_secret(admin)
    name = account["name"]
    other = (await admin.call("CreateServiceAccountKey", serviceAccount=name))["secret"]
    (_, first) = (await admin.call("ListServiceAccountKeys", serviceAccount=name))["keys"]
    token = await machine_token(door, name, secret)
    await works_everywhere(stack, token)
    await admin.call("RevokeServiceAccountKey", serviceAccount=name, keyId=first["id"])
    await until_refused_everywhere(stack, token)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, secret)
    await works_everywhere(stack, await machine_token(door, name, other))
    for key_id in (first["id"], str(new_id())):
        with refused("NOT_FOUND", "SERVICE_ACCOUNT_KEY_NOT_FOUND"):
            await admin.call("RevokeServiceAccountKey", serviceAccount=name, keyId=key_id)


async def test_a_key_of_another_account_is_none(door: Door, admin: Person) -> None:
    account, secret = await with_secret(admin)
    (key,) = (await admin.call("ListServiceAccountKeys", serviceAccount=account["name"]))["keys"]
    other = await created(admin)
    with refused("NOT_FOUND", "SERVICE_ACCOUNT_KEY_NOT_FOUND"):
        await admin.call("RevokeServiceAccountKey", serviceAccount=other["name"], keyId=key["id"])
    await issued(door, account["name"], secret)


async def test_a_key_may_end_by_itself(stack: Stack, door: Door, admin: Person) -> None:
    account = await created(admin)
    ends = stack.clock.now() + timedelta(minutes=1)
    made = await admin.call(
        "CreateServiceAccountKey", serviceAccount=account["name"], expireTime=ends.isoformat().replace("+00:00", "Z")
    )
    assert made["key"]["expireTime"].startswith(ends.strftime("%Y-%m-%dT%H:%M:%S"))
    await issued(door, account["name"], made["secret"])
    stack.clock.advance(minutes=1)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, account["name"], made["secret"])


async def test_a_public_key_that_has_ended_may_come_again_and_ends_no_tokens(
    stack: Stack, door: Door, admin: Person
) -> None:
    account, secret = await with_secret(admin)
    token = await machine_token(door, account["name"], secret)
    jwk = json.dumps(ECKey.generate_key("P-256", private=False).as_dict())
    ends = (stack.clock.now() + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    wanted = {"serviceAccount": account["name"], "publicJwk": jwk}
    await admin.call("CreateServiceAccountKey", expireTime=ends, **wanted)
    with refused("ALREADY_EXISTS", "SERVICE_ACCOUNT_KEY_EXISTS"):
        await admin.call("CreateServiceAccountKey", **wanted)
    stack.clock.advance(minutes=1)
    again = await admin.call("CreateServiceAccountKey", **wanted)
    keys = (await admin.call("ListServiceAccountKeys", serviceAccount=account["name"]))["keys"]
    assert [key["id"] for key in keys if key["publicJwk"]] == [again["key"]["id"]]
    await works_everywhere(stack, token)


async def test_it_is_known_when_a_key_was_last_used_give_or_take_an_hour(
    stack: Stack, door: Door, admin: Person
) -> None:
    account, secret = await with_secret(admin)

    async def last_used() -> Any:
        (key,) = (await admin.call("ListServiceAccountKeys", serviceAccount=account["name"]))["keys"]
        return key.get("lastUseTime")

    assert await last_used() is None
    await issued(door, account["name"], secret)
    first = await last_used()
    assert first is not None
    stack.clock.advance(minutes=5)
    await issued(door, account["name"], secret)
    assert await last_used() == first


@pytest.mark.parametrize("kind", ["EC", "RSA"])
async def test_a_machine_signs_in_with_a_key_of_its_own(stack: Stack, door: Door, admin: Person, kind: str) -> None:
    account = await created(admin)
    private: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65537, 2048)
    key = (ECKey if kind == "EC" else RSAKey).import_key(private.public_key())
    jwk = key.as_dict(private=False)
    made = await admin.call(
        "CreateServiceAccountKey", serviceAccount=account["name"], publicJwk=json.dumps(jwk | {"kid": "mine"})
    )
    assert made["secret"] == ""
    algorithm = "ES256" if kind == "EC" else "RS256"
    kept = {name: jwk[name] for name in (("crv", "kty", "x", "y") if kind == "EC" else ("e", "kty", "n"))}
    assert json.loads(made["key"]["publicJwk"]) == kept | {"kid": key.thumbprint(), "alg": algorithm, "use": "sig"}
    machine = Robot(account["name"], private, algorithm, "mine")
    assert "access_token" in await asked(door, machine.assertion(stack))
    with refused("ALREADY_EXISTS", "SERVICE_ACCOUNT_KEY_EXISTS"):
        await admin.call("CreateServiceAccountKey", serviceAccount=account["name"], publicJwk=json.dumps(jwk))
    await admin.call("RevokeServiceAccountKey", serviceAccount=account["name"], keyId=made["key"]["id"])
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await asked(door, machine.assertion(stack))


GOOD = ECKey.generate_key("P-256", private=False).as_dict()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("none", id="not JSON"),
        pytest.param('{"kty": "EC"', id="half of it"),
        pytest.param("[" * 4000, id="deep"),
        pytest.param("[]", id="an array"),
        pytest.param('"EC"', id="a string"),
        pytest.param("null", id="null"),
        pytest.param(json.dumps({"keys": [GOOD]}), id="a set"),
        pytest.param(json.dumps(GOOD | {"kty": ["EC"]}), id="a list for a type"),
        pytest.param(json.dumps(GOOD | {"kty": "RSA"}), id="another type"),
        pytest.param(json.dumps(GOOD | {"x": 5}), id="a number for a coordinate"),
        pytest.param(json.dumps(GOOD | {"x": GOOD["y"]}), id="not on the curve"),
        pytest.param(json.dumps(GOOD | {"x": ""}), id="an empty coordinate"),
        pytest.param(json.dumps({key: GOOD[key] for key in ("kty", "crv", "x")}), id="one coordinate"),
        pytest.param(json.dumps(GOOD | {"crv": "secp256k1"}), id="another curve's name"),
        pytest.param(json.dumps(ECKey.generate_key("P-384", private=False).as_dict()), id="another curve"),
        pytest.param(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)), id="private"),
        pytest.param(json.dumps(RSAKey.generate_key(2048).as_dict(private=True)), id="private RSA"),
        pytest.param(json.dumps(GOOD | {"d": ""}), id="an empty private half"),
        pytest.param(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()), id="short RSA"),
        pytest.param(json.dumps(OctKey.generate_key(256).as_dict(private=True)), id="symmetric"),
        pytest.param(json.dumps({"kty": "OKP", "crv": "Ed25519", "x": GOOD["x"]}), id="Ed25519"),
        pytest.param(json.dumps(GOOD | {"alg": "ES384"}), id="another algorithm"),
        pytest.param(json.dumps(GOOD | {"alg": "none"}), id="no algorithm"),
        pytest.param(json.dumps(GOOD | {"use": "enc"}), id="for encryption"),
        pytest.param(json.dumps(GOOD | {"key_ops": ["encrypt"]}), id="for encryption, otherwise"),
        pytest.param(json.dumps(GOOD | {"key_ops": 5}), id="for a number"),
    ],
)
async def test_what_is_no_public_key_for_signatures_is_refused(admin: Person, text: str) -> None:
    account = await created(admin)
    with refused("INVALID_ARGUMENT", field="public_jwk"):
        await admin.call("CreateServiceAccountKey", serviceAccount=account["name"], publicJwk=text)
    assert (await admin.call("ListServiceAccountKeys", serviceAccount=account["name"]))["keys"] == []
