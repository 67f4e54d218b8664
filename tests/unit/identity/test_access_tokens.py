"""How long access tokens matter, on clocks that differ."""

from datetime import timedelta
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.auth import LEEWAY, TokenExpired, TokenRevoked, TokenVerifier, VerificationKey
from chassis.revocations import Revocations
from identity_service.access_tokens import AccessTokens, good_until
from tests.support.clock import TestClock

LIFETIME = timedelta(hours=1)  # the longest that could have been set when a token was issued
ADA, SESSION = UUID(int=1), UUID(int=2)


class Ring:
    """One key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    async def signing(self) -> tuple[str, str, ec.EllipticCurvePrivateKey]:
        return "k1", "ES256", self._key

    async def find(self, kid: str) -> VerificationKey:
        return VerificationKey(kid, "ES256", self._key.public_key())


@pytest.mark.parametrize("is_a_machine", [False, True])
async def test_what_is_revoked_stays_so_although_the_issuers_clock_was_ahead(is_a_machine: bool) -> None:  # noqa: FBT001  a column of the table
    ring, clock, ahead = Ring(), TestClock(), TestClock()
    clock.stop()
    ahead.stop()
    ahead.advance(seconds=LEEWAY.total_seconds())

    def tokens(at: TestClock) -> AccessTokens:
        return AccessTokens(ring, at, issuer="tandem", lifetime=LIFETIME, service_lifetime=LIFETIME)  # type: ignore[arg-type]  # as much of a ring as it takes

    if is_a_machine:
        issued = await tokens(ahead).issue_to_machine(
            subject=ADA, token_version=1, client_id="robot", audiences=["work"], scopes=[]
        )
    else:
        issued = await tokens(ahead).issue_to_person(
            subject=ADA,
            token_version=1,
            role="USER",
            session=SESSION,
            signed_in_at=ahead.now(),
            ends_at=ahead.now() + timedelta(days=1),
        )
    revocations = Revocations(clock)
    verifier = TokenVerifier(ring, clock, issuer="tandem", audience="work", revocations=revocations)
    revocations.tokens_invalidated(ADA, 2, good_until(clock.now()))
    outcomes = []
    while TokenExpired not in outcomes:
        with pytest.raises((TokenRevoked, TokenExpired)) as refused:
            await verifier.verify(issued.token)
        outcomes.append(refused.type)
        clock.advance(seconds=1)
        revocations.token_revoked(f"another {len(outcomes)}", clock.now() + LEEWAY)  # makes it forget what is over
    assert len(outcomes) > LIFETIME.total_seconds()
