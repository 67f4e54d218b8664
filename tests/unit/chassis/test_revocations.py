"""What was revoked, and when it is forgotten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chassis.auth import Principal
from chassis.revocations import Revocations

ADA, BERT = UUID(int=1), UUID(int=2)
SESSION, OTHER_SESSION = UUID(int=3), UUID(int=4)


class FixedClock:
    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def revocations(clock: FixedClock) -> Revocations:
    return Revocations(clock)


@pytest.fixture
def until(clock: FixedClock) -> datetime:
    return clock.now() + timedelta(minutes=11)


@pytest.fixture
def principal(until: datetime) -> Principal:
    return Principal(
        subject=ADA,
        client_id="tandem",
        session=SESSION,
        roles=frozenset(),
        token_id="j1",
        expires_at=until,
        token_version=3,
    )


def test_nothing_is_refused_that_was_not_revoked(
    revocations: Revocations, principal: Principal, until: datetime
) -> None:
    revocations.session_ended(OTHER_SESSION, until)
    revocations.session_ended(ADA, until)  # names of one kind say nothing of another
    revocations.tokens_invalidated(BERT, 9, until)
    revocations.tokens_invalidated(SESSION, 9, until)
    revocations.token_revoked("k1", until)
    revocations.key_revoked("j1", until)
    assert not revocations.refuses(principal, "k1")


def test_a_sessions_end_refuses_its_tokens_and_no_machines(
    revocations: Revocations, principal: Principal, until: datetime
) -> None:
    revocations.session_ended(SESSION, until)
    assert revocations.refuses(principal, "k1")
    assert not revocations.refuses(replace(principal, session=OTHER_SESSION), "k1")
    assert not revocations.refuses(replace(principal, session=None), "k1")


def test_a_token_and_a_key_are_refused_by_name(revocations: Revocations, principal: Principal, until: datetime) -> None:
    revocations.token_revoked("j1", until)
    assert revocations.refuses(principal, "k1")
    assert not revocations.refuses(replace(principal, token_id="j2"), "k1")
    revocations.key_revoked("k2", until)
    assert revocations.refuses(replace(principal, token_id="j2"), "k2")


def test_lower_versions_are_refused_and_the_highest_that_was_told_counts(
    revocations: Revocations, principal: Principal, until: datetime
) -> None:
    for version in (2, 4, 3):
        revocations.tokens_invalidated(ADA, version, until)
    assert revocations.refuses(replace(principal, token_version=0), "k1"), "of before there were versions"
    assert revocations.refuses(principal, "k1")
    assert not revocations.refuses(replace(principal, token_version=4), "k1")


def test_what_no_longer_matters_makes_room_for_what_does(
    revocations: Revocations, clock: FixedClock, principal: Principal
) -> None:
    for second in range(10_000):
        clock.time += timedelta(seconds=1)
        revocations.session_ended(UUID(int=second), clock.now() + timedelta(seconds=100))
        revocations.tokens_invalidated(UUID(int=second), 2, clock.now() + timedelta(seconds=50))
    assert len(revocations) <= 150
    clock.time += timedelta(seconds=100)
    revocations.session_ended(SESSION, clock.now())
    assert len(revocations) == 0, "not even itself, when it has passed"
    assert not revocations.refuses(principal, "k1")


def test_what_is_told_again_is_kept_for_as_long_as_was_said_at_the_most(
    revocations: Revocations, clock: FixedClock, principal: Principal, until: datetime
) -> None:
    later = until + timedelta(minutes=5)
    revocations.tokens_invalidated(ADA, 4, until)
    revocations.tokens_invalidated(ADA, 5, later)
    revocations.tokens_invalidated(ADA, 4, until)  # from the beginning again
    assert len(revocations) == 1
    clock.time = until
    revocations.key_revoked("k2", later)
    assert revocations.refuses(replace(principal, token_version=4), "k1")
    clock.time = later
    revocations.key_revoked("k3", later + timedelta(minutes=1))
    assert len(revocations) == 1
    assert not revocations.refuses(principal, "k1")
