"""Mail in the database."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, bindparam, delete, null, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from chassis.ids import new_id
from identity_service.mail.domain import DueMail, Mail, MailKind
from identity_service.sealing import Sealer
from identity_service.tables import mails

PURPOSE = "tandem/identity/mail"
"""What the sealing key of mail is made for."""

_KEPT = ("id", "kind", "recipient", "sealed_content", "create_time", "next_attempt_time")
_ENQUEUE = (
    insert(mails)
    .from_select(
        _KEPT,
        select(*(bindparam(name, type_=mails.c[name].type) for name in _KEPT)).where(
            bindparam("wanted", type_=Boolean)
        ),
    )
    .on_conflict_do_nothing(index_elements=[mails.c.id])
)
_WAITING = (mails.c.send_time.is_(None), mails.c.fail_time.is_(None))
_DUE = (
    select(mails.c.id)
    .where(*_WAITING, mails.c.next_attempt_time <= bindparam("now"))
    .order_by(mails.c.next_attempt_time)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_CLAIM = (
    update(mails)
    .where(mails.c.id.in_(_DUE))
    .values(attempts=mails.c.attempts + 1, next_attempt_time=bindparam("again"))
    .returning(
        mails.c.id, mails.c.kind, mails.c.recipient, mails.c.sealed_content, mails.c.attempts, mails.c.create_time
    )
)
_MEANT = mails.c.id == bindparam("mail")
_FIND = select(mails.c.id).where(_MEANT)
_SENT = update(mails).where(_MEANT).values(send_time=bindparam("now"), sealed_content=null())
_POSTPONED = update(mails).where(_MEANT).values(next_attempt_time=bindparam("again"))
_GIVEN_UP = update(mails).where(_MEANT).values(fail_time=bindparam("now"), sealed_content=null())
_OLD = (
    select(mails.c.id)
    .where(mails.c.create_time < bindparam("before"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_SWEEP = delete(mails).where(mails.c.id.in_(_OLD))


async def enqueue(
    tx: Transaction, mail: Mail, sealer: Sealer, now: datetime, *, wanted: bool = True, mail_id: UUID | None = None
) -> bool:
    """Have a mail sent once the transaction has committed; whether it is new, if it has an id already.

    What is not wanted is not sent, and takes as long: otherwise the answer's time would tell.
    """
    mail_id = mail_id or new_id()
    added = await tx.execute(
        _ENQUEUE,
        id=mail_id,
        kind=mail.kind.value,
        recipient=mail.recipient,
        sealed_content=sealer.sealed(json.dumps(dict(mail.content)).encode(), str(mail_id)),
        create_time=now,
        next_attempt_time=now,
        wanted=wanted,
    )
    return added == 1


async def is_known(db: Database, mail_id: UUID) -> bool:
    """Whether there is such a mail, sent or not."""
    return await db.find_one(_FIND, mail=mail_id) is not None


async def claim(tx: Transaction, *, now: datetime, again: datetime, most: int) -> Sequence[DueMail]:
    """Up to `most` that are due, and nobody else's until `again`: whoever claims them may be gone by then."""
    return [
        DueMail(
            id=row.id,
            kind=MailKind(row.kind),
            recipient=row.recipient,
            sealed_content=row.sealed_content,
            attempts=row.attempts,
            create_time=row.create_time,
        )
        for row in await tx.fetch_all(_CLAIM, now=now, again=again, most=most)
    ]


def opened(mail: DueMail, sealer: Sealer) -> Mail:
    """What the mail tells.

    Raises:
        CannotOpen: It was sealed with a key that we do not have.
    """
    return Mail(
        kind=mail.kind,
        recipient=mail.recipient,
        content=json.loads(sealer.opened(mail.sealed_content, str(mail.id))),
    )


async def sent(tx: Transaction, mail_id: UUID, now: datetime) -> None:
    """It is sent: what it told is forgotten."""
    await tx.execute(_SENT, mail=mail_id, now=now)


async def postponed(tx: Transaction, mail_id: UUID, again: datetime) -> None:
    """It is tried again, not before `again`."""
    await tx.execute(_POSTPONED, mail=mail_id, again=again)


async def given_up(tx: Transaction, mail_id: UUID, now: datetime) -> None:
    """It is not tried again: what it told is forgotten."""
    await tx.execute(_GIVEN_UP, mail=mail_id, now=now)


async def sweep(tx: Transaction, *, before: datetime, most: int) -> int:
    """Forget up to `most` that were written before; how many there were."""
    return await tx.execute(_SWEEP, before=before, most=most)
