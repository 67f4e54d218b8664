"""Machines that can sign in.

A secret is made of 256 random bits or more, so what is stored of it is a plain SHA-256: there is nothing to guess, and
checking it is cheap. An account has up to two that work, so that a new one can be handed out before the old one goes.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument, Unauthenticated
from identity_service.accounts.domain import Secret

ServiceAccountId = NewType("ServiceAccountId", UUID)

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]", re.ASCII)
LIVE_SECRETS = 2
_NOBODYS = secrets.token_bytes(32)


class InvalidClient(Unauthenticated):
    """This client is not known, or its secret is another one."""

    reason = "INVALID_CLIENT"


class InvalidScope(InvalidArgument):
    """This service account does not have that scope."""

    reason = "INVALID_SCOPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A machine that can sign in. Its name is the `client_id` of its tokens."""

    id: ServiceAccountId
    name: str
    scopes: frozenset[str]
    audiences: frozenset[str]
    disabled: bool

    def granted(self, scope: str) -> frozenset[str]:
        """The scopes of a token for which `scope` is asked; all of the account's when nothing is.

        Raises:
            InvalidScope: One of them is not the account's.
        """
        wanted = frozenset(scope.split(" ")) - {""}
        if not wanted <= self.scopes:
            raise InvalidScope(FieldViolation("scope", "holds one that this service account does not have"))
        return wanted or self.scopes


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """What is stored of a secret that was not revoked."""

    id: UUID
    digest: bytes
    create_time: datetime
    expire_time: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expire_time is None or self.expire_time > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """A service account as it ought to be."""

    name: str
    scopes: frozenset[str]
    audiences: frozenset[str]
    secret: Secret = field(repr=False)


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
