"""Sessions in the database."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Uuid, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from chassis.tables import INSTANT
from identity_service.accounts.domain import UserId
from identity_service.accounts.store import COLUMNS as USER_COLUMNS
from identity_service.accounts.store import user as user_of
from identity_service.sessions.domain import Ending, Held, Session, SessionId
from identity_service.tables import sessions, users

_KEPT = tuple(field.name for field in fields(Session))
_BY_ID = (
    select(
        *(sessions.c[name].label(f"session_{name}") for name in _KEPT),
        *USER_COLUMNS,
        (~users.c.disabled & users.c.delete_time.is_(None)).label("user_may_sign_in"),
    )
    .join_from(sessions, users)
    .where(sessions.c.id == bindparam("id"))
)
_CHANGED_BY_A_STEP = (
    "generation",
    "rotate_time",
    "rotate_idempotency_key",
    "pace_time",
    "idle_expire_time",
    "address",
    "user_agent",
)
_ADVANCE = (
    update(sessions)
    .where(
        sessions.c.id == bindparam("session"),
        sessions.c.generation == bindparam("replacing"),
        sessions.c.revoke_time.is_(None),
    )
    .values({name: bindparam(name) for name in _CHANGED_BY_A_STEP})
)
_HAS_NOT_ENDED: ColumnElement[bool] = and_(
    sessions.c.revoke_time.is_(None),
    func.least(sessions.c.idle_expire_time, sessions.c.expire_time) > bindparam("now", type_=INSTANT),
)
_REVOKE = (
    update(sessions)
    .where(sessions.c.id == bindparam("session"), _HAS_NOT_ENDED)
    .values(revoke_time=bindparam("now"), revoke_reason=bindparam("ending"))
    .returning(sessions.c.user_id)
)
_REVOKE_OWN = _REVOKE.where(sessions.c.user_id == bindparam("user"))
_REVOKE_ALL = (
    update(sessions)
    .where(
        sessions.c.user_id == bindparam("user"),
        _HAS_NOT_ENDED,
        sessions.c.id.is_distinct_from(bindparam("keep", type_=Uuid)),
    )
    .values(revoke_time=bindparam("now"), revoke_reason=bindparam("ending"))
    .returning(sessions.c.id)
)
_LAST_USED = (sessions.c.rotate_time, sessions.c.id)
_LIST = (
    select(*(sessions.c[name] for name in _KEPT))
    .where(
        sessions.c.user_id == bindparam("user"),
        _HAS_NOT_ENDED,
        tuple_(*_LAST_USED) < tuple_(bindparam("before_time"), bindparam("before_id")),
    )
    .order_by(*(column.desc() for column in _LAST_USED))
    .limit(bindparam("limit"))
)
_TOO_MANY = (
    select(sessions.c.id)
    .where(sessions.c.user_id == bindparam("user"), _HAS_NOT_ENDED)
    .order_by(*(column.desc() for column in _LAST_USED))
    .offset(bindparam("others"))
)
_new = insert(sessions).values({name: bindparam(f"new_{name}") for name in _KEPT})
_ADD = (
    update(sessions)
    .where(sessions.c.id.in_(_TOO_MANY), _HAS_NOT_ENDED)
    .values(revoke_time=bindparam("now"), revoke_reason=bindparam("ending"))
    .returning(sessions.c.id)
    .add_cte(_new.cte("new"))
)
_END_TIME = func.least(sessions.c.revoke_time, sessions.c.idle_expire_time, sessions.c.expire_time)
_OLD = (
    select(sessions.c.id)
    .where(bindparam("before") > _END_TIME)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .subquery()
)
_SWEEP = delete(sessions).where(sessions.c.id == _OLD.c.id)


async def add(tx: Transaction, session: Session, *, most: int) -> Sequence[SessionId]:
    """Keep a new session. With it, its user has up to `most`: others end, those first that were not used for longest.

    Which have ended by this. One round trip.
    """
    rows = await tx.fetch_all(
        _ADD,
        user=session.user_id,
        now=session.create_time,
        others=most - 1,
        ending=Ending.DISPLACED.value,
        **{f"new_{name}": value for name, value in asdict(session).items()},
    )
    return [SessionId(row.id) for row in rows]


async def find(db: Database, session_id: SessionId) -> Held | None:
    """The session of that id, whatever has become of it. No lock: a forged token keeps nobody waiting."""
    row = await db.find_one(_BY_ID, id=session_id)
    if row is None:
        return None
    session = Session(**{name: getattr(row, f"session_{name}") for name in _KEPT})
    return Held(session, user_of(row), row.user_may_sign_in)


async def advance(tx: Transaction, advanced: Session, *, replacing: int) -> bool:
    """Whether this was the one who took the step from generation `replacing`. All others change nothing.

    They wait for it: what they read in their next statement is what came of it.
    """
    changed = {name: getattr(advanced, name) for name in _CHANGED_BY_A_STEP}
    return await tx.execute(_ADVANCE, session=advanced.id, replacing=replacing, **changed) == 1


async def revoke(
    tx: Transaction, session_id: SessionId, ending: Ending, now: datetime, *, of: UserId | None = None
) -> UserId | None:
    """End the session, if it is that user's: every refresh token that it ever had.

    Whose it was, or None when it has ended, or never was, or is somebody else's.
    """
    if of is None:
        row = await tx.find_one(_REVOKE, session=session_id, ending=ending.value, now=now)
    else:
        row = await tx.find_one(_REVOKE_OWN, session=session_id, ending=ending.value, now=now, user=of)
    return None if row is None else UserId(row.user_id)


async def revoke_all(
    tx: Transaction, user_id: UserId, ending: Ending, now: datetime, *, keep: SessionId | None = None
) -> Sequence[SessionId]:
    """End every session of a user but `keep`; those that have ended by this."""
    rows = await tx.fetch_all(_REVOKE_ALL, user=user_id, ending=ending.value, now=now, keep=keep)
    return [SessionId(row.id) for row in rows]


async def list_sessions(
    db: Database, user_id: UserId, *, before: tuple[datetime, UUID], now: datetime, limit: int
) -> Sequence[Session]:
    """Up to `limit` sessions of a user that have not ended, the one that was used last first."""
    before_time, before_id = before
    rows = await db.fetch_all(_LIST, user=user_id, before_time=before_time, before_id=before_id, now=now, limit=limit)
    return [_session(row) for row in rows]


async def sweep(tx: Transaction, *, before: datetime, most: int) -> int:
    """Remove up to `most` sessions that ended before; how many there were."""
    return await tx.execute(_SWEEP, before=before, most=most)


def _session(row: Row[Any]) -> Session:
    return Session(**{name: getattr(row, name) for name in _KEPT})
