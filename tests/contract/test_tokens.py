"""Access tokens: what is in them, and which are refused. Everything is verified where it is used, without asking."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import KeySet as IndependentKeySet
from joserfc.jwt import decode as independently_decoded

from identity_service.tables import users
from tests.support.doors import Door, Json, RestDoor, refused
from tests.support.people import PASSWORD, Person
from tests.support.sql import change
from tests.support.stack import ISSUER, Stack


def parts(token: str) -> tuple[Json, Json]:
    """Header and claims, unverified."""
    header, claims, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims))


async def published(door: Door) -> list[Json]:
    keys: list[Json] = (await door.call("GetJsonWebKeySet"))["keys"]
    return keys


async def test_a_token_is_what_rfc_9068_says(stack: Stack, ada: Person) -> None:
    header, claims = parts(ada.token)
    assert header["alg"] == "ES256"
    assert header["typ"] == "at+jwt"
    assert claims["iss"] == ISSUER
    assert claims["sub"] == ada.id
    assert set(claims["aud"]) == {"identity", "work"}
    assert claims["exp"] - claims["iat"] == 600
    assert claims["roles"] == ["USER"]
    assert claims["token_version"] == 1
    assert {"jti", "client_id", "sid", "auth_time"} <= set(claims)
    assert ada.email not in json.dumps(claims), "nothing personal"


async def test_an_independent_library_verifies_it_with_the_published_keys(door: Door, ada: Person) -> None:
    keys = await published(door)
    members = {"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}}
    for key in keys:
        assert set(key) == {"kty", "kid", "use", "alg"} | members[key["kty"]], "nothing private, no blanks"
    verified = independently_decoded(ada.token, IndependentKeySet.import_key_set({"keys": keys}), algorithms=["ES256"])
    assert verified.claims["sub"] == ada.id


async def test_no_token_is_refused(door: Door) -> None:
    for rpc, request in (("GetMe", {}), ("GetProject", {"project": "p"})):
        with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
            await door.call(rpc, **request)


async def test_another_scheme_is_no_token(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    response = await door.send("GetMe", headers={"authorization": "Basic YTpi"})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


def forged(token: str, key: Any, algorithm: str, *, header: Json | None = None, **changes: Any) -> str:
    """A token like this one, with changes, signed by somebody else."""
    old_header, claims = parts(token)
    new_claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(new_claims, key, algorithm=algorithm, headers={**old_header, "alg": algorithm, **(header or {})})


def with_header(token: str, **changes: Any) -> str:
    header, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(header + "==")) | changes
    encoded = base64.urlsafe_b64encode(json.dumps(decoded).encode()).rstrip(b"=").decode()
    return f"{encoded}.{claims}.{signature}"


async def test_every_kind_of_bad_token_is_refused(door: Door, ada: Person) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    (key,) = [jwt.PyJWK(jwk).key for jwk in await published(door) if jwk["kid"] == parts(ada.token)[0]["kid"]]
    public_pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, claims, signature = ada.token.split(".")
    _, content = parts(ada.token)
    altered = base64.urlsafe_b64encode(json.dumps(content | {"sub": content["jti"]}).encode()).rstrip(b"=").decode()
    hmac_forgery = with_hmac(ada.token, public_pem)
    bad = {
        "garbage": "garbage",
        "empty parts": "..",
        "altered claims": f"{header}.{altered}.{signature}",
        "altered signature": f"{header}.{claims}.{signature[:-4]}AAAA",
        "no signature": f"{header}.{claims}.",
        "alg none": with_header(ada.token, alg="none").rsplit(".", 1)[0] + ".",
        "alg None": with_header(ada.token, alg="None"),
        "HMAC with our public key": hmac_forgery,
        "another algorithm of the family": with_header(ada.token, alg="ES384"),
        "signed by somebody else": forged(ada.token, stranger, "ES256"),
        "unknown key": forged(ada.token, stranger, "ES256", header={"kid": "made-up"}),
        "no key id": with_header(ada.token, kid=None),
        "wrong typ": with_header(ada.token, typ="JWT"),
        "critical extension": with_header(ada.token, crit=["exp"]),
        "too long": "a" * 9000 + ".b.c",
        "two tokens": f"{ada.token} {ada.token}",
    }
    for kind, token in bad.items():
        for rpc, request in (("GetMe", {}), ("GetProject", {"project": "p"})):
            with refused("UNAUTHENTICATED", "TOKEN_INVALID") as said:
                await door.call(rpc, token=token, **request)
            assert token not in said[0].message, kind


def with_hmac(token: str, secret: bytes) -> str:
    """What a verifier that takes the algorithm from the token would believe."""
    head = with_header(token, alg="HS256").rsplit(".", 1)[0]
    signature = base64.urlsafe_b64encode(hmac.digest(secret, head.encode(), hashlib.sha256)).rstrip(b"=").decode()
    return f"{head}.{signature}"


async def test_a_token_ends_after_ten_minutes_and_a_leeway(stack: Stack, door: Door, ada: Person) -> None:
    stack.clock.advance(minutes=10)
    await ada.call("GetMe")
    stack.clock.advance(seconds=31)
    for rpc, request in (("GetMe", {}), ("GetProject", {"project": "p"})):
        with refused("UNAUTHENTICATED", "TOKEN_EXPIRED") as said:
            await ada.call(rpc, **request)
        if said[0].http is not None:
            assert 'error="invalid_token"' in said[0].http.headers["www-authenticate"]


async def test_a_deleted_user_is_nobody_to_get_me(stack: Stack, ada: Person) -> None:
    gone = users.update().values(delete_time=stack.clock.now()).where(users.c.id == ada.id)
    await change(stack.identity_url, gone)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await ada.call("GetMe")


async def test_a_disabled_user_cannot_sign_in_and_is_told_no_more_than_a_wrong_password(
    stack: Stack, ada: Person
) -> None:
    await change(stack.identity_url, users.update().values(disabled=True).where(users.c.id == ada.id))
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await ada.door.call("Login", email=ada.email, password=PASSWORD)
