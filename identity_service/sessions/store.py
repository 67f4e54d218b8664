"""Sessions in the database."""

from dataclasses import asdict

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity_service.sessions.domain import Session
from identity_service.tables import sessions

_KEPT = (
    "id",
    "user_id",
    "refresh_secret",
    "generation",
    "create_time",
    "rotate_time",
    "idle_expire_time",
    "expire_time",
)
_ADD = insert(sessions).values({name: bindparam(name) for name in _KEPT})


async def add(tx: Transaction, session: Session) -> None:
    """Keep a new session."""
    await tx.execute(_ADD, **asdict(session))
