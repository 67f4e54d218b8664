"""Tokens that somebody made to be let in with, and key sets that would let them."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis import base64url
from chassis.auth import TokenInvalid, TokenVerifier, VerificationKey, verification_keys

ISSUER = "https://tandem.example"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
HEADER = {"alg": "ES256", "kid": "k1", "typ": "at+jwt"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "01890000-0000-7000-8000-000000000001",
    "sub_type": "user",
    "aud": ["work"],
    "client_id": "tandem",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 600,
    "jti": "j1",
    "sid": "01890000-0000-7000-8000-000000000002",
    "roles": ["ADMIN"],
}


class FixedClock:
    def now(self) -> datetime:
        return NOW


class TwoKeys:
    async def find(self, kid: str) -> VerificationKey | None:
        return {
            "k1": VerificationKey("k1", "ES256", EC_KEY.public_key()),
            "k2": VerificationKey("k2", "RS256", RSA_KEY.public_key()),
        }.get(kid)


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(TwoKeys(), FixedClock(), issuer=ISSUER, audience="work")


def part(value: object) -> str:
    raw = (
        value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    )
    return base64url.encoded(raw)


def signature(content: str, algorithm: str, key: Any) -> str:
    """What the owner of a key would write under it, by whatever algorithm."""
    made = jwt.get_algorithm_by_name(algorithm)
    return base64url.encoded(made.sign(content.encode(), made.prepare_key(key)))


def signed(header: object = HEADER, claims: object = CLAIMS, *, algorithm: str = "ES256", key: Any = EC_KEY) -> str:
    """A token whose signature is right, whatever it says: from here, only what is read can be wrong."""
    content = f"{part(header)}.{part(claims)}"
    return f"{content}.{signature(content, algorithm, key)}"


def header_with(**members: Any) -> dict[str, Any]:
    return HEADER | members


def without(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def text(members: Mapping[str, Any], more: str) -> str:
    """An object with something more behind its last member."""
    return f"{json.dumps(members)[:-1]}, {more}}}"


def hmac_with(secret: bytes, algorithm: str = "HS256") -> str:
    content = f"{part(header_with(alg=algorithm))}.{part(CLAIMS)}"
    return f"{content}.{base64url.encoded(hmac.digest(secret, content.encode(), hashlib.sha256))}"


def unsigned(algorithm: object, mark: str = "") -> str:
    return f"{part(header_with(alg=algorithm))}.{part(CLAIMS)}.{mark}"


def with_loose_bits(token: str) -> str:
    """The same bytes, written with bits in the last character that say nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    assert base64url.decoded(loose.rsplit(".", 1)[1]) == base64url.decoded(token.rsplit(".", 1)[1])
    return loose


def pem() -> bytes:
    return EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der() -> bytes:
    return EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def own_jwk() -> dict[str, Any]:
    described: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)
    return described


GOOD = signed()
HEAD, BODY, MARK = GOOD.split(".")
MACHINE = without(CLAIMS | {"sub_type": "service"}, "sid")


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(GOOD, id="ES256"),
        pytest.param(
            signed(header_with(alg="RS256", kid="k2"), algorithm="RS256", key=RSA_KEY),
            id="RS256",
        ),
        pytest.param(signed(header_with(typ="application/at+jwt")), id="the type in full"),
        pytest.param(signed(' {"typ":"at+jwt",\n"kid":"k1","alg":"ES256"}\t'), id="white space and another order"),
        pytest.param(signed(claims=CLAIMS | {"exp": CLAIMS["exp"] + 0.5}), id="a fraction of a second"),
        pytest.param(signed(claims=CLAIMS | {"name": "Ådå", "of no interest": {"a": [1, None]}}), id="other claims"),
        pytest.param(signed(claims=MACHINE), id="a machine"),
    ],
)
async def test_the_way_in_is_open_to_what_is_right(verifier: TokenVerifier, good: str) -> None:
    await verifier.verify(good)


