"""Keys that sign access tokens, from their publication to their end.

A key is published before it signs, so that verifiers know it by then, and after it has signed, until nothing that it
has signed is good any more:

    PENDING (published) → ACTIVE (signs) → RETIRING (verifies only) → RETIRED

From any of the first three it can be withdrawn: REVOKED.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from chassis import base64url
from chassis.errors import FailedPrecondition, NotFound, UnmetPrecondition
from identity_service.sealing import Sealer

PURPOSE = "tandem/identity/signing keys"
"""What the sealing key of private halves is made for."""

_COORDINATE_BYTES = 32  # of a point on P-256
_RSA_BITS = 3072  # 128 bits of security, as P-256 has (NIST SP 800-57)
_RSA_EXPONENT = 65537


class SigningKeyNotFound(NotFound):
    """There is no such signing key."""

    reason = "SIGNING_KEY_NOT_FOUND"


class WrongKeyState(FailedPrecondition):
    """This signing key is not in a state that allows it."""

    reason = "SIGNING_KEY_STATE"

    def __init__(self, state: "State", wanted: str) -> None:
        """Tells what it would have to be."""
        super().__init__(metadata={"state": state.value})
        self.preconditions = (
            UnmetPrecondition("STATE", "signing_key", f"it is {state}, and would have to be {wanted}"),
        )


class KeyNotKnownYet(FailedPrecondition):
    """Verifiers may not have seen this key yet. Revoke the one that signs if it cannot wait."""

    reason = "SIGNING_KEY_TOO_NEW"

    def __init__(self, *, wait: timedelta) -> None:
        """Tells how long it takes."""
        super().__init__(retry_after=wait)
        self.preconditions = (UnmetPrecondition("AGE", "signing_key", "it was published too short a while ago"),)


class KeyStillNeeded(FailedPrecondition):
    """Tokens that this key has signed may still be good. Revoke it if they must not be."""

    reason = "SIGNING_KEY_NEEDED"

    def __init__(self, *, wait: timedelta) -> None:
        """Tells how long it takes."""
        super().__init__(retry_after=wait)
        self.preconditions = (UnmetPrecondition("AGE", "signing_key", "it signed too short a while ago"),)


class State(StrEnum):
    """What a key is doing."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    RETIRING = "RETIRING"
    RETIRED = "RETIRED"
    REVOKED = "REVOKED"


