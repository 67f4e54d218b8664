"""Whose budget a call is taken from. Nothing in a token is believed before a server has accepted it.

The gateway verifies no token. But it sees what servers answer: whoever got an answer from a method for which the
contract demands a signed-in caller has sent a genuine token, and only then is its `sub` read. So nobody can use up the
budget of somebody else, or choose a tier, by writing a name into a token of their own.
"""

import json
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

_MOST: Final = 50_000
"""Credentials that are remembered, some 250 bytes each. One that is forgotten is counted with its address once more."""

_DEMANDING: Final = frozenset({"SIGNED_IN", "SERVICE"})
"""Names of `tandem.policy.v1.MethodPolicy.Access` for which no call without a genuine token succeeds."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls a minute; 0 is as many as one likes."""

    reads: int
    writes: int


@dataclass(frozen=True, slots=True)
class Tiers:
    """Quotas for some, by a claim of their token."""

    usual: Quota
    claim: str = ""
    special: Mapping[str, Quota] | None = None

    def quota(self, claims: Mapping[str, Any]) -> Quota:
        """What a token entitles to. Of several values the first that means anything counts."""
        said = claims.get(self.claim) if self.claim else None
        for value in said if isinstance(said, list) else [said]:
            if isinstance(value, str) and self.special is not None and value in self.special:
                return self.special[value]
        return self.usual


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has been accepted."""

    key: str
    quota: Quota


class Principals:
    """Remembers whose credentials have been accepted."""

    def __init__(self, tiers: Tiers, *, answers_vouch: bool = False, most: int = _MOST) -> None:
        """Nobody, so far. `answers_vouch` is for contracts that do not say for whom a method is: any answer will do."""
        self._answers_vouch = answers_vouch
        self._tiers = tiers
        self._most = most
        self._known: OrderedDict[bytes, Principal] = OrderedDict()

    def find(self, credential: bytes) -> Principal | None:
        """Who an `Authorization` header has been found to be, if it has."""
        digest = _digest(credential)
        principal = self._known.get(digest)
        if principal is not None:
            self._known.move_to_end(digest)
        return principal

    def accepted(self, credential: bytes, access: str) -> None:
        """A method has answered that asks for `access`; empty where the contract does not say for whom it is.

        There, nobody says that the credential was looked at. Where answers vouch for it nevertheless, it stands for
        itself alone, and nothing in it is read.
        """
        if access not in _DEMANDING and (access or not self._answers_vouch):
            return
        digest = _digest(credential)
        claims = _claims(credential) if access else {}
        issuer, subject = claims.get("iss", ""), claims.get("sub")
        own = f"{issuer}\n{subject}".encode() if isinstance(subject, str) else digest
        self._known[digest] = Principal(sha256(own).hexdigest()[:32], self._tiers.quota(claims))
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def refused(self, credential: bytes) -> None:
        """A server has answered that it does not know who this is."""
        self._known.pop(_digest(credential), None)


def _digest(credential: bytes) -> bytes:
    return sha256(credential).digest()


def _claims(credential: bytes) -> Mapping[str, Any]:
    """What a JWT says; nothing if it is something else."""
    _, _, token = credential.partition(b" ")
    parts = token.strip().split(b".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
