"""Machines: how they sign in, what their tokens hold, and where they may go."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import KeySet as IndependentKeySet
from joserfc.jwt import decode as independently_decoded
from sqlalchemy import select, update

from chassis.ids import new_id
from identity_service.tables import service_account_secrets, service_accounts, users
from tests.contract.test_tokens import parts
from tests.support.doors import Door, Json, RestDoor, refused
from tests.support.machines import machine_token, new_client_secret, provisioned
from tests.support.people import PASSWORD, Person, signed_up
from tests.support.sql import change, rows
from tests.support.stack import ISSUER, Stack

SCOPES = ("identity.read", "work.read")
AUDIENCES = ("identity", "work")


def new_name() -> str:
    return f"robot-{new_id().hex}"


async def robot(stack: Stack, scopes: Any = SCOPES, audiences: Any = AUDIENCES) -> tuple[str, str]:
    """Name and secret of a new service account."""
    name = new_name()
    return name, await provisioned(stack.identity_url, name, scopes=scopes, audiences=audiences)


async def issued(door: Door, name: str, secret: str, **more: str) -> Json:
    request = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret} | more
    return await door.call("IssueToken", **request)


async def test_a_machines_token_is_what_rfc_9068_says(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    answer = await issued(door, name, secret)
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
    assert answer["scope"] == "identity.read work.read"
    header, claims = parts(answer["access_token"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    (account,) = await rows(stack.identity_url, select(service_accounts).where(service_accounts.c.name == name))
    assert claims == {
        "iss": ISSUER,
        "sub": str(account.id),
        "sub_type": "service",
        "aud": ["identity", "work"],
        "client_id": name,
        "scope": "identity.read work.read",
        "token_version": 1,
        "iat": claims["iat"],
        "exp": claims["iat"] + 900,
        "jti": claims["jti"],
    }
    keys = (await door.call("GetJsonWebKeySet"))["keys"]
    independently_decoded(
        answer["access_token"], IndependentKeySet.import_key_set({"keys": keys}), algorithms=["ES256"]
    )


async def test_a_machine_may_ask_for_less(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    answer = await issued(door, name, secret, scope="work.read")
    assert answer["scope"] == "work.read"
    assert parts(answer["access_token"])[1]["scope"] == "work.read"


@pytest.mark.parametrize("scope", ["work.write", "work.read work.write", "nonsense"])
async def test_a_machine_may_not_ask_for_more(stack: Stack, door: Door, scope: str) -> None:
    name, secret = await robot(stack)
    with refused("INVALID_ARGUMENT", "INVALID_SCOPE", field="scope"):
        await issued(door, name, secret, scope=scope)


async def test_whoever_cannot_sign_in_gets_one_answer(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    disabled, disabled_secret = await robot(stack)
    await change(
        stack.identity_url, update(service_accounts).values(disabled=True).where(service_accounts.c.name == disabled)
    )
    bare, bare_secret = await robot(stack)
    await change(stack.identity_url, service_account_secrets.delete().where(_secrets_of(bare)))
    bad = [
        (new_name(), secret),
        (name, new_client_secret()),
        (name, disabled_secret),
        (name, secret + "x"),
        (name.upper(), secret),
        (disabled, disabled_secret),
        (bare, bare_secret),
        ("tandem", secret),
    ]
    said = set()
    for client_id, client_secret in bad:
        with refused("UNAUTHENTICATED", "INVALID_CLIENT") as refusal:
            await issued(door, client_id, client_secret, scope="nonsense")
        assert client_secret not in refusal[0].message
        said.add((refusal[0].message, str(refusal[0].metadata)))
    assert len(said) == 1


def _secrets_of(name: str) -> Any:
    return service_account_secrets.c.service_account_id.in_(
        select(service_accounts.c.id).where(service_accounts.c.name == name)
    )


async def test_two_secrets_work_at_a_time(stack: Stack, door: Door) -> None:
    name, first = await robot(stack)

    async def provision(secret: str = "") -> str:
        return await provisioned(stack.identity_url, name, scopes=SCOPES, audiences=AUDIENCES, secret=secret)

    second = await provision()
    for secret in (first, second):
        await issued(door, name, secret)
    third = await provision()
    for secret in (second, third):
        await issued(door, name, secret)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, first)
    before = await rows(stack.identity_url, select(service_account_secrets).where(_secrets_of(name)))
    await provision(third)
    await provision(second)
    assert await rows(stack.identity_url, select(service_account_secrets).where(_secrets_of(name))) == before
    await provision(first)  # an operator who goes back gets what they asked for
    await issued(door, name, first)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, second)


async def test_a_secret_that_has_expired_works_no_more(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    ends = stack.clock.now() + timedelta(seconds=20)
    await change(stack.identity_url, update(service_account_secrets).values(expire_time=ends).where(_secrets_of(name)))
    await issued(door, name, secret)
    stack.clock.advance(seconds=21)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, secret)


async def test_provisioning_at_once_makes_one_account_that_takes_the_secret(stack: Stack, door: Door) -> None:
    name, secret = new_name(), new_client_secret()
    await asyncio.gather(
        *(provisioned(stack.identity_url, name, scopes=SCOPES, audiences=AUDIENCES, secret=secret) for _ in range(5))
    )
    await issued(door, name, secret)
    assert len(await rows(stack.identity_url, select(service_account_secrets).where(_secrets_of(name)))) == 1


async def test_provisioning_changes_scopes_but_enables_nothing(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    this = service_accounts.c.name == name
    await provisioned(stack.identity_url, name, scopes=["work.write"], audiences=["work"], secret=secret)
    assert (await issued(door, name, secret))["scope"] == "work.write"
    (account,) = await rows(stack.identity_url, select(service_accounts).where(this))
    assert account.version == 2
    await change(stack.identity_url, update(service_accounts).values(disabled=True).where(this))
    await provisioned(stack.identity_url, name, scopes=["work.write"], audiences=["work"], secret=secret)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(door, name, secret)


async def test_a_machine_ends_after_a_quarter_of_an_hour(stack: Stack) -> None:
    door = stack.doors["grpc"]
    token = await machine_token(door, *(await robot(stack)))
    stack.clock.advance(minutes=15)
    with refused("NOT_FOUND"):
        await door.call("LookupProfile", token=token, username="nobody")
    stack.clock.advance(seconds=31)
    with refused("UNAUTHENTICATED", "TOKEN_EXPIRED"):
        await door.call("LookupProfile", token=token, username="nobody")


async def test_a_machine_is_no_person(stack: Stack, door: Door) -> None:
    token = await machine_token(stack.doors["grpc"], *(await robot(stack)))
    for rpc in ("GetMe", "Logout"):
        with refused("PERMISSION_DENIED", "PEOPLE_ONLY"):
            await door.call(rpc, token=token)


async def test_a_person_is_no_machine(stack: Stack, ada: Person) -> None:
    """Nor do they learn whether what they ask for exists, or is a question at all."""
    for request in ({"userId": ada.id}, {"username": "nobody"}, {}):
        with refused("PERMISSION_DENIED", "MACHINES_ONLY"):
            await stack.doors["grpc"].call("LookupProfile", token=ada.token, **request)
    with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        await stack.doors["grpc"].call("LookupProfile", userId=ada.id)


async def test_a_machine_needs_the_scope_of_the_method(stack: Stack, ada: Person) -> None:
    door = stack.doors["grpc"]
    name, secret = await robot(stack)
    with refused("PERMISSION_DENIED", "INSUFFICIENT_SCOPE") as said:
        await door.call("LookupProfile", token=await machine_token(door, name, secret, "work.read"), userId=ada.id)
    assert said[0].metadata == {"scope": "identity.read"}
    await door.call("LookupProfile", token=await machine_token(door, name, secret, "identity.read"), userId=ada.id)


async def test_a_machine_without_the_scope_may_not_change_work(stack: Stack, door: Door) -> None:
    token = await machine_token(stack.doors["grpc"], *(await robot(stack)))
    with refused("PERMISSION_DENIED", "INSUFFICIENT_SCOPE"):
        await door.call("CreateProject", token=token, project={"title": "Apollo"})


async def test_a_token_for_another_audience_is_none(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack, scopes=["identity.read", "work.read"], audiences=["work"])
    token = await machine_token(stack.doors["grpc"], name, secret)
    with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
        await stack.doors["grpc"].call("LookupProfile", token=token, username="nobody")
    name, secret = await robot(stack, scopes=["identity.read", "work.read"], audiences=["identity"])
    token = await machine_token(stack.doors["grpc"], name, secret)
    with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
        await door.call("GetProject", token=token, project="p")


async def test_a_machines_token_refreshes_no_session(stack: Stack, door: Door) -> None:
    token = await machine_token(stack.doors["grpc"], *(await robot(stack)))
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await door.call("Refresh", refreshToken=token)


async def test_a_token_costs_one_statement(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    await issued(door, name, secret)  # once an hour it is noted that the secret is in use
    stack.clear()
    await issued(door, name, secret)
    assert stack.identity.statements == ["SELECT service_accounts service_account_secrets"]


async def test_people_and_machines_do_not_sign_in_with_each_others_secrets(stack: Stack, ada: Person) -> None:
    name, secret = await robot(stack)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await issued(ada.door, name, PASSWORD)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await ada.door.call("Login", email=name, password=secret)


# -- what machines may ask about people


@pytest.fixture
async def service(stack: Stack) -> str:
    """The token of a machine that may read."""
    return await machine_token(stack.doors["grpc"], *(await robot(stack, scopes=["identity.read"])))


@pytest.fixture
async def grace(stack: Stack) -> Person:
    """Somebody with a username."""
    door = stack.doors["grpc"]
    person = await signed_up(door, "Grace")
    await change(
        stack.identity_url, users.update().values(username=f"grace-{person.id[-12:]}").where(users.c.id == person.id)
    )
    return person


async def lookup(stack: Stack, token: str, **name: str) -> Json:
    return await stack.doors["grpc"].call("LookupProfile", token=token, **name)


async def verify(stack: Stack, person: Person) -> None:
    await change(
        stack.identity_url, users.update().values(email_verify_time=stack.clock.now()).where(users.c.id == person.id)
    )


async def test_a_person_is_found_by_id_username_and_verified_address(stack: Stack, service: str, grace: Person) -> None:
    username = f"grace-{grace.id[-12:]}"
    profile = {"id": grace.id, "username": username, "fullName": "Grace"}
    await verify(stack, grace)
    for name in (
        {"userId": grace.id},
        {"userId": grace.id.upper()},
        {"username": username},
        {"username": username.upper()},
        {"email": grace.email},
        {"email": grace.email.upper()},
    ):
        stack.clear()
        assert await lookup(stack, service, **name) == profile
        assert stack.identity.statements == ["SELECT users"]


async def test_an_address_that_nobody_has_verified_finds_nobody(stack: Stack, service: str, grace: Person) -> None:
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await lookup(stack, service, email=grace.email)


async def test_who_is_not_to_be_found_is_nobody(stack: Stack, service: str, grace: Person) -> None:
    await verify(stack, grace)
    names = ({"userId": grace.id}, {"username": f"grace-{grace.id[-12:]}"}, {"email": grace.email})
    nobody = ({"userId": str(new_id())}, {"username": "nobody"}, {"email": "nobody@example.com"})
    said = set()
    for state in ({}, {"disabled": True}, {"disabled": False, "delete_time": stack.clock.now()}):
        if state:
            await change(stack.identity_url, users.update().values(**state).where(users.c.id == grace.id))
        for name in names if state else nobody:
            with refused("NOT_FOUND", "USER_NOT_FOUND") as refusal:
                await lookup(stack, service, **name)
            said.add((refusal[0].message, str(refusal[0].metadata)))
    assert len(said) == 1


async def test_profiles_are_not_looked_up_over_rest(stack: Stack, service: str) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    answer = await door.client.post(
        "/tandem.identity.v1.ProfileService/LookupProfile",
        json={"username": "x"},
        headers={"authorization": f"Bearer {service}"},
    )
    assert answer.status_code == 404
