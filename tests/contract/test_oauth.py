"""Machines and the RFCs: what stock clients and verifiers see of us, and what nobody gets away with."""

import asyncio
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped] # it has no types
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # type: ignore[import-untyped] # the same
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, RSAKey
from joserfc.jwk import KeySet as IndependentKeySet
from joserfc.jwt import JWTClaimsRegistry
from joserfc.jwt import decode as independently_decoded
from sqlalchemy import insert, select, update

from chassis.ids import new_id
from identity_service.oauth.domain import JWT_BEARER
from identity_service.tables import audit_events, service_account_public_keys, service_accounts
from tests.contract.test_service_accounts import AUDIENCES, SCOPES, new_name, robot
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, Json, Refused, RestDoor, refused
from tests.support.machines import new_client_secret
from tests.support.people import Person
from tests.support.sql import change, rows
from tests.support.stack import ISSUER, Stack, running_stack

REVOKED_WITHIN_S = 2  # what is promised; looked for again and again, never slept for
NO_NAMES: Sequence[Any] = ("a\0", "\ud800", "", "x" * 2000, 5, ["a"], {})
TOKEN_ENDPOINT = f"{ISSUER}/oauth2/token"


@dataclass(frozen=True)
class Robot:
    """A service account with a key of its own."""

    name: str
    private: Any
    algorithm: str
    kid: str

    def assertion(self, stack: Stack, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        now = int(stack.clock.now().timestamp())
        said = {"iss": self.name, "sub": self.name, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": str(new_id())}
        said = {name: value for name, value in (said | claims).items() if value is not None}
        content, names = json.dumps(said).encode(), {"kid": self.kid} | dict(header or {})
        return jwt.api_jws.encode(content, self.private, algorithm=self.algorithm, headers=names)


def public_jwk(private: Any) -> tuple[dict[str, Any], str]:
    """The public half, and its thumbprint."""
    key = ECKey if isinstance(private, ec.EllipticCurvePrivateKey) else RSAKey
    found = key.import_key(private.public_key())
    algorithm = "ES256" if key is ECKey else "RS256"
    kid = found.thumbprint()
    return {**found.as_dict(private=False), "kid": kid, "alg": algorithm, "use": "sig"}, kid


async def with_key(stack: Stack, private: Any, **more: Any) -> Robot:
    name, _ = await robot(stack, **more)
    jwk, kid = public_jwk(private)
    (account,) = await rows(stack.identity_url, select(service_accounts).where(service_accounts.c.name == name))
    await change(
        stack.identity_url,
        insert(service_account_public_keys).values(
            id=new_id(), service_account_id=account.id, kid=kid, public_jwk=jwk, create_time=stack.clock.now()
        ),
    )
    return Robot(name, private, jwk["alg"], kid)


async def asked(door: Door, assertion: str, **more: str) -> Json:
    return await door.call(
        "IssueToken",
        grant_type="client_credentials",
        client_assertion_type=JWT_BEARER,
        client_assertion=assertion,
        **more,
    )


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


async def until_inactive(door: Door, name: str, secret: str, token: str) -> None:
    async with asyncio.timeout(REVOKED_WITHIN_S * 5):
        while (await looked_at(door, name, secret, token))["active"]:
            await asyncio.sleep(0.05)


async def looked_at(door: Door, name: str, secret: str, token: str) -> Json:
    return await door.call("IntrospectToken", client_id=name, client_secret=secret, token_=token)


@pytest.mark.parametrize("kind", ["ec_key", "rsa_key"])
async def test_a_client_may_sign_instead_of_showing_a_secret(
    stack: Stack, door: Door, kind: str, request: pytest.FixtureRequest
) -> None:
    machine = await with_key(stack, request.getfixturevalue(kind))
    for audience in (ISSUER, TOKEN_ENDPOINT, ["elsewhere", TOKEN_ENDPOINT]):
        answer = await asked(door, machine.assertion(stack, aud=audience))
        assert parts(answer["access_token"])[1]["client_id"] == machine.name
    await asked(door, machine.assertion(stack), client_id=machine.name)


async def test_an_assertion_works_once(stack: Stack, door: Door, ec_key: Any) -> None:
    machine = await with_key(stack, ec_key)
    assertion = machine.assertion(stack)
    outcomes = await asyncio.gather(*(asked(door, assertion) for _ in range(5)), return_exceptions=True)
    assert len([outcome for outcome in outcomes if isinstance(outcome, dict)]) == 1
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await asked(door, assertion)


def in_base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_what_is_no_assertion_of_today_gets_one_answer(
    stack: Stack, door: Door, ec_key: Any, rsa_key: Any
) -> None:
    machine = await with_key(stack, ec_key)
    now = int(stack.clock.now().timestamp())
    other = Robot(machine.name, ec.generate_private_key(ec.SECP256R1()), "ES256", machine.kid)
    wrong_kind = Robot(machine.name, rsa_key, "RS256", machine.kid)
    with_secret = jwt.encode(
        {"iss": machine.name, "sub": machine.name, "aud": ISSUER, "exp": now + 60, "jti": "x"}, "s" * 32, "HS256"
    )
    disabled = await with_key(stack, ec.generate_private_key(ec.SECP256R1()))
    await change(
        stack.identity_url,
        update(service_accounts).values(disabled=True).where(service_accounts.c.name == disabled.name),
    )
    said = set()
    for assertion in (
        machine.assertion(stack, exp=now - 60),
        machine.assertion(stack, exp=now + 7200),
        machine.assertion(stack, iat=now + 600, exp=now + 900),
        machine.assertion(stack, nbf=now + 600, exp=now + 900),
        machine.assertion(stack, exp=None),
        machine.assertion(stack, exp=1e400),
        machine.assertion(stack, jti=None),
        machine.assertion(stack, jti=""),
        machine.assertion(stack, jti="x" * 257),
        machine.assertion(stack, aud="elsewhere"),
        machine.assertion(stack, aud=ISSUER + "/"),
        machine.assertion(stack, aud=None),
        machine.assertion(stack, sub="somebody"),
        machine.assertion(stack, iss=new_name(), sub=None),
        *(machine.assertion(stack, iss=bad, sub=bad) for bad in NO_NAMES),
        machine.assertion(stack, aud={"elsewhere": 5}),
        machine.assertion(stack, aud=[5, None]),
        machine.assertion(stack, jti="\ud800"),
        machine.assertion(stack, exp="soon"),
        machine.assertion(stack, exp=True),
        machine.assertion(stack, iat=float("nan")),
        f"{in_base64(b'[' * 2000)}.{in_base64(b'{}')}.AAAA",
        f"{in_base64(b'{}')}.{in_base64(b'[' * 4000)}.AAAA",
        other.assertion(stack),
        wrong_kind.assertion(stack),
        disabled.assertion(stack),
        with_secret,
        jwt.encode({"iss": machine.name, "sub": machine.name}, "", "none"),
        "junk",
    ):
        with refused("UNAUTHENTICATED", "INVALID_CLIENT") as refusal:
            await asked(door, assertion)
        said.add((refusal[0].message, str(refusal[0].metadata)))
    assert len(said) == 1


async def test_an_assertion_names_its_client(stack: Stack, door: Door, ec_key: Any) -> None:
    machine = await with_key(stack, ec_key)
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST", field="client_id"):
        await asked(door, machine.assertion(stack), client_id="somebody")
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST", field="client_assertion"):
        await asked(door, machine.assertion(stack), client_secret=new_client_secret())


async def test_a_key_that_was_revoked_or_has_expired_signs_nothing(stack: Stack, door: Door, ec_key: Any) -> None:
    for column in ("revoke_time", "expire_time"):
        machine = await with_key(stack, ec.generate_private_key(ec.SECP256R1()))
        await asked(door, machine.assertion(stack))
        await change(
            stack.identity_url,
            update(service_account_public_keys)
            .values({column: stack.clock.now() - timedelta(seconds=1)})
            .where(service_account_public_keys.c.kid == machine.kid),
        )
        with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
            await asked(door, machine.assertion(stack))


async def test_a_token_may_be_meant_for_one_audience_only(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    request = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
    answer = await door.call("IssueToken", **request, audience="work")
    assert parts(answer["access_token"])[1]["aud"] == ["work"]
    with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
        await stack.doors["grpc"].call("LookupProfile", token=answer["access_token"], username="nobody")
    with refused("INVALID_ARGUMENT", "INVALID_REQUEST", field="audience"):
        await door.call("IssueToken", **request, audience="elsewhere")


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", "nonsense"])
async def test_there_is_one_grant(stack: Stack, door: Door, grant: str) -> None:
    name, secret = await robot(stack)
    with refused("INVALID_ARGUMENT", "UNSUPPORTED_GRANT_TYPE", field="grant_type"):
        await door.call("IssueToken", grant_type=grant, client_id=name, client_secret=secret)


async def test_a_sign_in_that_fails_is_remembered(stack: Stack, door: Door) -> None:
    name, _ = await robot(stack)
    with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
        await door.call(
            "IssueToken", grant_type="client_credentials", client_id=name, client_secret=new_client_secret()
        )
    (account,) = await rows(stack.identity_url, select(service_accounts).where(service_accounts.c.name == name))
    this = (audit_events.c.target_id == str(account.id), audit_events.c.outcome == "REFUSED")
    (event,) = await rows(stack.identity_url, select(audit_events).where(*this))
    assert (event.action, event.reason) == ("service_account.signed_in", "INVALID_CLIENT")


@pytest.mark.parametrize("through", ["grpc", "rest"])
async def test_those_who_cannot_sign_in_wait_and_those_who_can_do_not(databases: Databases, through: str) -> None:
    """So that nobody fills what is remembered for ever."""
    async with running_stack(databases, identity_settings={"refused_clients_per_five_minutes": 3}) as stack:
        door, (name, secret) = stack.doors[through], await robot(stack)

        async def attempt(client_secret: str) -> Json:
            return await door.call(
                "IssueToken", grant_type="client_credentials", client_id=name, client_secret=client_secret
            )

        for _ in range(3):
            with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
                await attempt(new_client_secret())
        with refused("RESOURCE_EXHAUSTED"):
            await attempt(new_client_secret())
        assert len(await rows(stack.identity_url, select(audit_events).where(audit_events.c.outcome == "REFUSED"))) == 3
        await attempt(secret)
        stack.clock.advance(minutes=2)
        with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
            await attempt(new_client_secret())


async def test_introspection_says_what_a_good_token_says(stack: Stack, door: Door, ada: Person) -> None:
    name, secret = await robot(stack)
    tokens = await door.call(
        "IssueToken", grant_type="client_credentials", client_id=name, client_secret=secret, scope="work.read"
    )
    _, claims = parts(tokens["access_token"])
    said = await looked_at(door, name, secret, tokens["access_token"])
    assert said == {
        "active": True,
        "token_type": "Bearer",
        **{key: claims[key] for key in ("scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti", "sub_type")},
    }
    said = await looked_at(door, name, secret, ada.token)
    _, claims = parts(ada.token)
    assert said == {
        "active": True,
        "token_type": "Bearer",
        **{key: claims[key] for key in ("client_id", "exp", "iat", "sub", "aud", "iss", "jti", "sub_type", "sid")},
    }


async def test_of_a_token_that_is_not_good_nothing_is_said(stack: Stack, door: Door, ada: Person) -> None:
    name, secret = await robot(stack)
    narrow, narrow_secret = await robot(stack, audiences=["identity"])
    for_work = await door.call(
        "IssueToken", grant_type="client_credentials", client_id=name, client_secret=secret, audience="work"
    )
    assert (await looked_at(door, narrow, narrow_secret, for_work["access_token"])) == {"active": False}
    tokens = await door.call("Login", email=ada.email, password="correct horse battery staple")
    for token in ("junk", tokens["refreshToken"], ada.token[:-4] + "AAAA"):
        assert await looked_at(door, name, secret, token) == {"active": False}
    if isinstance(door, RestDoor):
        response = await door.send("IntrospectToken", client_id=name, client_secret=secret, token_="junk")
        assert response.content == b'{"active":false}'
        assert response.headers["cache-control"] == "no-store"
    await ada.call("Logout")
    await until_inactive(door, name, secret, ada.token)


async def test_a_token_is_not_active_beyond_its_end(stack: Stack, door: Door, ada: Person) -> None:
    """Others allow for clocks that differ; here the clock is the issuer's."""
    name, secret = await robot(stack)
    stack.clock.advance(minutes=10, seconds=1)
    assert await looked_at(door, name, secret, ada.token) == {"active": False}
    assert (await ada.call("GetMe"))["id"] == ada.id


async def test_introspection_is_for_clients(stack: Stack, door: Door, ada: Person) -> None:
    name, _ = await robot(stack)
    for secret in ("", new_client_secret()):
        with refused("UNAUTHENTICATED", "INVALID_CLIENT"):
            await looked_at(door, name, secret, ada.token)


async def test_introspection_costs_two_statements(stack: Stack, door: Door, ada: Person) -> None:
    name, secret = await robot(stack)
    await looked_at(door, name, secret, ada.token)
    stack.clear()
    await looked_at(door, name, secret, ada.token)
    assert [statement.split()[0] for statement in stack.identity.statements] == ["SELECT", "SELECT"]


async def test_a_client_revokes_its_own_token(stack: Stack, door: Door) -> None:
    name, secret = await robot(stack)
    request = {"client_id": name, "client_secret": secret}
    tokens = [await door.call("IssueToken", grant_type="client_credentials", **request) for _ in range(2)]
    one, other = (token["access_token"] for token in tokens)
    await door.call("RevokeToken", **request, token_=one, token_type_hint="access_token")
    await until_inactive(door, name, secret, one)
    async with asyncio.timeout(REVOKED_WITHIN_S * 5):
        while await reason_for(stack, one) != "TOKEN_REVOKED":
            await asyncio.sleep(0.05)
    assert await reason_for(stack, other) == "USER_NOT_FOUND"
    (account,) = await rows(stack.identity_url, select(service_accounts).where(service_accounts.c.name == name))
    (event,) = await rows(
        stack.identity_url,
        select(audit_events).where(audit_events.c.actor_id == account.id, audit_events.c.action == "token.revoked"),
    )
    assert (event.actor_type, event.target_id) == ("service", str(account.id))
    assert (await looked_at(door, name, secret, other))["active"]
    await door.call("RevokeToken", **request, token_=one)
    await door.call("RevokeToken", **request, token_="junk")


async def reason_for(stack: Stack, token: str) -> str:
    """Why somebody who holds this token does not learn about nobody."""
    with pytest.raises(Refused) as refusal:
        await stack.doors["grpc"].call("LookupProfile", token=token, username="nobody")
    return refusal.value.reason


async def test_a_client_revokes_nobody_elses_token(stack: Stack, door: Door, ada: Person) -> None:
    name, secret = await robot(stack)
    with refused("INVALID_ARGUMENT", "UNAUTHORIZED_CLIENT", field="token"):
        await door.call("RevokeToken", client_id=name, client_secret=secret, token_=ada.token)
    assert (await looked_at(door, name, secret, ada.token))["active"]


# -- as stock software sees it, over REST


@pytest.fixture
def api(stack: Stack) -> str:
    return f"http://{stack.gateway_address}"


async def test_a_stock_client_signs_in_by_every_method(stack: Stack, api: str, rsa_key: Any) -> None:
    name, secret = await robot(stack)
    signing = await with_key(stack, rsa_key)

    def by_secret(method: str) -> Json:
        with OAuth2Session(name, secret, token_endpoint_auth_method=method, scope="work.read") as session:
            found: Json = session.fetch_token(f"{api}/oauth2/token", grant_type="client_credentials")
            looked_at = session.introspect_token(f"{api}/oauth2/introspect", token=found["access_token"])
            assert looked_at.json()["active"] is True
            revoked = session.revoke_token(f"{api}/oauth2/revoke", token=found["access_token"])
            assert revoked.status_code == 200
            return found

    def by_key() -> Json:
        with OAuth2Session(
            signing.name, RSAKey.import_key(signing.private), token_endpoint_auth_method="private_key_jwt"
        ) as session:
            session.register_client_auth_method(PrivateKeyJWT(TOKEN_ENDPOINT))
            found: Json = session.fetch_token(f"{api}/oauth2/token", grant_type="client_credentials")
            return found

    for method in ("client_secret_basic", "client_secret_post"):
        assert (await asyncio.to_thread(by_secret, method))["scope"] == "work.read"
    assert (await asyncio.to_thread(by_key))["token_type"] == "Bearer"


async def test_a_stock_verifier_finds_everything_by_the_metadata(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    metadata = (await door.client.get("/.well-known/oauth-authorization-server")).json()
    assert metadata == {
        "issuer": ISSUER,
        "token_endpoint": TOKEN_ENDPOINT,
        "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
        "scopes_supported": ["identity.admin", "identity.mail", "identity.read", "work.read", "work.write"],
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "introspection_endpoint": f"{ISSUER}/oauth2/introspect",
        "revocation_endpoint": f"{ISSUER}/oauth2/revoke",
        **{
            f"{endpoint}_endpoint_auth_{what}_supported": values
            for endpoint in ("token", "introspection", "revocation")
            for what, values in (
                ("methods", ["client_secret_basic", "client_secret_post", "private_key_jwt"]),
                ("signing_alg_values", ["ES256", "RS256"]),
            )
        },
    }
    name, secret = await robot(stack)
    token = (await door.call("IssueToken", grant_type="client_credentials", client_id=name, client_secret=secret))[
        "access_token"
    ]
    keys = (await door.client.get(metadata["jwks_uri"].removeprefix(ISSUER))).json()
    decoded = independently_decoded(token, IndependentKeySet.import_key_set(keys), algorithms=["ES256"])
    now = int(stack.clock.now().timestamp())
    JWTClaimsRegistry(
        now=lambda: now,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "values": ["work"]},
        exp={"essential": True},
    ).validate(decoded.claims)


async def test_the_key_set_is_cached_and_asked_for_again_by_its_tag(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    for path in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
        first = await door.client.get(path)
        assert first.headers["cache-control"] == "public, max-age=300, must-revalidate"
        again = await door.client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        other = await door.client.get(path, headers={"if-none-match": '"other"'})
        assert other.status_code == 200


def basic(name: str, secret: str) -> str:
    return f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password", "username": "ada", "password": "x"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "nonsense"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "client_assertion_type": "x"}, 400, "invalid_request"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, 400, "invalid_request"),
    ],
)
async def test_errors_are_those_of_rfc_6749(stack: Stack, form: dict[str, Any], status: int, error: str) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    name, secret = await robot(stack)
    response = await door.client.post("/oauth2/token", data=form, headers={"authorization": basic(name, secret)})
    assert response.status_code == status, response.text
    assert response.json()["error"] == error
    assert set(response.json()) == {"error", "error_description"}
    assert response.headers["cache-control"] == "no-store"
    assert secret not in response.text


async def test_a_client_that_is_not_known_is_asked_to_say_who_it_is(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    form = {"grant_type": "client_credentials"}
    for headers in ({}, {"authorization": basic("nobody", "wrong")}):
        response = await door.client.post("/oauth2/token", data=form, headers=headers)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
        assert response.headers["www-authenticate"].startswith("Basic")


async def test_what_is_not_known_is_ignored_and_an_answer_is_not_kept(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    name, secret = await robot(stack)
    form = {"grant_type": "client_credentials", "resource": "https://example.com", "foo": "bar"}
    response = await door.client.post("/oauth2/token", data=form, headers={"authorization": basic(name, secret)})
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    assert set(response.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert response.json()["scope"] == " ".join(SCOPES)
    assert parts(response.json()["access_token"])[1]["aud"] == list(AUDIENCES)
