"""Refresh tokens, as far as they can be looked at without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.ids import new_id
from chassis.secret import Secret
from identity_service.accounts.domain import Role, User, UserId
from identity_service.audit.domain import Actor, ActorType
from identity_service.sessions.domain import Held, LoginPaces, PresentedToken, Session, Terms, Verdict, mac
from identity_service.throttles.domain import Delay, Pace

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = b"s" * 32
TERMS = Terms(
    logins=LoginPaces(
        per_address=Pace("logins", 30, timedelta(minutes=5)),
        guesses=Delay("guesses", 10, timedelta(seconds=1), timedelta(minutes=1), 100, timedelta(days=1)),
    ),
    idle=timedelta(days=14),
    lifetime=timedelta(days=30),
    grace=timedelta(seconds=30),
    refreshes_per_minute=30,
    most=100,
)
LAPTOP = Actor(type=ActorType.NOBODY, address="192.0.2.1", user_agent="laptop")
PHONE = Actor(type=ActorType.NOBODY, address="192.0.2.2", user_agent="phone")
ADA = User(
    id=UserId(new_id()),
    email="ada@example.com",
    email_verified=True,
    username="",
    full_name="Ada",
    role=Role.USER,
    disabled=False,
    create_time=NOW,
    update_time=NOW,
    version=1,
)


@pytest.fixture
def session() -> Session:
    return Session.begun(ADA.id, LAPTOP, now=NOW, terms=TERMS)


def test_a_token_says_which_session_and_which_generation(session: Session) -> None:
    presented = PresentedToken.read(session.refresh_token(SECRET))
    assert presented is not None
    assert (presented.session, presented.generation) == (session.id, 1)
    assert presented.mac == mac(presented.content, session.refresh_secret, SECRET)


def test_it_takes_both_secrets_to_make_one(session: Session) -> None:
    presented = PresentedToken.read(session.refresh_token(SECRET))
    assert presented is not None
    assert presented.mac != mac(presented.content, session.refresh_secret, b"x" * 32)
    assert presented.mac != mac(presented.content, b"x" * 32, SECRET)


@given(st.text(max_size=120))
def test_what_never_was_a_token_is_none(text: str) -> None:
    assert PresentedToken.read(text) is None
    assert PresentedToken.read(f"tdr_{text}") is None


def test_a_typing_mistake_is_noticed_without_a_look_into_the_database(session: Session) -> None:
    token = session.refresh_token(SECRET)
    assert PresentedToken.read(token[:-1] + ("A" if token[-1] != "A" else "B")) is None or token[-2:] == "=="


def test_no_session_outlives_its_lifetime() -> None:
    short = Session.begun(ADA.id, LAPTOP, now=NOW, terms=replace(TERMS, lifetime=timedelta(days=1)))
    assert short.idle_expire_time == short.expire_time == NOW + timedelta(days=1)


def test_secrets_do_not_print() -> None:
    assert "hunter2" not in repr(Secret("hunter2"))


def test_a_token_is_genuine_for_its_own_session_only(session: Session) -> None:
    presented = PresentedToken.read(session.refresh_token(SECRET))
    assert presented is not None
    assert presented.is_genuine(Held(session, ADA, user_may_sign_in=True), [SECRET])
    assert not presented.is_genuine(Held(session, ADA, user_may_sign_in=True), [b"x" * 32])
    other = replace(session, refresh_secret=b"x" * 32)
    assert not presented.is_genuine(Held(other, ADA, user_may_sign_in=True), [SECRET])
    assert not presented.is_genuine(None, [SECRET])


def test_a_database_dump_alone_makes_no_token(session: Session) -> None:
    """All that is in it is the session; the thief has to guess the service's key."""
    for guess in (b"\0" * 32, session.refresh_secret, session.id.bytes * 2):
        forged = PresentedToken.read(session.refresh_token(guess))
        assert forged is not None
        assert not forged.is_genuine(Held(session, ADA, user_may_sign_in=True), [SECRET])


def verdict(
    session: Session,
    generation: int,
    key: str = "",
    *,
    after: timedelta = timedelta(),
    may: bool = True,
    terms: Terms = TERMS,
) -> Verdict:
    return session.verdict(generation, key, user_may_sign_in=may, now=NOW + after, terms=terms)


SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def twice(session: Session) -> Session:
    """Refreshed twice at the very beginning, the second time under a name: its generation is 3."""
    return session.advanced("", LAPTOP, now=NOW, terms=TERMS).advanced("again", LAPTOP, now=NOW, terms=TERMS)


@pytest.mark.parametrize(
    ("generation", "key", "after", "may", "expected"),
    [
        pytest.param(3, "", SECOND, True, Verdict.ADVANCE, id="the newest"),
        pytest.param(3, "again", SECOND, True, Verdict.ADVANCE, id="the newest, under a name that was used"),
        pytest.param(2, "", 29 * SECOND, True, Verdict.REPEAT, id="the last one, at once"),
        pytest.param(2, "", -SECOND, True, Verdict.REPEAT, id="the last one, by a clock that is behind"),
        pytest.param(2, "", 30 * SECOND, True, Verdict.REUSED, id="the last one, too late"),
        pytest.param(2, "again", 13 * DAY, True, Verdict.REPEAT, id="the last one, the same attempt"),
        pytest.param(2, "other", 30 * SECOND, True, Verdict.REUSED, id="the last one, another attempt"),
        pytest.param(1, "", SECOND, True, Verdict.REUSED, id="the one before, however soon"),
        pytest.param(1, "again", SECOND, True, Verdict.REUSED, id="the one before, under the name of the last"),
        pytest.param(4, "", SECOND, True, Verdict.INVALID, id="one that is not there yet"),
        pytest.param(3, "", 14 * DAY, True, Verdict.INVALID, id="idle for too long"),
        pytest.param(2, "again", 14 * DAY, True, Verdict.INVALID, id="the same attempt, idle for too long"),
        pytest.param(1, "", 14 * DAY, True, Verdict.INVALID, id="reused when it is over"),
        pytest.param(3, "", SECOND, False, Verdict.INVALID, id="of a user who may not sign in"),
        pytest.param(2, "", SECOND, False, Verdict.INVALID, id="the last one, of a user who may not sign in"),
        pytest.param(1, "", SECOND, False, Verdict.REUSED, id="a theft from a user who may not sign in"),
    ],
)
def test_what_comes_of_a_token(
    twice: Session, generation: int, key: str, after: timedelta, *, may: bool, expected: Verdict
) -> None:
    assert verdict(twice, generation, key, after=after, may=may) is expected
    ended = replace(twice, revoke_time=NOW)
    assert verdict(ended, generation, key, after=after, may=may) is Verdict.INVALID


def test_without_grace_every_second_use_is_a_theft(twice: Session) -> None:
    strict = replace(TERMS, grace=timedelta())
    assert verdict(twice, 2, terms=strict) is Verdict.REUSED
    assert verdict(twice, 2, "again", terms=strict) is Verdict.REPEAT


def test_a_session_slides_and_still_ends(session: Session) -> None:
    for day in range(13, 30, 13):
        now = NOW + timedelta(days=day)
        session = session.advanced("", LAPTOP, now=now, terms=TERMS)
        assert session.idle_expire_time == min(now + timedelta(days=14), NOW + timedelta(days=30))
    assert verdict(session, session.generation, after=30 * DAY - SECOND) is Verdict.ADVANCE
    assert verdict(session, session.generation, after=30 * DAY) is Verdict.INVALID


@given(st.integers(1, 100))
def test_a_minutes_worth_of_steps_may_be_taken_at_once_and_then_one_at_a_time(limit: int) -> None:
    terms = replace(TERMS, refreshes_per_minute=limit)
    session = Session.begun(ADA.id, LAPTOP, now=NOW, terms=terms)
    for _ in range(limit):
        assert verdict(session, session.generation, terms=terms) is Verdict.ADVANCE
        session = session.advanced("", LAPTOP, now=NOW, terms=terms)
    assert verdict(session, session.generation, terms=terms) is Verdict.TOO_FAST
    assert verdict(session, session.generation - 1, terms=terms) is Verdict.REPEAT, "not a step"
    pause = session.pause(NOW, terms)
    assert timedelta() < pause <= terms.pace
    assert verdict(session, session.generation, after=pause, terms=terms) is Verdict.ADVANCE
    session = session.advanced("", LAPTOP, now=NOW + pause, terms=terms)
    assert verdict(session, session.generation, after=pause, terms=terms) is Verdict.TOO_FAST
