"""What it costs to verify a token: `python -m tests.bench.tokens`.

CPU time of this process, which others on the machine do not change by much; the best of several rounds.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chassis.auth import TokenVerifier, VerificationKey
from chassis.clock import SYSTEM_CLOCK
from chassis.compact_jws import CompactJws
from chassis.ids import new_id
from chassis.revocations import Revocations

ISSUER = "http://localhost:8080"
REVOKED = 10_000
ROUNDS, TIMES = 7, 1000
PRIVATE: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}


class Keys:
    """One for each algorithm, under its name."""

    def __init__(self) -> None:
        self._keys = {name: VerificationKey(name, name, key.public_key()) for name, key in PRIVATE.items()}

    async def find(self, kid: str) -> VerificationKey | None:
        return self._keys.get(kid)


def token(algorithm: str) -> str:
    """As identity writes them."""
    now = int(SYSTEM_CLOCK.now().timestamp())
    claims = {
        "iss": ISSUER,
        "sub": str(new_id()),
        "sub_type": "user",
        "token_version": 1,
        "aud": ["identity", "work"],
        "client_id": "tandem",
        "sid": str(new_id()),
        "roles": ["USER"],
        "auth_time": now,
        "amr": ["pwd"],
        "iat": now,
        "exp": now + 600,
        "jti": str(new_id()),
    }
    return jwt.encode(claims, PRIVATE[algorithm], algorithm, headers={"kid": algorithm, "typ": "at+jwt"})


async def microseconds(verify: Callable[[str], Awaitable[object]], tokens: list[str]) -> float:
    """CPU per token."""
    began = time.process_time()
    for each in tokens:
        await verify(each)
    return (time.process_time() - began) * 1e6 / len(tokens)


async def measured() -> dict[str, float]:
    """The best round of every case."""
    until = SYSTEM_CLOCK.now() + timedelta(hours=1)
    revocations = Revocations(SYSTEM_CLOCK)
    for _ in range(REVOKED):
        revocations.session_ended(new_id(), until)
        revocations.tokens_invalidated(new_id(), 2, until)

    async def read(each: str) -> object:
        return CompactJws.read(each)

    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for algorithm in PRIVATE:
            tokens = [token(algorithm) for _ in range(TIMES)]
            verifier = TokenVerifier(Keys(), SYSTEM_CLOCK, issuer=ISSUER, audience="work", revocations=revocations)
            for case, verify in (
                ("strict reading alone", read),
                ("first time", verifier.verify),
                ("from then on", verifier.verify),
            ):
                name = f"{algorithm}, {case}"
                best[name] = min(best.get(name, float("inf")), await microseconds(verify, tokens))
    return best


if __name__ == "__main__":
    for name, cost in asyncio.run(measured()).items():
        sys.stdout.write(f"{name:30} {cost:8.1f} µs\n")
