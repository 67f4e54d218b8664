"""Whoever has a dump of the databases, and nothing else, is nobody: each value in it is tried as everything."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import select

import identity_service.tables
import work_service.tables
from identity_service.keys.domain import PURPOSE
from identity_service.mail import store as mail
from identity_service.sealing import CannotOpen, Sealer
from identity_service.sessions.domain import Session
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, Json, Refused
from tests.support.machines import provisioned
from tests.support.mailbox import token_to
from tests.support.people import PASSWORD, Person, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack, running_stack

AES_KEYS = (16, 24, 32)  # bytes
_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# What is tried here is guessed far more often than anybody may.
ANY_NUMBER_OF_GUESSES = {"login_attempts": 1_000_000, "most_login_attempts": 1_000_000}
Dump = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass
class Victims:
    """What there is to be had: whoever holds it gets in."""

    stack: Stack
    ada: Person
    refresh_token: str
    reset_token: str
    client_secret: str
    dump: Dump


@pytest.fixture(scope="module")
async def victims(databases: Databases) -> AsyncIterator[Victims]:
    """Somebody who is signed in and has forgotten the password, and a machine."""
    async with running_stack(databases, identity_settings=ANY_NUMBER_OF_GUESSES) as stack:
        door = stack.doors["grpc"]
        secret = await provisioned(stack.identity_url, "robot", scopes=["work.read"], audiences=["work"])
        ada = await signed_up(door)
        await ada.call("RequestPasswordReset", email=ada.email)
        tokens = await door.call("Login", email=ada.email, password=PASSWORD)
        await ada.call("CreateProject", project={"title": "Apollo"})
        schemas = (
            ("identity", stack.identity_url, identity_service.tables.metadata),
            ("work", stack.work_url, work_service.tables.metadata),
        )
        yield Victims(
            stack=stack,
            ada=ada,
            refresh_token=tokens["refreshToken"],
            reset_token=await token_to(stack, ada.email, "RESET_PASSWORD"),
            client_secret=secret,
            dump={
                f"{service}.{table.name}": [dict(row._mapping) for row in await rows(url, select(table))]
                for service, url, metadata in schemas
                for table in metadata.sorted_tables
            },
        )


def leaves(value: Any) -> Iterator[Any]:
    """Every value in there, however deep."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    elif value is not None:
        yield value


def spelled(value: Any) -> Iterator[str]:
    """A value in every way in which it might be sent."""
    if isinstance(value, UUID):
        value = value.bytes
    if isinstance(value, bytes):
        yield from (value.hex(), base64.b64encode(value).decode())
        if value.isascii() and value.decode().isprintable():
            yield value.decode()
        value = base64.urlsafe_b64encode(value).decode().rstrip("=")
    text = str(value)
    yield from (text, *(prefix + text for prefix in ("tdr_", "tds_", "tdm_")))


async def opened(victims: Victims, text: str) -> list[str]:
    """What somebody gets with it."""
    door, email = victims.stack.doors["grpc"], victims.ada.email
    machine = {"grant_type": "client_credentials", "client_id": "robot"}
    attempts: list[tuple[str, Json]] = [
        ("GetMe", {"token": text}),
        ("Refresh", {"refreshToken": text}),
        ("ResetPassword", {"token_": text, "newPassword": PASSWORD}),
        ("VerifyEmail", {"token_": text}),
        ("Login", {"email": email, "password": text}),
        ("IssueToken", machine | {"client_secret": text}),
    ]
    outcomes = await asyncio.gather(*(lets_in(door, rpc, request) for rpc, request in attempts))
    return [rpc for (rpc, _), is_in in zip(attempts, outcomes, strict=True) if is_in]


async def lets_in(door: Door, rpc: str, request: Json) -> bool:
    try:
        await door.call(rpc, **request)
    except Refused as refusal:
        assert refusal.code != "RESOURCE_EXHAUSTED", "it was not even looked at"
        return False
    return True


async def taken(victims: Victims, private: Any, algorithm: str = "ES256") -> bool:
    """Whether a token is taken that was signed with this."""
    header, claims = parts(victims.ada.token)
    try:
        forged = jwt.encode(claims, private, algorithm=algorithm, headers=header | {"alg": algorithm})
    except (jwt.InvalidKeyError, ValueError):
        return False
    return "GetMe" in await opened(victims, forged)


def private_keys(values: Iterable[Any]) -> Iterator[Any]:
    """Every key that somebody might take a value for."""
    for value in values:
        if isinstance(value, bytes) and value:
            for end in (value[:32], value[-32:], value[12:44]):
                yield ec.derive_private_key(int.from_bytes(end) % (_ORDER_OF_P256 - 1) + 1, ec.SECP256R1())
            for start in (0, 12):  # as it is, or behind a nonce
                try:
                    yield load_der_private_key(value[start:], password=None)
                except ValueError:
                    continue