PUBLISHED = (State.PENDING, State.ACTIVE, State.RETIRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When keys are made, take over, and go."""

    algorithm: str
    """What new keys are for: ES256 or RS256."""
    period: timedelta
    """How long a key signs."""
    lead: timedelta
    """How long a key is published before it signs: until every verifier that keeps the key set as long as it may has
    fetched it anew."""
    overlap: timedelta
    """How long a key is published after it has signed: until the last token that it can have signed has expired."""
    memory: timedelta
    """How long a revoked key is known to be: until nobody trusts a key set any more that holds it. Whoever has its
    private half signs tokens that expire when they like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key pair that signs with one algorithm. The private half is sealed."""

    kid: str
    """The SHA-256 thumbprint of the public half (RFC 7638)."""
    algorithm: str
    public_jwk: Mapping[str, str]
    sealed_private_key: bytes
    """Empty once it has signed for the last time: what is not kept is not stolen."""
    state: State
    create_time: datetime
    activate_time: datetime | None = None
    retire_time: datetime | None = None
    """When it stopped signing."""
    remove_time: datetime | None = None
    """When it stopped being published."""
    revoke_time: datetime | None = None

    @classmethod
    def made(cls, algorithm: str, sealer: Sealer, *, now: datetime) -> "SigningKey":
        """A new key, published and not signing yet. Its private half is sealed under its name."""
        private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if algorithm == "ES256":
            private = ec.generate_private_key(ec.SECP256R1())
        else:
            private = rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS)
        jwk = public_jwk(private.public_key())
        kid = jwk["kid"]
        plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cls(
            kid=kid,
            algorithm=algorithm,
            public_jwk=jwk,
            sealed_private_key=sealer.sealed(plain, kid),
            state=State.PENDING,
            create_time=now,
        )

    def opened(self, sealer: Sealer) -> Any:
        """The private half.

        Raises:
            CannotOpen: It was sealed with another key, or altered.
        """
        plain = sealer.opened(self.sealed_private_key, self.kid)
        # Only what we have made opens. To check an RSA key once more takes a tenth of a second, and nobody is served.
        return load_der_private_key(plain, password=None, unsafe_skip_rsa_key_validation=True)

    def activated(self, *, now: datetime) -> "SigningKey":
        """The key, signing."""
        return replace(self, state=State.ACTIVE, activate_time=now)

    def retiring(self, *, now: datetime) -> "SigningKey":
        """The key, verifying only."""
        return replace(self, state=State.RETIRING, retire_time=now, sealed_private_key=b"")

    def retired(self, *, now: datetime) -> "SigningKey":
        """The key, published no more."""
        return replace(self, state=State.RETIRED, remove_time=now, sealed_private_key=b"")

    def revoked(self, *, now: datetime) -> "SigningKey":
        """The key, withdrawn."""
        return replace(self, state=State.REVOKED, revoke_time=now, sealed_private_key=b"")

    def check_may_sign(self, schedule: Schedule, *, now: datetime) -> None:
        """Refuse a key that verifiers may not know.

        Raises:
            WrongKeyState: It is not waiting to sign.
            KeyNotKnownYet: It was published too short a while ago.
        """
        if self.state is not State.PENDING:
            raise WrongKeyState(self.state, State.PENDING)
        if self.create_time + schedule.lead > now:
            raise KeyNotKnownYet(wait=self.create_time + schedule.lead - now)

    def check_may_go(self, schedule: Schedule, *, now: datetime) -> None:
        """Refuse to lose a key whose tokens may be good.

        Raises:
            WrongKeyState: It signs, or is gone already.
            KeyStillNeeded: It signed too short a while ago.
        """
        if self.state is State.PENDING:
            return  # it has signed nothing
        if self.state is not State.RETIRING or self.retire_time is None:
            raise WrongKeyState(self.state, f"{State.PENDING} or {State.RETIRING}")
        if self.retire_time + schedule.overlap > now:
            raise KeyStillNeeded(wait=self.retire_time + schedule.overlap - now)


class Step(StrEnum):
    """What is to be done next with the keys."""

    MAKE = "MAKE"
    ACTIVATE = "ACTIVATE"
    RETIRE = "RETIRE"


def due(keys: Sequence[SigningKey], schedule: Schedule, *, now: datetime) -> tuple[Step, SigningKey | None] | None:
    """What the schedule has to be done next, and with which key; None while there is nothing to do."""
    for key in keys:
        if key.state is State.RETIRING and key.retire_time is not None and key.retire_time + schedule.overlap <= now:
            return Step.RETIRE, key
    active = next((key for key in keys if key.state is State.ACTIVE), None)
    is_over = active is None or active.algorithm != schedule.algorithm
    ends_at = now if active is None or is_over else (active.activate_time or active.create_time) + schedule.period
    waiting = [key for key in keys if key.state is State.PENDING and key.algorithm == schedule.algorithm]
    if not waiting:
        return (Step.MAKE, None) if ends_at - schedule.lead <= now else None
    if ends_at <= now and waiting[0].create_time + schedule.lead <= now:
        return Step.ACTIVATE, waiting[0]
    return None


def public_jwk(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> Mapping[str, str]:
    """A key on P-256 or an RSA key as a JSON Web Key for signatures, named by its SHA-256 thumbprint (RFC 7638)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        x, y = (base64url.encoded(number.to_bytes(_COORDINATE_BYTES)) for number in (point.x, point.y))
        required, algorithm = {"crv": "P-256", "kty": "EC", "x": x, "y": y}, "ES256"
    else:
        numbers = key.public_numbers()
        required, algorithm = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}, "RS256"
    canonical = json.dumps(required, separators=(",", ":"))  # of the required members, in the order of their names
    kid = base64url.encoded(hashlib.sha256(canonical.encode()).digest())
    return required | {"kid": kid, "alg": algorithm, "use": "sig"}


def _number(number: int) -> str:
    return base64url.encoded(number.to_bytes((number.bit_length() + 7) // 8))
