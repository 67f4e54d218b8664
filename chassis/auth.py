"""Who is calling: access tokens (RFC 9068) verified here, without asking anyone.

A token names its key; keys come from a `KeySource`. What a token says is trusted only when its signature, type, issuer,
audience and time are all right. This module issues nothing and knows no user.
"""

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chassis.clock import Clock
from chassis.compact_jws import CompactJws
from chassis.errors import Unauthenticated, Unavailable

log = structlog.get_logger()

ALGORITHMS = ("ES256", "RS256")
LEEWAY = timedelta(seconds=30)  # clocks differ; RFC 7519 allows no more than a few minutes
EXPIRED_FOR_ALL = 2 * LEEWAY  # after its end, a token is taken nowhere: not by a clock that is behind one that is ahead
KEY_SET_LIFETIME = timedelta(minutes=4)  # under the five that issuers commonly allow for caching
KEY_SET_TRUSTED_FOR = timedelta(hours=1)  # while the issuer cannot be reached
CACHED_TOKENS = 10_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_CACHED_FOR = timedelta(minutes=1)  # what is wrong with this cache is wrong for no longer
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_SMALLEST_RSA_BITS = 2048
_REQUIRED = ("iss", "sub", "sub_type", "aud", "exp", "iat", "jti", "client_id")


class SubjectType(StrEnum):
    """What kind of caller a token speaks of: the `sub_type` claim, so that nobody has to guess it from the others."""

    USER = "user"
    """A person, in a session of theirs."""
    SERVICE = "service"
    """A machine: a service account, by client credentials. It may do what its scopes say, and has no session."""


class TokenMissing(Unauthenticated):
    """This needs an access token."""

    reason = "TOKEN_MISSING"


class TokenInvalid(Unauthenticated):
    """This access token is not valid."""

    reason = "TOKEN_INVALID"


class KeyGone(TokenInvalid):
    """This is signed with a key that is not published, or no more."""


class TokenExpired(Unauthenticated):
    """This access token has expired."""

    reason = "TOKEN_EXPIRED"


class TokenRevoked(Unauthenticated):
    """This access token was revoked."""

    reason = "TOKEN_REVOKED"


class KeysUnavailable(Unavailable):
    """The keys that verify access tokens cannot be fetched."""

    reason = "KEYS_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified."""

    subject: UUID
    """The user or service account: the `sub` claim."""
    client_id: str
    session: UUID | None
    """The session that the token belongs to: the `sid` claim. None for machines."""
    roles: frozenset[str]
    token_id: str
    expires_at: datetime
    subject_type: SubjectType = SubjectType.USER
    scopes: frozenset[str] = frozenset()
    """What a machine's token is good for: the `scope` claim. People are not limited by it."""
    token_version: int = 0
    """Which of its subject's tokens this is: all those below some version can be invalidated at once."""

    @property
    def is_machine(self) -> bool:
        """Whether this is a service account."""
        return self.subject_type is SubjectType.SERVICE


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and the one algorithm that it may verify."""

    kid: str
    algorithm: str
    key: Any
    """The key object of `cryptography`: never text, so that nothing can be taken for an HMAC secret."""


class KeySource(Protocol):
    """Knows the keys that may have signed a token."""

    async def find(self, kid: str) -> VerificationKey | None:
        """The key of that name, or None when no token may be signed with it."""
        ...


class RevocationList(Protocol):
    """Knows which tokens were revoked: `chassis.revocations` keeps one."""

    def refuses(self, principal: Principal, kid: str) -> bool:
        """Whether a token that was signed with the key `kid` is no longer good."""
        ...


@dataclass(frozen=True, slots=True)
class _Verified:
    kid: str
    principal: Principal
    until: datetime
    """How long the signature need not be looked at again."""


class TokenVerifier:
    """Turns a bearer token into a principal."""

    def __init__(
        self,
        keys: KeySource,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        revocations: RevocationList | None = None,
    ) -> None:
        """Trust `keys` for tokens of `issuer` that are meant for `audience`, unless `revocations` refuses them."""
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._revocations = revocations
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """Who holds this token.

        Raises:
            TokenInvalid: It is not an access token of our issuer for this audience.
            KeyGone: Nor can anybody say whether it was one: its key is not known today.
            TokenExpired: It was one.
            TokenRevoked: It would still be one.
            KeysUnavailable: Nobody can say, because the keys cannot be had.
        """
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._verified.get(digest)
        if verified is None or verified.until <= self._clock.now() or await self._keys.find(verified.kid) is None:
            self._verified.pop(digest, None)
            verified = await self._verify(token)
            self._verified[digest] = verified
            if len(self._verified) > CACHED_TOKENS:
                self._verified.popitem(last=False)
        if self._revocations is not None and self._revocations.refuses(verified.principal, verified.kid):
            raise TokenRevoked
        return verified.principal

    async def _verify(self, token: str) -> _Verified:
        jws = CompactJws.read(token)
        # Other kinds of token are signed with the same keys one day: the type keeps them apart (RFC 8725, 3.11).
        if jws is None or jws.type not in _TYPES:
            raise TokenInvalid
        key = await self._keys.find(jws.kid)
        if key is None:
            raise KeyGone
        if jws.algorithm != key.algorithm:
            raise TokenInvalid
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                # Times are checked against the injected clock.
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            principal = _principal(claims)
            not_before = datetime.fromtimestamp(max(claims["iat"], claims.get("nbf", 0)), UTC)
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
            raise TokenInvalid from None
        now = self._clock.now()
        if not_before > now + LEEWAY:
            raise TokenInvalid
        expires_at = principal.expires_at + LEEWAY
        if expires_at <= now:
            raise TokenExpired
        return _Verified(jws.kid, principal, until=min(expires_at, now + _CACHED_FOR))


def _principal(claims: Mapping[str, Any]) -> Principal:
    for moment in ("exp", "iat", "nbf"):
        if isinstance(claims.get(moment, 0), bool) or not isinstance(claims.get(moment, 0), int | float):
            raise TypeError(moment)
    roles = claims.get("roles", [])
    if not isinstance(roles, list):
        raise TypeError("roles")
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise TypeError("scope")
    subject_type = SubjectType(claims["sub_type"])
    if (subject_type is SubjectType.USER) != ("sid" in claims):
        raise ValueError("people have a session, and machines have none")
    return Principal(
        subject=UUID(claims["sub"]),
        client_id=str(claims["client_id"]),
        session=UUID(claims["sid"]) if "sid" in claims else None,
        roles=frozenset(map(str, roles)),
        token_id=str(claims["jti"]),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        subject_type=subject_type,
        scopes=frozenset(scope.split()),
        token_version=_version(claims.get("token_version", 0)),
    )


def _version(value: Any) -> int:
    """Tokens of before there were versions have none, which is lower than any."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("token_version")
    return value


