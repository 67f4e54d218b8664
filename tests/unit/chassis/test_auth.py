"""The token verifier and its keys, with tokens signed by a key that is right."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4  # noqa: TID251 - any id does

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chassis.auth import (
    KeysUnavailable,
    PublishedKeys,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TokenVerifier,
    VerificationKey,
    bearer,
    verification_keys,
)
from chassis.revocations import Revocations

ISSUER = "https://tandem.example"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


class FixedClock:
    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class OneKey:
    """Knows one key."""

    def __init__(self) -> None:
        self.known: dict[str, VerificationKey] = {"k1": VerificationKey("k1", "ES256", KEY.public_key())}

    async def find(self, kid: str) -> VerificationKey | None:
        return self.known.get(kid)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def verifier(clock: FixedClock) -> TokenVerifier:
    return TokenVerifier(OneKey(), clock, issuer=ISSUER, audience="work")


def token(
    clock: FixedClock,
    *,
    header: Mapping[str, Any] | None = None,
    key: Any = KEY,
    algorithm: str = "ES256",
    **changes: Any,
) -> str:
    now = int(clock.now().timestamp())
    claims = {
        "iss": ISSUER,
        "sub": str(uuid4()),
        "sub_type": "user",
        "aud": ["identity", "work"],
        "client_id": "tandem",
        "iat": now,
        "exp": now + 600,
        "jti": "1",
        "sid": str(uuid4()),
        "roles": ["USER"],
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "k1", "typ": "at+jwt"} | dict(header or {}))


async def test_takes_a_good_token(verifier: TokenVerifier, clock: FixedClock) -> None:
    principal = await verifier.verify(token(clock))
    assert principal.roles == {"USER"}
    assert principal.expires_at == clock.now() + timedelta(minutes=10)
    assert not principal.is_machine
    assert principal.scopes == set()


async def test_a_machine_is_known_by_what_its_token_says_and_has_scopes(
    verifier: TokenVerifier, clock: FixedClock
) -> None:
    machine: dict[str, Any] = {"sub_type": "service", "client_id": "work", "sid": None, "roles": None}
    principal = await verifier.verify(token(clock, **machine, scope="work.read work.write"))
    assert principal.is_machine
    assert principal.scopes == {"work.read", "work.write"}
    assert principal.session is None
    assert (await verifier.verify(token(clock, **machine))).scopes == set()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "identity"}, id="meant for another service"),
        pytest.param({"aud": None}, id="meant for nobody"),
        pytest.param({"iss": "https://tandem.example.evil.com"}, id="an issuer that begins like ours"),
        pytest.param({"iss": "https://tandem"}, id="an issuer that ours begins with"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"sub": None}, id="nobody"),
        pytest.param({"sub": "ada"}, id="not an id"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"exp": "tomorrow"}, id="an end that is no time"),
        pytest.param({"exp": 10**20}, id="an end beyond the calendar"),
        pytest.param({"iat": None}, id="since ever"),
        pytest.param({"jti": None}, id="without a name"),
        pytest.param({"client_id": None}, id="without a client"),
        pytest.param({"sid": "none"}, id="a session that is none"),
        pytest.param({"roles": "ADMIN"}, id="roles that are no list"),
        pytest.param({"sub_type": None}, id="nobody knows what"),
        pytest.param({"sub_type": "SERVICE"}, id="something else"),
        pytest.param({"sid": None}, id="a person without a session"),
        pytest.param({"sub_type": "service"}, id="a machine with a session"),
        pytest.param({"scope": ["work.read"]}, id="scopes that are no text"),
        pytest.param({"token_version": "2"}, id="a version that is no number"),
        pytest.param({"token_version": True}, id="a version that is a truth"),
        pytest.param({"token_version": -1}, id="a version below all"),
        pytest.param({"header": {"typ": "JWT"}}, id="another kind of token"),
        pytest.param({"header": {"typ": "rt+jwt"}}, id="yet another kind"),
        pytest.param({"header": {"kid": "k2"}}, id="an unknown key"),
        pytest.param({"key": OTHER}, id="signed by somebody else"),
        pytest.param({"key": "s" * 32, "algorithm": "HS256"}, id="an HMAC"),
    ],
)
async def test_refuses(verifier: TokenVerifier, clock: FixedClock, changes: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(token(clock, **changes))


async def test_a_key_serves_the_algorithm_that_it_was_published_for(clock: FixedClock) -> None:
    key = rsa.generate_private_key(65537, 2048)
    source = OneKey()
    source.known["k1"] = VerificationKey("k1", "RS256", key.public_key())
    verifier = TokenVerifier(source, clock, issuer=ISSUER, audience="work")
    await verifier.verify(token(clock, key=key, algorithm="RS256"))
    for other in ("PS256", "RS512"):
        with pytest.raises(TokenInvalid):
            await verifier.verify(token(clock, key=key, algorithm=other))


async def test_clocks_may_differ_a_little(verifier: TokenVerifier, clock: FixedClock) -> None:
    now = int(clock.now().timestamp())
    await verifier.verify(token(clock, iat=now + 29))
    with pytest.raises(TokenInvalid):
        await verifier.verify(token(clock, iat=now + 31))
    with pytest.raises(TokenInvalid):
        await verifier.verify(token(clock, nbf=now + 31))
    await verifier.verify(token(clock, exp=now - 29))
    with pytest.raises(TokenExpired):
        await verifier.verify(token(clock, exp=now - 30))


async def test_a_token_that_was_verified_before_still_ends(verifier: TokenVerifier, clock: FixedClock) -> None:
    known = token(clock)
    assert await verifier.verify(known) == await verifier.verify(known)
    clock.time += timedelta(minutes=11)
    with pytest.raises(TokenExpired):
        await verifier.verify(known)


async def test_a_token_that_was_verified_before_ends_with_its_key(clock: FixedClock) -> None:
    source = OneKey()
    verifier = TokenVerifier(source, clock, issuer=ISSUER, audience="work")
    known = token(clock)
    await verifier.verify(known)
    source.known.clear()
    with pytest.raises(TokenInvalid):
        await verifier.verify(known)


async def test_a_revoked_token_is_refused_although_it_was_verified_before(clock: FixedClock) -> None:
    revocations = Revocations(clock)
    verifier = TokenVerifier(OneKey(), clock, issuer=ISSUER, audience="work", revocations=revocations)
    subject, until = UUID(int=1), clock.now() + timedelta(minutes=11)
    of_before, old, new = (token(clock, sub=str(subject), token_version=version) for version in (None, 1, 2))
    assert [(await verifier.verify(each)).token_version for each in (of_before, old, new)] == [0, 1, 2]
    revocations.tokens_invalidated(subject, 2, until)
    for each in (of_before, old, token(clock, sub=str(subject), token_version=1)):
        with pytest.raises(TokenRevoked):
            await verifier.verify(each)
    await verifier.verify(new)
    revocations.key_revoked("k1", until)
    with pytest.raises(TokenRevoked):
        await verifier.verify(new)


async def test_a_revoked_token_that_has_expired_has_expired(clock: FixedClock) -> None:
    revocations = Revocations(clock)
    verifier = TokenVerifier(OneKey(), clock, issuer=ISSUER, audience="work", revocations=revocations)
    known = token(clock)
    revocations.key_revoked("k1", clock.now() + timedelta(hours=1))
    clock.time += timedelta(minutes=11)
    with pytest.raises(TokenExpired):
        await verifier.verify(known)


async def test_a_signature_is_looked_at_again_after_a_minute(clock: FixedClock) -> None:
    source = OneKey()
    verifier = TokenVerifier(source, clock, issuer=ISSUER, audience="work")
    known = token(clock)
    await verifier.verify(known)
    source.known["k1"] = VerificationKey("k1", "ES256", OTHER.public_key())
    clock.time += timedelta(seconds=59)
    await verifier.verify(known)
    clock.time += timedelta(seconds=1)
    with pytest.raises(TokenInvalid):
        await verifier.verify(known)


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_what_is_no_bearer_token_is_none(value: str | None) -> None:
    with pytest.raises(TokenMissing):
        bearer({} if value is None else {"authorization": value})


def test_the_scheme_is_read_whatever_its_case() -> None:
    assert bearer({"authorization": "bearer abc"}) == "abc"


def jwk(kid: str, key: Any = KEY) -> dict[str, Any]:
    described: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return described | {"kid": kid, "alg": "ES256", "use": "sig"}


def test_keys_that_cannot_verify_are_passed_over() -> None:
    keys = [
        jwk("good"),
        jwk("for encryption") | {"use": "enc"},
        jwk("unknown algorithm") | {"alg": "ES512"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "symmetric", "use": "sig"},
        {"kty": "EC", "kid": "broken", "alg": "ES256", "use": "sig"},
    ]
    assert set(verification_keys(keys)) == {"good"}


class Issuer:
    """Publishes keys, counts who asks, and can be down."""

    def __init__(self) -> None:
        self.keys = [jwk("k1")]
        self.asked = 0
        self.down = False

    async def fetch(self) -> Iterable[Mapping[str, Any]]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionError
        return self.keys


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def keys(issuer: Issuer, clock: FixedClock) -> PublishedKeys:
    return PublishedKeys(issuer.fetch, clock)


async def test_many_who_ask_at_once_are_answered_by_one_fetch(issuer: Issuer, keys: PublishedKeys) -> None:
    found = await asyncio.gather(*(keys.find("k1") for _ in range(20)))
    assert all(found)
    assert issuer.asked == 1


async def test_unknown_names_cost_one_fetch_per_cooldown(
    issuer: Issuer, keys: PublishedKeys, clock: FixedClock
) -> None:
    await keys.find("k1")
    for number in range(100):
        assert await keys.find(f"made-up-{number}") is None
    assert issuer.asked == 1
    clock.time += timedelta(seconds=31)
    issuer.keys.append(jwk("k2", OTHER))
    assert await keys.find("k2") is not None
    assert issuer.asked == 2


async def test_old_keys_are_fetched_again_behind_the_back_of_who_asks(
    issuer: Issuer, keys: PublishedKeys, clock: FixedClock
) -> None:
    await keys.find("k1")
    issuer.keys = [jwk("k2", OTHER)]
    clock.time += timedelta(minutes=5)
    assert await keys.find("k1") is not None
    for _ in range(5):
        await asyncio.sleep(0)
    assert await keys.find("k2") is not None
    assert await keys.find("k1") is None
    assert issuer.asked == 2


async def test_keys_are_kept_for_an_hour_while_the_issuer_is_down(
    issuer: Issuer, keys: PublishedKeys, clock: FixedClock
) -> None:
    await keys.find("k1")
    issuer.down = True
    clock.time += timedelta(minutes=59)
    assert await keys.find("k1") is not None
    await asyncio.sleep(0)
    with pytest.raises(KeysUnavailable):
        await keys.find("new")
    clock.time += timedelta(minutes=2)
    with pytest.raises(KeysUnavailable):
        await keys.find("k1")
    issuer.down = False
    clock.time += timedelta(seconds=2)
    assert await keys.find("k1") is not None


async def test_a_clock_that_is_set_back_keeps_no_keys_for_longer(
    issuer: Issuer, keys: PublishedKeys, clock: FixedClock
) -> None:
    await keys.find("k1")
    issuer.keys = [jwk("k2", OTHER)]
    clock.time -= timedelta(hours=1)
    assert await keys.find("k1") is not None, "fetched again behind the back of who asks"
    for _ in range(5):
        await asyncio.sleep(0)
    assert await keys.find("k1") is None
    assert await keys.find("k2") is not None
    assert issuer.asked == 2


async def test_a_clock_that_is_set_back_while_the_issuer_is_down_keeps_them_for_an_hour(
    issuer: Issuer, keys: PublishedKeys, clock: FixedClock
) -> None:
    await keys.find("k1")
    issuer.down = True
    clock.time -= timedelta(days=1)
    assert await keys.find("k1") is not None
    await asyncio.sleep(0)
    clock.time += timedelta(minutes=61)
    with pytest.raises(KeysUnavailable):
        await keys.find("k1")


async def test_an_issuer_that_publishes_nothing_is_not_believed(
    issuer: Issuer, keys: PublishedKeys, clock: FixedClock
) -> None:
    await keys.find("k1")
    issuer.keys = []
    clock.time += timedelta(minutes=5)
    assert await keys.find("k1") is not None
    await asyncio.sleep(0)
    assert await keys.find("k1") is not None