async def test_the_dump_holds_what_it_is_about(victims: Victims) -> None:
    """Rows of all that is secret: what is not there would not be tried."""
    for table in ("users", "sessions", "mail_tokens", "mails", "service_account_secrets", "signing_keys"):
        assert victims.dump[f"identity.{table}"], table
    for table in ("projects", "members"):
        assert victims.dump[f"work.{table}"], table


async def test_whoever_holds_the_real_thing_gets_in(victims: Victims) -> None:
    """The attempts below would succeed if there were something to be had."""
    assert await opened(victims, victims.ada.token) == ["GetMe"]
    assert await opened(victims, victims.client_secret) == ["IssueToken"]
    assert await opened(victims, PASSWORD) == ["Login"]
    assert await opened(victims, victims.refresh_token) == ["Refresh"]
    sealer = Sealer(victims.stack.identity_settings.secret_keys, PURPOSE)
    (key,) = victims.dump["identity.signing_keys"]
    private = load_der_private_key(sealer.opened(key["sealed_private_key"], key["kid"]), password=None)
    assert await taken(victims, private)


async def test_no_secret_is_in_the_dump(victims: Victims) -> None:
    text = "\n".join(said for value in leaves(victims.dump) for said in spelled(value))
    for secret in (
        victims.ada.token,
        victims.refresh_token,
        victims.client_secret,
        victims.reset_token,
        PASSWORD,
        *(key.decode("latin-1") for key in victims.stack.identity_settings.secret_keys),
    ):
        body = secret.partition("_")[2] or secret
        for hidden in (secret, body, base64.b64encode(secret.encode()).decode().rstrip("="), secret.encode().hex()):
            assert hidden not in text


@pytest.mark.timeout(900)  # it tries everything that is in it
async def test_nothing_in_the_dump_opens_anything(victims: Victims) -> None:
    tried = {said for value in leaves(victims.dump) for said in spelled(value) if len(said) <= 8192}
    assert len(tried) > 100
    assert {said: found for said in tried if (found := await opened(victims, said))} == {}


async def test_nothing_can_be_signed_with_what_is_in_the_dump(victims: Victims) -> None:
    values = list(leaves(victims.dump))
    for private in private_keys(values):
        assert not await taken(victims, private)
    for value in values:
        if isinstance(value, bytes | str) and value:
            secret = value if isinstance(value, bytes) else value.encode()
            assert not await taken(victims, secret.ljust(32, b"\0"), "HS256")


async def test_no_refresh_token_can_be_made_of_the_dump(victims: Victims) -> None:
    """It takes the session's own secret, which is there, and the service's, which is not."""
    values = [value for value in leaves(victims.dump) if isinstance(value, bytes)]
    for row in victims.dump["identity.sessions"]:
        session = Session(**{field.name: row[field.name] for field in fields(Session)})
        for secret in (b"", session.refresh_secret, session.id.bytes, *values):
            assert await opened(victims, session.refresh_token(secret)) == []
    # With the service's secret, it would be that simple.
    (real,) = victims.stack.identity_settings.secret_keys
    newest = max(victims.dump["identity.sessions"], key=lambda row: row["create_time"])
    session = Session(**{field.name: newest[field.name] for field in fields(Session)})
    assert session.refresh_token(real) == victims.refresh_token


async def test_the_reset_that_was_asked_for_was_open_all_along(victims: Victims) -> None:
    """And is used up by now: last, because it ends the sessions that are tried above."""
    assert await opened(victims, victims.reset_token) == ["ResetPassword"]
    assert await opened(victims, victims.reset_token) == []


async def test_what_is_sealed_stays_so(victims: Victims) -> None:
    """Nothing in the dump is the secret key, or what is made of it."""
    sealed = [(PURPOSE, key["kid"], key["sealed_private_key"]) for key in victims.dump["identity.signing_keys"]]
    sealed += [(mail.PURPOSE, str(sent["id"]), sent["sealed_content"]) for sent in victims.dump["identity.mails"]]
    values = {value if isinstance(value, bytes) else str(value).encode() for value in leaves(victims.dump)}
    for purpose, name, content in sealed:
        assert Sealer(victims.stack.identity_settings.secret_keys, purpose).opened(content, name)
        for secret in (b"", *values):
            with pytest.raises(CannotOpen):
                Sealer([secret], purpose).opened(content, name)
            if len(secret) in AES_KEYS:
                with pytest.raises(InvalidTag):
                    AESGCM(secret).decrypt(content[:12], content[12:], name.encode())
