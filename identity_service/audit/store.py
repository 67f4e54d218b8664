"""Audit events in the database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, insert, select, union

from chassis.database import Database, Transaction
from chassis.ids import new_id
from chassis.tables import INSTANT
from identity_service.audit.domain import AuditEvent, KeptEvent, Outcome, Wanted
from identity_service.tables import audit_events

_RECORD = insert(audit_events).values({column.name: bindparam(column.name) for column in audit_events.c})
_PLAIN = tuple(column.name for column in audit_events.c if column.name != "outcome")


async def record(tx: Transaction, event: AuditEvent) -> None:
    """Keep one event, for good, in the transaction of what it tells."""
    await tx.execute(
        _RECORD,
        id=new_id(),
        event_time=event.at,
        actor_type=event.actor.type.value,
        actor_id=event.actor.id,
        action=event.action.value,
        target_type=event.target_type,
        target_id=event.target_id,
        outcome=event.outcome.value,
        reason=event.reason,
        request_id=event.actor.request_id,
        address=event.actor.address,
        user_agent=event.actor.user_agent,
        metadata=dict(event.metadata),
    )


async def list_events(db: Database, wanted: Wanted, *, before: UUID, limit: int) -> Sequence[KeptEvent]:
    """Up to `limit` events that came before one of that id, the newest first."""
    given: dict[str, Any] = {"before_id": before, "limit": limit}
    conditions: list[ColumnElement[bool]] = [audit_events.c.id < bindparam("before_id")]
    if wanted.action:
        conditions.append(audit_events.c.action == bindparam("action"))
        given["action"] = wanted.action
    if wanted.outcome is not None:
        conditions.append(audit_events.c.outcome == bindparam("outcome"))
        given["outcome"] = wanted.outcome.value
    if wanted.after is not None:
        conditions.append(audit_events.c.event_time >= bindparam("after", type_=INSTANT))
        given["after"] = wanted.after
    if wanted.before is not None:
        conditions.append(audit_events.c.event_time < bindparam("before", type_=INSTANT))
        given["before"] = wanted.before
    question = _newest(conditions)
    if wanted.subject is not None:
        # Each side has its own index, in this order: two short walks, where OR would read all that they ever did.
        by = _newest([*conditions, audit_events.c.actor_id == bindparam("actor")]).subquery()
        to = _newest([*conditions, audit_events.c.target_id == bindparam("target")]).subquery()
        either = union(select(by), select(to)).subquery()
        question = select(either).order_by(either.c.id.desc()).limit(bindparam("limit"))
        given |= {"actor": wanted.subject, "target": str(wanted.subject)}
    rows = await db.fetch_all(question, **given)
    return [KeptEvent(**{name: getattr(row, name) for name in _PLAIN}, outcome=Outcome(row.outcome)) for row in rows]


def _newest(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return select(audit_events).where(*conditions).order_by(audit_events.c.id.desc()).limit(bindparam("limit"))
