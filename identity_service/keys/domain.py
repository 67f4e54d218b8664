"""Keys that sign access tokens."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from chassis import base64url

_NONCE_BYTES = 12
_COORDINATE_BYTES = 32  # of a point on P-256


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that signs with one algorithm. The private half is sealed."""

    kid: str
    """The SHA-256 thumbprint of the public half (RFC 7638)."""
    algorithm: str
    public_jwk: Mapping[str, str]
    sealed_private_key: bytes
    create_time: datetime

    @classmethod
    def made(cls, sealing_key: bytes, *, now: datetime) -> "SigningKey":
        """A new key for ES256, its private half sealed with AES-256-GCM under `sealing_key` and bound to its name."""
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_numbers()
        jwk = {"crv": "P-256", "kty": "EC", "x": _coordinate(point.x), "y": _coordinate(point.y)}
        kid = thumbprint(jwk)
        nonce = os.urandom(_NONCE_BYTES)
        plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cls(
            kid=kid,
            algorithm="ES256",
            public_jwk=jwk | {"kid": kid, "alg": "ES256", "use": "sig"},
            sealed_private_key=nonce + AESGCM(sealing_key).encrypt(nonce, plain, kid.encode()),
            create_time=now,
        )

    def opened(self, sealing_key: bytes) -> Any:
        """The private half.

        Raises:
            cryptography.exceptions.InvalidTag: It was sealed with another key, or altered.
        """
        nonce, sealed = self.sealed_private_key[:_NONCE_BYTES], self.sealed_private_key[_NONCE_BYTES:]
        return load_der_private_key(AESGCM(sealing_key).decrypt(nonce, sealed, self.kid.encode()), password=None)


def thumbprint(jwk: Mapping[str, str]) -> str:
    """The SHA-256 thumbprint of a JWK that holds its required members only (RFC 7638)."""
    canonical = json.dumps(dict(sorted(jwk.items())), separators=(",", ":"))
    return base64url.encoded(hashlib.sha256(canonical.encode()).digest())


def _coordinate(number: int) -> str:
    return base64url.encoded(number.to_bytes(_COORDINATE_BYTES))