NONE: list[object] = ["none", "None", "NONE", "nOnE", "noNE", "none ", "", "null", None, False, 0, [], ["none"], {}]
UNSIGNED = [
    pytest.param(unsigned(name, mark), id=f"{name!r} {said}")
    for name in NONE
    for mark, said in (("", "without a signature"), ("AA", "with two letters"), (MARK, "with a signature"))
]
WRONG_ALGORITHM = [
    pytest.param(hmac_with(pem()), id="HS256 with the public key as PEM"),
    pytest.param(hmac_with(pem().strip()), id="HS256 with the public key as PEM without its last line break"),
    pytest.param(hmac_with(der()), id="HS256 with the public key as DER"),
    pytest.param(hmac_with(json.dumps(own_jwk()).encode()), id="HS256 with the public key as JWK"),
    pytest.param(hmac_with(b""), id="HS256 with nothing"),
    pytest.param(hmac_with(pem(), "HS512"), id="HS512"),
    pytest.param(hmac_with(pem(), "ES256"), id="an HMAC that says ES256"),
    pytest.param(signed(header_with(alg="es256")), id="in lower case"),
    pytest.param(signed(header_with(alg="ES256 ")), id="with a blank"),
    pytest.param(signed(header_with(alg="ES384")), id="of the family"),
    pytest.param(signed(header_with(alg="EdDSA")), id="of another family"),
    pytest.param(signed(header_with(alg=["ES256"])), id="as a list"),
    pytest.param(signed(without(HEADER, "alg")), id="missing"),
    pytest.param(signed(header_with(alg="RS256"), algorithm="RS256", key=RSA_KEY), id="another key's"),
    pytest.param(signed(header_with(kid="k2"), algorithm="ES256", key=EC_KEY), id="of a key that serves another"),
    pytest.param(signed(header_with(alg="PS256", kid="k2"), algorithm="PS256", key=RSA_KEY), id="the key could do"),
    pytest.param(signed(header_with(alg="RS512", kid="k2"), algorithm="RS512", key=RSA_KEY), id="the key could do too"),
]
WRONG_KEY_ID = [
    pytest.param(signed(header_with(kid=kid)), id=repr(kid))
    for kid in (
        *("k3", "K1", "k1 ", " k1", "k1\n", "k1\0", "k1\0.pem", "k", "k11", "", "\uff4b1", "k1\u200b", "*", "k1,k2"),
        *("../../../dev/null", "/dev/null", "' OR '1'='1", "k1'; --", "https://evil.example/keys", "${k1}"),
        *(None, 1, True, ["k1"], {"kid": "k1"}),
    )
]
WRONG_HEADER = [
    pytest.param(signed(without(HEADER, "kid")), id="no key"),
    pytest.param(signed(without(HEADER, "typ")), id="no type"),
    *(
        pytest.param(signed(header_with(typ=typ)), id=f"type {typ!r}")
        for typ in ("JWT", "jwt", "AT+JWT", "at+JWT", "at+jwt ", "rt+jwt", "application/jwt", "", None, ["at+jwt"])
    ),
    pytest.param(signed(header_with(jwk=own_jwk())), id="brings a key"),
    pytest.param(signed(header_with(jku="https://evil.example/keys")), id="says where keys are"),
    pytest.param(signed(header_with(x5u="https://evil.example/chain")), id="says where certificates are"),
    pytest.param(signed(header_with(x5c=["MIIB"])), id="brings certificates"),
    pytest.param(signed(header_with(x5t="AAAA")), id="names a certificate"),
    pytest.param(signed(header_with(crit=["exp"])), id="something critical"),
    pytest.param(signed(header_with(crit=[])), id="nothing critical"),
    pytest.param(signed(header_with(b64=False)), id="content as it is"),
    pytest.param(signed(header_with(b64=False, crit=["b64"])), id="content as it is, critically"),
    pytest.param(signed(header_with(cty="JWT")), id="a token in a token"),
    pytest.param(signed(header_with(zip="DEF")), id="packed"),
    pytest.param(signed(header_with(enc="A256GCM", alg="dir")), id="encrypted"),
    pytest.param(signed(text(HEADER, '"alg": "none"')), id="an algorithm twice"),
    pytest.param(signed(text(header_with(alg="none"), '"alg": "ES256"')), id="an algorithm twice, the good one last"),
    pytest.param(signed(text(header_with(kid="k3"), '"kid": "k1"')), id="a key twice"),
    pytest.param(signed(text(HEADER, '"k\\u0069d": "k1"')), id="a key twice, written otherwise"),
    pytest.param(signed([HEADER]), id="a list"),
    pytest.param(signed("at+jwt"), id="no JSON"),
    pytest.param(signed('"ES256"'), id="text"),
    pytest.param(signed("null"), id="null"),
    pytest.param(signed("{}"), id="empty"),
    pytest.param(signed(json.dumps(HEADER) + "{}"), id="two objects"),
    pytest.param(signed(json.dumps(HEADER) + "\0"), id="a zero byte behind it"),
    pytest.param(signed(json.dumps(HEADER).replace('"', "'")), id="single quotes"),
    pytest.param(signed(json.dumps(HEADER)[:-1] + ",}"), id="a comma too much"),
    pytest.param(signed("\ufeff" + json.dumps(HEADER)), id="a byte order mark"),
    pytest.param(signed(json.dumps(HEADER).encode("utf-16-le")), id="UTF-16"),
    pytest.param(signed(json.dumps(HEADER).encode("utf-32-le")), id="UTF-32"),
    pytest.param(signed(b'{"alg":"ES256","kid":"k1\xff","typ":"at+jwt"}'), id="no UTF-8"),
    pytest.param(signed(b'{"alg":"ES256","kid":"\xc1\xab1","typ":"at+jwt"}'), id="longer UTF-8 than needed"),
]
WRONG_CLAIMS = [
    pytest.param(signed(claims=text(CLAIMS, '"sub": "01890000-0000-7000-8000-000000000009"')), id="a subject twice"),
    pytest.param(signed(claims=text(CLAIMS, '"exp": 9999999999')), id="an end twice"),
    pytest.param(signed(claims=text(CLAIMS, '"x": {"a": 1, "a": 2}')), id="twice, deep inside"),
    pytest.param(signed(claims=text(without(CLAIMS, "exp"), '"exp": Infinity')), id="an end that never is"),
    pytest.param(signed(claims=text(without(CLAIMS, "exp"), '"exp": 1e999')), id="an end that is too much"),
    pytest.param(signed(claims=text(without(CLAIMS, "iat"), '"iat": -Infinity')), id="a beginning that never was"),
    pytest.param(signed(claims=text(without(CLAIMS, "exp"), '"exp": NaN')), id="an end that is no number"),
    pytest.param(signed(claims=text(CLAIMS, f'"x": {"9" * 5000}')), id="a number of many digits"),
    pytest.param(signed(claims=text(CLAIMS, f'"x": {"[" * 2500}{"]" * 2500}')), id="too deep"),
    pytest.param(signed(claims=CLAIMS | {"iat": 10**20}), id="a beginning beyond the calendar"),
    pytest.param(signed(claims=CLAIMS | {"nbf": "now"}), id="a time that is no time"),
    pytest.param(signed(claims=CLAIMS | {"nbf": True}), id="a time that is a truth"),
    pytest.param(signed(claims=CLAIMS | {"exp": str(CLAIMS["exp"])}), id="an end in quotes"),
    pytest.param(signed(claims=CLAIMS | {"aud": {"work": True}}), id="an audience that is an object"),
    pytest.param(signed(claims=CLAIMS | {"aud": ["identity", ["work"]]}), id="an audience within"),
    pytest.param(signed(claims=CLAIMS | {"iss": [ISSUER]}), id="issuers"),
    pytest.param(signed(claims=CLAIMS | {"sub": 1}), id="a subject that is a number"),
    pytest.param(signed(claims=[CLAIMS]), id="a list"),
    pytest.param(signed(claims="null"), id="null"),
    pytest.param(signed(claims='"work"'), id="text"),
    pytest.param(signed(claims=GOOD), id="a token"),
    pytest.param(signed(claims=json.dumps(CLAIMS).encode("utf-16")), id="UTF-16"),
]
WRONG_FORM = [
    pytest.param("", id="nothing"),
    pytest.param("..", id="three times nothing"),
    pytest.param(f"{HEAD}.{BODY}", id="two parts"),
    pytest.param(f"{GOOD}.", id="a fourth, empty"),
    pytest.param(f"{HEAD}.{BODY}.{MARK}.{MARK}", id="four parts"),
    pytest.param(f"{HEAD}.{MARK}.{MARK}.{BODY}.{MARK}", id="five parts, as if encrypted"),
    pytest.param(f"{HEAD}..{MARK}", id="content that is elsewhere"),
    pytest.param(f".{BODY}.{MARK}", id="no header"),
    pytest.param(f"{HEAD}.{BODY}.", id="no signature"),
    pytest.param(json.dumps({"protected": HEAD, "payload": BODY, "signature": MARK}), id="as JSON, flattened"),
    pytest.param(
        json.dumps({"payload": BODY, "signatures": [{"protected": HEAD, "signature": MARK}]}), id="as JSON, in general"
    ),
    pytest.param(f"{HEAD}=.{BODY}.{MARK}", id="padding in the header"),
    pytest.param(f"{GOOD}==", id="padding behind"),
    pytest.param(f"{GOOD}\n", id="a line break behind"),
    pytest.param(f"\n{GOOD}", id="a line break before"),
    pytest.param(f"{GOOD} ", id="a blank behind"),
    pytest.param(f"{HEAD}.\r\n {BODY}.{MARK}", id="folded"),
    pytest.param(f"{HEAD}.{BODY}.{MARK}\0", id="a zero byte behind"),
    pytest.param(f"{HEAD}.{BODY}.{MARK}\u00e9", id="a letter of others"),
    pytest.param(GOOD.replace(".", "\uff0e"), id="wide dots"),
    pytest.param(GOOD.replace(MARK[0], chr(ord(MARK[0]) + 0xFEE0)), id="wide letters"),
    pytest.param(f"{HEAD}.{BODY}.{MARK[:-2]}+/", id="the other base64"),
    pytest.param(with_loose_bits(GOOD), id="bits that say nothing"),
    pytest.param(f"{HEAD}A.{BODY}.{MARK}", id="a letter that says nothing"),
    pytest.param(signed(claims=CLAIMS | {"x": "x" * 8192}), id="too long"),
]
MARK_BYTES = base64url.decoded(MARK) or b""
WRONG_SIGNATURE = [
    pytest.param(f"{HEAD}.{BODY}.{part(bytes(64))}", id="of zeros"),
    pytest.param(f"{HEAD}.{BODY}.{part(MARK_BYTES[:32] + bytes(32))}", id="half of zeros"),
    pytest.param(f"{HEAD}.{BODY}.{part(MARK_BYTES[:-1])}", id="a byte short"),
    pytest.param(f"{HEAD}.{BODY}.{part(MARK_BYTES + bytes(1))}", id="a byte long"),
    pytest.param(signed(key=ec.generate_private_key(ec.SECP256R1())), id="by somebody else"),
    pytest.param(f"{HEAD}.{part(CLAIMS | {'roles': ['USER']})}.{MARK}", id="of something else"),
    pytest.param(f"{part(header_with(typ='application/at+jwt'))}.{BODY}.{MARK}", id="under another header"),
]


