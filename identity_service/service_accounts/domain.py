"""Machines that can sign in.

A secret is made of 256 random bits or more, so what is stored of it is a plain SHA-256: there is nothing to guess, and
checking it is cheap. An account has up to two that work, so that a new one can be handed out before the old one goes.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NewType, TypedDict
from uuid import UUID

from chassis.auth import verification_keys
from chassis.errors import (
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    UnmetPrecondition,
)
from chassis.ids import parse_id
from chassis.secret import Secret
from identity_service.access_tokens import CLIENT
from identity_service.keys.domain import public_jwk

ServiceAccountId = NewType("ServiceAccountId", UUID)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]", re.ASCII)
LIVE_SECRETS = 2
LIVE_PUBLIC_KEYS = 5
_NOBODYS = secrets.token_bytes(32)


class ServiceAccountNotFound(NotFound):
    """There is no such service account."""

    reason = "SERVICE_ACCOUNT_NOT_FOUND"


class NameTaken(AlreadyExists):
    """Another service account has this name."""

    reason = "SERVICE_ACCOUNT_NAME_TAKEN"


class KeyNotFound(NotFound):
    """This service account has no such key."""

    reason = "SERVICE_ACCOUNT_KEY_NOT_FOUND"


class KeyExists(AlreadyExists):
    """This service account has this key already."""

    reason = "SERVICE_ACCOUNT_KEY_EXISTS"


class SecretRevoked(FailedPrecondition):
    """This secret was revoked: make another one."""

    reason = "SERVICE_ACCOUNT_SECRET_REVOKED"


class TooManyKeys(FailedPrecondition):
    """This service account has as many keys of this kind as may work at a time: revoke one first."""

    reason = "TOO_MANY_KEYS"
    preconditions = (UnmetPrecondition("KEYS", "service_account", "it has as many keys as may work at a time"),)


class InvalidScope(InvalidArgument):
    """This service account does not have that scope."""

    reason = "INVALID_SCOPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A machine that can sign in. Its name is the `client_id` of its tokens."""

    id: ServiceAccountId
    name: str
    description: str
    scopes: frozenset[str]
    audiences: frozenset[str]
    disabled: bool
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None = None
    version: int = 1
    token_version: int = 1

    @property
    def etag(self) -> str:
        """Changes with whatever is above."""
        return str(self.version)

    def changed(self, *, now: datetime, **values: Any) -> "ServiceAccount":
        """The account with other values; the account itself when they are the same.

        Access tokens that hold more than it may have now, or that it may not have at all, are good no more.
        """
        after = replace(self, **values)
        if after == self:
            return self
        is_less = not (self.scopes <= after.scopes and self.audiences <= after.audiences)
        is_out = after.disabled > self.disabled or after.delete_time != self.delete_time
        version = self.token_version + (is_less or is_out)
        return replace(after, update_time=now, version=self.version + 1, token_version=version)

    def granted(self, scope: str) -> frozenset[str]:
        """The scopes of a token for which `scope` is asked; all of the account's when nothing is.

        Raises:
            InvalidScope: One of them is not the account's.
        """
        wanted = frozenset(scope.split(" ")) - {""}
        if not wanted <= self.scopes:
            raise InvalidScope(FieldViolation("scope", "holds one that this service account does not have"))
        return wanted or self.scopes


class ServiceAccountEdit(TypedDict, total=False):
    """New values for the fields that shall change."""

    description: str
    scopes: frozenset[str]
    audiences: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServiceAccount:
    """A service account that somebody wants."""

    name: str
    description: str
    scopes: frozenset[str]
    audiences: frozenset[str]

    def check(self) -> None:
        """Refuse an account without a name, with one that is taken by people, or that could do nothing anywhere.

        Raises:
            InvalidArgument: Names every field that is wrong.
        """
        violations = []
        if not is_name(self.name):
            violations.append(FieldViolation("service_account.name", "must be 2 to 64 of a-z, 0-9 and -, and no UUID"))
        if self.name == CLIENT:
            violations.append(FieldViolation("service_account.name", "is the client of people"))
        if not self.scopes:
            violations.append(FieldViolation("service_account.scopes", "must name one at least"))
        if not self.audiences:
            violations.append(FieldViolation("service_account.audiences", "must name one at least"))
        if violations:
            raise InvalidArgument(*violations)


class _MayExpire:
    __slots__ = ()
    expire_time: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expire_time is None or self.expire_time > now


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKey(_MayExpire):
    """Something that a service account signs in with, as far as it is shown."""

    id: UUID
    public_jwk: Mapping[str, str] | None
    """None for a secret."""
    create_time: datetime
    expire_time: datetime | None
    last_use_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptSecret(_MayExpire):
    """What is stored of a secret that was not revoked."""

    id: UUID
    digest: bytes
    create_time: datetime
    expire_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """A service account as it ought to be."""

    name: str
    scopes: frozenset[str]
    audiences: frozenset[str]
    secret: Secret = field(repr=False)


def is_name(text: str) -> bool:
    """Whether this can be what an account is called. An id cannot: whoever says it means that one."""
    return _NAME.fullmatch(text) is not None and parse_id(text) is None


def digest_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_one_of(secret: str, digests: Sequence[bytes]) -> bool:
    """Whether the secret is one of an account's. The same work is done when the account has none, or is none."""
    presented = digest_of(secret)
    compared = [*digests, *[_NOBODYS] * (LIVE_SECRETS - len(digests))]
    return any([hmac.compare_digest(digest, presented) for digest in compared])  # noqa: C419 - all of them


def surplus(kept: Sequence[KeptSecret], *, now: datetime) -> Sequence[KeptSecret]:
    """The secrets that have to go before one more can come: the expired, and the oldest that there is no room for."""
    live = sorted((secret for secret in kept if secret.is_live(now)), key=lambda secret: secret.create_time)
    kept_on = live[1 - LIVE_SECRETS :]
    return [secret for secret in kept if secret not in kept_on]


def new_secret() -> Secret:
    """A secret that nobody has seen."""
    return Secret(f"tds_{secrets.token_urlsafe(32)}")


def public_key(text: str) -> Mapping[str, str]:
    """A public key that an account may sign with, spelled as we spell them; everything else is left out.

    Raises:
        InvalidArgument: It is no such key, or holds its private half.
    """
    try:
        jwk = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad_key("is not JSON") from None
    if not isinstance(jwk, dict):
        raise _bad_key("is not a JSON Web Key")
    if jwk.keys() & _PRIVATE_MEMBERS:
        raise _bad_key("holds a private key: make another one, and send its public half only")
    algorithm = _ALGORITHMS.get(str(jwk.get("kty")))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        raise _bad_key("must be an EC key for ES256 or an RSA key for RS256")
    if jwk.get("use", "sig") != "sig" or jwk.get("key_ops", ["verify"]) != ["verify"]:
        raise _bad_key("must be for signatures")
    members = {name: value for name, value in jwk.items() if isinstance(value, str)}
    usable = verification_keys([members | {"kid": "", "alg": algorithm}])
    if not usable:
        raise _bad_key("must be a whole key, on P-256 or of 2048 bits or more")
    return public_jwk(usable[""].key)


_ALGORITHMS = {"EC": "ES256", "RSA": "RS256"}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def _bad_key(description: str) -> InvalidArgument:
    return InvalidArgument(FieldViolation("public_jwk", description))