def bearer(metadata: Mapping[str, str]) -> str:
    """The token in `authorization: Bearer …` (RFC 6750).

    Raises:
        TokenMissing: There is none.
    """
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token.strip()


def verification_keys(jwks: Iterable[Mapping[str, Any]]) -> dict[str, VerificationKey]:
    """The usable signature keys of a JSON Web Key Set, by `kid`. Others are passed over (RFC 7517, section 5)."""
    known = [jwk for jwk in jwks if isinstance(jwk.get("kid"), str)]
    uses = Counter(jwk["kid"] for jwk in known)
    keys = {}
    for jwk in known:
        kid, algorithm = jwk["kid"], jwk.get("alg")
        operations = jwk.get("key_ops", ("verify",))
        if jwk.get("use", "sig") != "sig" or not isinstance(operations, Collection) or "verify" not in operations:
            continue
        if algorithm not in ALGORITHMS:
            continue
        try:
            key = jwt.PyJWK(dict(jwk), algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError):
            log.warning("a published key cannot be used", kid=kid)
            continue
        if uses[kid] > 1 or not _is_strong(key, algorithm):
            log.warning("a published key is not to be used", kid=kid)
            continue
        keys[kid] = VerificationKey(kid, algorithm, key)
    return keys


def _is_strong(key: Any, algorithm: str) -> bool:
    """Whether this is a public key for that algorithm, and large enough."""
    if algorithm == "ES256":
        return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SMALLEST_RSA_BITS


class PublishedKeys:
    """The keys that an issuer publishes, fetched now and then, and kept while it cannot be reached.

    - Older than `lifetime`, they are fetched again behind the back of whoever asks.
    - An unknown `kid` has them fetched at once, but at most once per `cooldown`: made-up names cost the issuer nothing.
    - Older than `trusted_for`, they are trusted no more.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Iterable[Mapping[str, Any]]]],
        clock: Clock,
        *,
        lifetime: timedelta = KEY_SET_LIFETIME,
        cooldown: timedelta = timedelta(seconds=30),
        retry_after: timedelta = timedelta(seconds=1),
        trusted_for: timedelta = KEY_SET_TRUSTED_FOR,
    ) -> None:
        """`fetch` answers with JSON Web Keys, or raises what it likes and is asked again after `retry_after`."""
        self._fetch = fetch
        self._clock = clock
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._retry_after = retry_after
        self._trusted_for = trusted_for
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = self._tried_at = _LONG_AGO
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> VerificationKey | None:
        """The published key of that name.

        Raises:
            KeysUnavailable: There are no keys to be trusted, or the name is new and the issuer cannot be asked.
        """
        self._look_at_the_clock()
        if self._age() > self._trusted_for:
            await self._fetched()
            if self._age() > self._trusted_for:
                raise KeysUnavailable(retry_after=self._retry_after)
        elif self._age() > self._lifetime:
            self._fetch_unless_just_tried()
        key = self._keys.get(kid)
        if key is None:
            await self._fetched()
            key = self._keys.get(kid)
            if key is None and self._failed:
                raise KeysUnavailable(retry_after=self._retry_after)
        return key

    def _look_at_the_clock(self) -> None:
        """One that was set back does not say how old the keys are: they are fetched again, and grow old from here."""
        now = self._clock.now()
        if now < self._tried_at:
            self._fetched_at = min(self._fetched_at, now)
            self._tried_at = _LONG_AGO
            self._fetch_unless_just_tried()

    def _age(self) -> timedelta:
        return self._clock.now() - self._fetched_at

    async def _fetched(self) -> None:
        fetching = self._fetch_unless_just_tried()
        if fetching is not None:
            await asyncio.shield(fetching)  # others wait for the same fetch

    def _fetch_unless_just_tried(self) -> "asyncio.Task[None] | None":
        """The fetch that is under way, a new one, or None when it is too early to try again."""
        if self._fetching is None:
            pause = self._retry_after if self._failed else self._cooldown
            if self._clock.now() - self._tried_at < pause:
                return None
            self._tried_at = self._clock.now()
            self._fetching = asyncio.create_task(self._refresh(), name="fetch verification keys")
        return self._fetching

    async def _refresh(self) -> None:
        try:
            keys = verification_keys(await self._fetch())
            if not keys:  # an issuer without keys is an issuer that is not well
                raise LookupError("the issuer publishes no usable key")  # noqa: TRY301 - said in the one place below
            self._keys = keys
            self._fetched_at = self._clock.now()
            self._failed = False
        except Exception:
            # Whatever it was, the keys that are here stay.
            self._failed = True
            log.warning("the verification keys cannot be fetched", exc_info=True)
        finally:
            self._fetching = None