@pytest.mark.parametrize("hostile", UNSIGNED)
async def test_refuses_a_token_that_nobody_signed(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


@pytest.mark.parametrize("hostile", WRONG_ALGORITHM)
async def test_refuses_an_algorithm_that_is_not_its_keys(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


@pytest.mark.parametrize("hostile", WRONG_KEY_ID)
async def test_refuses_the_name_of_a_key_that_is_none(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


@pytest.mark.parametrize("hostile", WRONG_HEADER)
async def test_refuses_a_header_that_says_too_much_or_too_little(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


@pytest.mark.parametrize("hostile", WRONG_CLAIMS)
async def test_refuses_claims_that_can_be_read_in_two_ways_or_none(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


@pytest.mark.parametrize("hostile", WRONG_FORM)
async def test_refuses_another_form(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


@pytest.mark.parametrize("hostile", WRONG_SIGNATURE)
async def test_refuses_a_signature_of_something_else(verifier: TokenVerifier, hostile: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(hostile)


def jwk(key: Any = EC_KEY, **members: Any) -> dict[str, Any]:
    public = key.public_key()
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(public, rsa.RSAPublicKey) else jwt.algorithms.ECAlgorithm
    described: dict[str, Any] = algorithm.to_jwk(public, as_dict=True)
    name = "RS256" if isinstance(public, rsa.RSAPublicKey) else "ES256"
    return without(described, "key_ops") | {"kid": "k1", "alg": name, "use": "sig"} | members


def private_jwk() -> dict[str, Any]:
    return jwk() | jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY, as_dict=True)


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(jwk(), id="EC"),
        pytest.param(jwk(RSA_KEY), id="RSA"),
        pytest.param(without(jwk(), "use"), id="does not say what it is for"),
        pytest.param(jwk(key_ops=["verify"]), id="verifies"),
    ],
)
def test_takes_the_key(good: dict[str, Any]) -> None:
    assert set(verification_keys([good])) == {"k1"}


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}, id="a secret"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "ES256"}, id="a secret that says ES256"),
        pytest.param(private_jwk(), id="a private key"),
        pytest.param(jwk(use="enc"), id="for encryption"),
        pytest.param(jwk(key_ops=["encrypt"]), id="encrypts"),
        pytest.param(jwk(key_ops=["sign"]), id="signs"),
        pytest.param(jwk(key_ops=[]), id="does nothing"),
        pytest.param(jwk(key_ops=None), id="does not say what it does"),
        pytest.param(jwk(key_ops=1), id="does a number"),
        pytest.param(jwk(x=5), id="a number for a point"),
        pytest.param(jwk(x=None), id="nothing for a point"),
        pytest.param(jwk(alg="none"), id="for none"),
        pytest.param(jwk(alg="RS256"), id="for the other kind of key"),
        pytest.param(jwk(RSA_KEY, alg="ES256"), id="for the other kind of key, the other way round"),
        pytest.param(jwk(RSA_KEY, alg="PS256"), id="for something else that it could do"),
        pytest.param(without(jwk(), "alg"), id="for anything"),
        pytest.param(without(jwk(), "kid"), id="without a name"),
        pytest.param(jwk(kid=1), id="a name that is a number"),
        pytest.param(jwk(rsa.generate_private_key(65537, 1024)), id="RSA, too small"),
        pytest.param(jwk(ec.generate_private_key(ec.SECP384R1())), id="another curve"),
        pytest.param(jwk(ec.generate_private_key(ec.SECP256K1())), id="another curve of the same size"),
        pytest.param(jwk(y=jwk()["x"]), id="a point that is not on the curve"),
        pytest.param(jwk(x="", y=""), id="no point"),
    ],
)
def test_passes_the_key_over(hostile: dict[str, Any]) -> None:
    other = jwk(kid="other")
    assert set(verification_keys([hostile, other])) == {"other"}


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(jwk, id="the same key"),
        pytest.param(lambda: jwk(RSA_KEY), id="another kind"),
        pytest.param(lambda: jwk(use="enc"), id="that is for something else"),
        pytest.param(lambda: {"kid": "k1"}, id="that is none"),
    ],
)
def test_a_name_that_two_keys_have_is_nobodys(second: Callable[[], dict[str, Any]]) -> None:
    assert set(verification_keys([jwk(), jwk(kid="other"), second()])) == {"other"}
