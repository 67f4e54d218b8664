"""Refresh tokens, as far as they can be looked at without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.ids import new_id
from identity_service.accounts.domain import Secret, UserId
from identity_service.sessions.domain import PresentedToken, Session, mac

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = b"s" * 32


@pytest.fixture
def session() -> Session:
    return Session.begun(UserId(new_id()), now=NOW, idle=timedelta(days=14), lifetime=timedelta(days=30))


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
    short = Session.begun(UserId(new_id()), now=NOW, idle=timedelta(days=14), lifetime=timedelta(days=1))
    assert short.idle_expire_time == short.expire_time == NOW + timedelta(days=1)


def test_secrets_do_not_print() -> None:
    assert "hunter2" not in repr(Secret("hunter2"))
