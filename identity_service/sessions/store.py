"""Sessions in the database."""

from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from identity_service.accounts.domain import Role
from identity_service.sessions.domain import Ending, Held, Session, SessionId
from identity_service.tables import sessions, users

_KEPT = tuple(field.name for field in fields(Session))
_ADD = insert(sessions).values({name: bindparam(name) for name in _KEPT})
_BY_ID = (
    select(
        *(sessions.c[name] for name in _KEPT),
        users.c.role,
        (~users.c.disabled & users.c.delete_time.is_(None)).label("user_may_sign_in"),
    )
    .join_from(sessions, users)
    .where(sessions.c.id == bindparam("id"))
)
_CHANGED_BY_A_STEP = ("generation", "rotate_time", "rotate_idempotency_key", "pace_time", "idle_expire_time")
_ADVANCE = (
    update(sessions)
    .where(
        sessions.c.id == bindparam("session"),
        sessions.c.generation == bindparam("replacing"),
        sessions.c.revoke_time.is_(None),
    )
    .values({name: bindparam(name) for name in _CHANGED_BY_A_STEP})
)
_REVOKE = (
    update(sessions)
    .where(sessions.c.id == bindparam("session"), sessions.c.revoke_time.is_(None))
    .values(revoke_time=bindparam("now"), revoke_reason=bindparam("ending"))
)


async def add(tx: Transaction, session: Session) -> None:
    """Keep a new session."""
    await tx.execute(_ADD, **asdict(session))


async def find(db: Database, session_id: SessionId) -> Held | None:
    """The session of that id, whatever has become of it. No lock: a forged token keeps nobody waiting."""
    row = await db.find_one(_BY_ID, id=session_id)
    if row is None:
        return None
    session = Session(**{name: getattr(row, name) for name in _KEPT})
    return Held(session, Role(row.role), row.user_may_sign_in)


async def advance(tx: Transaction, advanced: Session, *, replacing: int) -> bool:
    """Whether this was the one who took the step from generation `replacing`. All others change nothing.

    They wait for it: what they read in their next statement is what came of it.
    """
    changed = {name: getattr(advanced, name) for name in _CHANGED_BY_A_STEP}
    return await tx.execute(_ADVANCE, session=advanced.id, replacing=replacing, **changed) == 1


async def revoke(tx: Transaction, session_id: SessionId, ending: Ending, now: datetime) -> bool:
    """End the session: every refresh token that it ever had. False when it has ended, or never was."""
    return await tx.execute(_REVOKE, session=session_id, ending=ending.value, now=now) == 1
