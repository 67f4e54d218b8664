"""Clients as OAuth knows them: how they say who they are, and what is said of their tokens.

A client is a service account. It shows a secret, or an assertion: a JWT of its own (RFC 7523) that works
once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from chassis.auth import LEEWAY, VerificationKey
from chassis.errors import FieldViolation, InvalidArgument, Unauthenticated
from chassis.secret import Secret
from identity_service.service_accounts.domain import ServiceAccount, is_name

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_ALGORITHMS = ("ES256", "RS256")
LONGEST_ASSERTION = timedelta(hours=1)  # what stock clients ask for; each works once, however long it lives
_LONGEST_JTI = 256
_ASSERTED = ("iss", "sub", "aud", "exp", "jti")


class InvalidClient(Unauthenticated):
    """This client is not known, or what it shows is not right."""

    reason = "INVALID_CLIENT"


class InvalidRequest(InvalidArgument):
    """This request is not complete, or says one thing twice."""

    reason = "INVALID_REQUEST"


class UnsupportedGrantType(InvalidArgument):
    """Tokens are issued for client_credentials only."""

    reason = "UNSUPPORTED_GRANT_TYPE"

    def __init__(self) -> None:
        """The field is that of IssueToken."""
        super().__init__(FieldViolation("grant_type", "must be client_credentials"))


class UnauthorizedClient(InvalidArgument):
    """This token was issued to another client."""

    reason = "UNAUTHORIZED_CLIENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client says of itself; nothing of it is proven yet."""

    client_id: str
    client_secret: Secret
    assertion_type: str
    assertion: Secret

    def check(self) -> None:
        """Refuse what is no way to say who one is.

        Raises:
            InvalidRequest: A secret and an assertion, or an assertion of another kind.
            InvalidClient: Nothing is shown at all.
        """
        if self.assertion or self.assertion_type:
            if self.client_secret:
                raise InvalidRequest(FieldViolation("client_assertion", "cannot be sent with a client_secret"))
            if self.assertion_type != JWT_BEARER:
                raise InvalidRequest(FieldViolation("client_assertion_type", f"must be {JWT_BEARER}"))
            if not self.assertion:
                raise InvalidRequest(FieldViolation("client_assertion", "is missing"))
        elif not (self.client_id and self.client_secret):
            raise InvalidClient


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a client: what is stored of a secret, or a public key."""

    id: UUID
    last_use_time: datetime | None
    digest: bytes | None = field(default=None, repr=False)
    public: VerificationKey | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A service account, and those of its keys that were asked for and work."""

    account: ServiceAccount
    keys: Sequence[Key]


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a client has signed."""

    id_digest: bytes
    """SHA-256 of its `jti`."""
    expires_at: datetime
    key: Key


def claimed_client(assertion: str) -> str:
    """Who an assertion says it is from; nothing is proven by it.

    Raises:
        InvalidClient: It says nothing, or nothing that can be a client.
    """
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise InvalidClient from None
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not is_name(issuer) or claims.get("sub") != issuer:
        raise InvalidClient
    return issuer


def verified(assertion: str, keys: Iterable[Key], *, audiences: Sequence[str], now: datetime) -> Assertion:
    """The assertion, if it was signed with one of the keys, is meant for us, and is of this hour.

    Raises:
        InvalidClient: It is anything else.
    """
    for key in keys:
        if key.public is None:
            continue
        try:
            claims = jwt.decode(
                assertion,
                key.public.key,
                algorithms=[key.public.algorithm],
                audience=audiences,
                # Times are checked against the clock that was handed in.
                options={"require": list(_ASSERTED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            return _of_this_hour(claims, key, now)
        except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
            continue
    raise InvalidClient


def _of_this_hour(claims: Mapping[str, Any], key: Key, now: datetime) -> Assertion:
    name = claims["jti"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_JTI:
        raise ValueError("jti")
    for time in ("exp", "iat", "nbf"):
        if time in claims and (isinstance(claims[time], bool) or not isinstance(claims[time], int | float)):
            raise TypeError(time)
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    begins_at = datetime.fromtimestamp(max(claims.get("iat", 0), claims.get("nbf", 0)), UTC)
    if not now - LEEWAY < expires_at <= now + LONGEST_ASSERTION + LEEWAY or begins_at > now + LEEWAY:
        raise ValueError("exp")
    return Assertion(hashlib.sha256(name.encode()).digest(), expires_at, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """What there is to say of a token that is good."""

    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where everything is, below the issuer."""

    issuer: str

    def at(self, path: str) -> str:
        """The address of an endpoint."""
        return self.issuer.rstrip("/") + path

    @property
    def token_endpoint(self) -> str:
        """Where tokens are issued."""
        return self.at("/oauth2/token")

    @property
    def audiences(self) -> tuple[str, ...]:
        """Whom an assertion may be meant for (RFC 7523, section 3)."""
        return (self.issuer, self.token_endpoint)
