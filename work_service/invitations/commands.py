"""What becomes of invitations."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from opentelemetry.metrics import Meter
from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.errors import DomainError, Unavailable
from chassis.ids import new_id
from chassis.retries import work_off
from work_service import access
from work_service.access import Caller, Role, UserId
from work_service.attempts import store as attempts
from work_service.invitations import store
from work_service.invitations.domain import (
    TOLD_AGAIN_AFTER,
    DueMail,
    Invitation,
    InvitationId,
    InvitationNotFound,
)
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb
from work_service.members import store as members
from work_service.members.domain import Member
from work_service.projects import store as projects
from work_service.projects.domain import ProjectId, ProjectRef

log = structlog.get_logger()

_INVITATION = TypeAdapter(Invitation)
_BATCH = 100
_MAILS_AT_A_TIME = 10
_CLAIMED_FOR = timedelta(minutes=1)  # well above what identity may take to answer


class InvitationCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock, *, lock_timeout: timedelta) -> None:
        """Wait for others who change the same project for up to `lock_timeout`."""
        self._db = db
        self._clock = clock
        self._lock_timeout = lock_timeout

    async def invite_member(self, caller: Caller, project: ProjectRef, email: str, role: Role) -> Invitation:
        """Invite whoever has an address. Nobody is looked for: what is answered, and when, tells nothing of them.

        They are told by mail, at most once a day.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            ProjectLocked: Others changed who is in it for all that time.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _INVITATION, now=now)
            if answered is not None:
                return answered
            # Whoever removes the caller right now takes their invitations along: all of them, or there is none.
            locked = await projects.locked_for(tx, caller, project, lock_timeout=self._lock_timeout)
            seen = await projects.get_project(tx, caller, locked)
            _require(seen.my_role, role)
            wanted = Invitation(
                id=InvitationId(new_id()),
                project_id=seen.id,
                email=email.lower(),
                role=role,
                inviter_id=caller.user_id,
                create_time=now,
            )
            invitation, is_new = await store.add(tx, wanted, by_owner=seen.my_role is Role.OWNER)
            _require(seen.my_role, invitation.role)
            if is_new:
                activity = Activity(
                    project_id=seen.id,
                    actor=caller,
                    verb=Verb.MEMBER_INVITED,
                    changes=(Change("invitation", None, str(invitation.id)), Change("role", None, role.value)),
                    at=now,
                )
                await journal.record(tx, activity)
            await store.tell(tx, invitation, new_id(), now=now, unless_after=now - TOLD_AGAIN_AFTER)
            await attempts.keep(tx, caller, _INVITATION, invitation)
        return invitation

    async def revoke_invitation(self, caller: Caller, project: ProjectRef, invitation_id: InvitationId) -> None:
        """Take an invitation back.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            InvitationNotFound: It has no such invitation.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            if await attempts.first_answer(tx, caller, _INVITATION, now=now) is not None:
                return
            seen = await projects.get_project(tx, caller, project)
            access.require(seen.my_role)
            invitation = await store.remove(tx, seen.id, invitation_id)
            if invitation is None:
                raise InvitationNotFound
            _require(seen.my_role, invitation.role)
            await journal.record(tx, _revoked(invitation, caller, now))
            await attempts.keep(tx, caller, _INVITATION, invitation)


class Arrivals:
    """Makes members of those who were invited, once it is known who they are.

    As identity's feed has it, not at anybody's call; each process may, at any time and at once, and an invitation is
    used up by one of them.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def settle(self) -> None:
        """Let in everybody who can come. What cannot be done now is tried again."""
        while due := await store.due(self._db, limit=_BATCH):
            for invitation_id, user_id in due:
                try:
                    await self._arrive(invitation_id, user_id)
                except DomainError as error:
                    log.warning("somebody comes later", invitation=str(invitation_id), reason=error.reason)
                    return

    async def _arrive(self, invitation_id: InvitationId, user_id: UserId) -> None:
        """Make somebody a member by an invitation. Who is one already stays what they are."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            invitation = await store.find_held(tx, invitation_id, user_id)
            if invitation is None:
                return
            await store.remove(tx, invitation.project_id, invitation_id)
            member = Member(
                project_id=invitation.project_id,
                user_id=user_id,
                role=invitation.role,
                create_time=now,
                update_time=now,
                version=1,
            )
            if await members.add(tx, member):
                inviter = Caller(user_id=invitation.inviter_id, everywhere=None, request_id=str(new_id()))
                user, role = Change("user", None, str(user_id)), Change("role", None, invitation.role)
                activity = Activity(
                    project_id=invitation.project_id,
                    actor=inviter,
                    verb=Verb.MEMBER_ADDED,
                    changes=(user, role),
                    at=now,
                )
                await journal.record(tx, activity)


class Courier(Protocol):
    """Has people told by mail that they are invited."""

    async def send_invitation(self, mail_id: UUID, email: str, inviter_id: UserId, project_title: str) -> None:
        """Have it sent, once for each `mail_id`.

        Raises:
            Unavailable: It is not certain that it will be.
        """
        ...


class Announcements:
    """Has those who are invited told.

    Each process may, at any time and at once: each mail is one's at a time, and is asked for again, under the same
    name, when it is not certain that it will be sent.
    """

    def __init__(self, db: Database, clock: Clock, courier: Courier, meter: Meter) -> None:
        """What is to be told is in `db`; `courier` tells it."""
        self._db = db
        self._clock = clock
        self._courier = courier
        self._mails = meter.create_counter(
            "tandem.work.invitation_mails", description="What became of attempts to have an invitation mailed."
        )

    async def send_due(self) -> None:
        """Have everybody told who is to be told now."""
        await work_off(self._claim, self._send, at_a_time=_MAILS_AT_A_TIME)

    async def sweep(self) -> None:
        """Forget who was told so long ago that they may be told again."""
        async with self._db.transaction() as tx:
            await store.forget_told(tx, before=self._clock.now() - TOLD_AGAIN_AFTER)

    async def _claim(self) -> Sequence[DueMail]:
        """Some that are due. No connection is held while they are sent."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            return await store.claim_mails(tx, now=now, again=now + _CLAIMED_FOR, most=_MAILS_AT_A_TIME)

    async def _send(self, mail: DueMail) -> None:
        news = await store.find_news(self._db, mail)
        if news is None:
            async with self._db.transaction() as tx:
                await store.forget_mail(tx, mail)
            self._count("needless")
            return
        try:
            await self._courier.send_invitation(mail.id, mail.email, news.inviter_id, news.project_title)
        except Unavailable as error:
            await self._try_again(mail, error.reason)
        else:
            async with self._db.transaction() as tx:
                await store.mail_settled(tx, mail.id)
            self._count("handed_over")

    async def _try_again(self, mail: DueMail, why: str) -> None:
        again = mail.again(self._clock.now())
        async with self._db.transaction() as tx:
            if again is None:
                await store.mail_settled(tx, mail.id)
            else:
                await store.mail_postponed(tx, mail.id, again)
        told = {"mail_id": str(mail.id), "attempts": mail.attempts, "why": why}
        if again is None:
            log.error("the mail of an invitation is given up", **told)
        else:
            log.warning("the mail of an invitation is postponed", **told)
        self._count("given_up" if again is None else "postponed")

    def _count(self, outcome: str) -> None:
        self._mails.add(1, {"outcome": outcome})


async def withdrawn(
    tx: Transaction, actor: Caller, project_id: ProjectId, user_id: UserId, *, now: datetime
) -> Sequence[Activity]:
    """Take back whom somebody has invited who goes: they might come back by way of another address of theirs."""
    return [_revoked(invitation, actor, now) for invitation in await store.remove_theirs(tx, project_id, user_id)]


def _revoked(invitation: Invitation, actor: Caller, now: datetime) -> Activity:
    return Activity(
        project_id=invitation.project_id,
        actor=actor,
        verb=Verb.INVITATION_REVOKED,
        changes=(Change("invitation", str(invitation.id), None), Change("role", invitation.role, None)),
        at=now,
    )


def _require(my_role: Role, role: Role) -> None:
    """What the contract declares; and only owners deal with the role of owners."""
    access.require(my_role)
    if role is Role.OWNER:
        access.require_owner(my_role)
