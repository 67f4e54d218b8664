"""Attempts in the database, in the transaction of the change that they are about."""

from datetime import datetime
from typing import TypeVar

from pydantic import TypeAdapter
from sqlalchemy import and_, bindparam, delete, not_, null, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from chassis.errors import FieldViolation
from work_service import access
from work_service.access import Attempt, Caller
from work_service.attempts.domain import KEPT_FOR, AttemptReused
from work_service.tables import attempts

T = TypeVar("T")

_NAME = (attempts.c.caller_id, attempts.c.method, attempts.c.key)
_IS_MEANT = and_(*(column == bindparam(f"the_{column.name}") for column in _NAME))
_IS_OLD = attempts.c.create_time < bindparam("expired_before")
# Whoever makes a row takes a few away, so that the table does not grow.
_EXPIRED = delete(attempts).where(
    tuple_(*_NAME).in_(select(*_NAME).where(_IS_OLD, not_(_IS_MEANT)).limit(10).with_for_update(skip_locked=True))
)
_claiming = insert(attempts).values(
    caller_id=bindparam("the_caller_id"),
    method=bindparam("the_method"),
    key=bindparam("the_key"),
    digest=bindparam("the_digest"),
    create_time=bindparam("now"),
)
_CLAIM = _claiming.on_conflict_do_update(
    index_elements=_NAME,
    set_={"digest": _claiming.excluded.digest, "create_time": _claiming.excluded.create_time, "answer": null()},
    where=_IS_OLD,
).add_cte(_EXPIRED.cte("expired"))
_FIRST = select(attempts.c.digest, attempts.c.answer).where(_IS_MEANT, not_(_IS_OLD))
_KEEP = update(attempts).values(answer=bindparam("the_answer")).where(_IS_MEANT)


async def first_answer(tx: Transaction, caller: Caller, kind: TypeAdapter[T], *, now: datetime) -> T | None:
    """What the first attempt of this name was answered. None when this is the first, or has no name.

    The first one claims the name, or takes it over from an attempt that is forgotten. One that comes while it is under
    way waits here until it has ended: then there is an answer, or, if the first one failed, the name is free. The claim
    is the first thing that a transaction does, so that nobody waits here while holding a lock.

    Raises:
        AttemptReused: The name stands for another request.
    """
    attempt = caller.attempt
    if attempt is None:
        return None
    claimed = await tx.execute(
        _CLAIM, the_digest=attempt.digest, now=now, expired_before=now - KEPT_FOR, **_name(caller, attempt)
    )
    if claimed == 1:
        return None
    answered = await find_answer(tx, caller, kind, now=now)
    assert answered is not None, "it is there, and held since the claim"
    return answered


async def find_answer(db: Database | Transaction, caller: Caller, kind: TypeAdapter[T], *, now: datetime) -> T | None:
    """What an attempt of this name has been answered, without claiming the name.

    Raises:
        AttemptReused: The name stands for another request.
    """
    if caller.attempt is None:
        return None
    first = await db.find_one(_FIRST, expired_before=now - KEPT_FOR, **_name(caller, caller.attempt))
    if first is None:
        return None
    if first.digest != caller.attempt.digest:
        raise AttemptReused(FieldViolation("idempotency_key", "was used for another request"))
    access.answered_before()
    return kind.validate_python(first.answer)


async def keep(tx: Transaction, caller: Caller, kind: TypeAdapter[T], answer: T) -> None:
    """Keep the answer of a first attempt, for those that may follow."""
    if caller.attempt is not None:
        await tx.execute(_KEEP, the_answer=kind.dump_python(answer, mode="json"), **_name(caller, caller.attempt))


def _name(caller: Caller, attempt: Attempt) -> dict[str, object]:
    return {"the_caller_id": caller.user_id, "the_method": attempt.method, "the_key": attempt.key}
