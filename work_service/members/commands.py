"""What changes who is in a project."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database, Transaction
from work_service import access
from work_service.access import Caller, Role, UserId
from work_service.attempts import store as attempts
from work_service.identity import Identity, Kind
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb, changes
from work_service.members import store
from work_service.members.domain import AlreadyMember, Member, MemberNotFound
from work_service.profiles import store as profiles
from work_service.projects import store as projects
from work_service.projects.domain import Project, ProjectId, ProjectRef

_MEMBER = TypeAdapter(Member)
_PROJECT = TypeAdapter(Project)


class Release(Protocol):
    """Takes from somebody who goes what they had there, and says what is to be recorded of it."""

    async def __call__(
        self, tx: Transaction, actor: Caller, project_id: ProjectId, user_id: UserId, *, now: datetime
    ) -> Sequence[Activity]:
        """What is to be done is nobody's then, or who was to come does not."""
        ...


def one_after_the_other(*releases: Release) -> Release:
    """All of them, as one."""

    async def release(
        tx: Transaction, actor: Caller, project_id: ProjectId, user_id: UserId, *, now: datetime
    ) -> Sequence[Activity]:
        return [activity for each in releases for activity in await each(tx, actor, project_id, user_id, now=now)]

    return release


class MemberCommands:
    """One method per use case. Whoever could leave a project without an owner goes through the project's lock."""

    def __init__(
        self, db: Database, clock: Clock, identity: Identity, release: Release, *, lock_timeout: timedelta
    ) -> None:
        """People are found at `identity`; from those who go, `release` takes what they had."""
        self._db = db
        self._clock = clock
        self._identity = identity
        self._release = release
        self._lock_timeout = lock_timeout

    async def add_member(self, caller: Caller, project: ProjectRef, kind: Kind, name: str, role: Role) -> Member:
        """Add a person. The caller's right is looked at before identity is asked, and again when they are added.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            UserNotFound: There is no such person.
            IdentityUnavailable: Nobody can say whether there is. Nothing is done.
            AlreadyMember: They are in the project already, in another role.
        """
        # Before identity is asked.
        answered = await attempts.find_answer(self._db, caller, _MEMBER, now=self._clock.now())
        if answered is not None:
            return answered
        seen = await projects.get_project(self._db, caller, project)
        _require(seen.my_role, role)
        project = ProjectRef(seen.id, None)  # whatever it is called by now
        user_id = await self._identity.find_user(kind, name)
        now = self._clock.now()
        wanted = Member(project_id=seen.id, user_id=user_id, role=role, create_time=now, update_time=now, version=1)
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _MEMBER, now=now)
            if answered is not None:
                return answered
            there, my_role, _ = await store.get_member(tx, caller, project, user_id)
            _require(my_role, role)
            if there is None and await store.add(tx, wanted):
                there = wanted
                change = Change("role", None, role.value)
                await journal.record(tx, _activity(caller, wanted, Verb.MEMBER_ADDED, change))
            elif there is None:  # somebody was faster
                there, _, _ = await store.get_member(tx, caller, project, user_id)
            if there is None or there.role is not role:
                raise AlreadyMember
            await attempts.keep(tx, caller, _MEMBER, there)
        return there

    async def update_member(
        self, caller: Caller, project: ProjectRef, user_id: UserId, role: Role | None, *, etag: str
    ) -> Member:
        """Give a member another role. None leaves it.

        Raises:
            MemberNotFound: There is no such member.
            LastOwner: They are the project's only owner.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _MEMBER, now=now)
            if answered is not None:
                return answered
            locked = await projects.locked_for(tx, caller, project, lock_timeout=self._lock_timeout)
            member, my_role, owners = await store.get_member(tx, caller, locked, user_id)
            _require(my_role, role, member)
            if member is None:
                raise MemberNotFound
            member.expect(etag)
            changed = member.in_role(role or member.role, owners=owners, now=now)
            if changed is not member:
                await store.save(tx, changed, replacing=member.version)
                what = (*changes(member, changed), *await _owner_changes(tx, member, now=now))
                await journal.record(tx, _activity(caller, changed, Verb.MEMBER_UPDATED, *what))
            await attempts.keep(tx, caller, _MEMBER, changed)
        return changed

    async def remove_member(self, caller: Caller, project: ProjectRef, user_id: UserId, *, etag: str) -> None:
        """Take a member out. What they still have to do there is nobody's then, and whom they invited stays out.

        Raises:
            MemberNotFound: There is no such member.
            LastOwner: They are the project's only owner.
        """
        await self._remove(caller, project, user_id, etag=etag)

    async def transfer_project(self, caller: Caller, project: ProjectRef, user_id: UserId, *, etag: str) -> Project:
        """Give a project to another member. The giver becomes a maintainer; at no time is it nobody's.

        To give it to whose it is already changes nothing, unless one is an owner too.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            EtagMismatch: It has changed since the caller saw it.
            MemberNotFound: The receiver is not in it.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _PROJECT, now=now)
            if answered is not None:
                return answered
            locked = await projects.locked_for(tx, caller, project, lock_timeout=self._lock_timeout)
            given = await projects.get_project(tx, caller, locked)
            access.require(given.my_role)
            given.expect(etag)
            receiver, _, owners = await store.get_member(tx, caller, locked, user_id)
            if receiver is None:
                raise MemberNotFound
            owner = receiver.in_role(Role.OWNER, owners=owners, now=now)
            if owner is not receiver:
                await store.save(tx, owner, replacing=receiver.version)
            giver, _, owners = await store.get_member(tx, caller, locked, caller.user_id)
            my_role = given.my_role
            gives = giver is not None and giver.user_id != user_id and giver.role is Role.OWNER
            if giver is not None and gives:
                await store.save(tx, giver.in_role(Role.MAINTAINER, owners=owners, now=now), replacing=giver.version)
                my_role = caller.role(Role.MAINTAINER)
            changed = given
            if gives or user_id != given.owner_id:
                changed = given.given_to(await profiles.person(tx, user_id), my_role=my_role, now=now)
                await projects.save(tx, changed, replacing=given.version)
                what = (Change("owner", str(given.owner_id), str(user_id)),)
                await journal.record(
                    tx,
                    Activity(project_id=given.id, actor=caller, verb=Verb.PROJECT_TRANSFERRED, changes=what, at=now),
                )
            await attempts.keep(tx, caller, _PROJECT, changed)
        return changed

    async def leave_project(self, caller: Caller, project: ProjectRef) -> None:
        """Take the caller out, whatever their role.

        Raises:
            MemberNotFound: They see the project without being in it.
            LastOwner: They are the project's only owner.
        """
        await self._remove(caller, project, caller.user_id, etag="")

    async def _remove(self, caller: Caller, project: ProjectRef, user_id: UserId, *, etag: str) -> None:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            if await attempts.first_answer(tx, caller, _MEMBER, now=now) is not None:
                return
            locked = await projects.locked_for(tx, caller, project, lock_timeout=self._lock_timeout)
            member, my_role, owners = await store.get_member(tx, caller, locked, user_id)
            if user_id == caller.user_id:
                access.require(my_role)
            else:
                _require(my_role, None, member)
            if member is None:
                raise MemberNotFound
            member.expect(etag)
            member.check_may_go(owners)
            await store.remove(tx, member)  # first: from here on they are given nothing
            released = await self._release(tx, caller, member.project_id, user_id, now=now)
            gone = replace(member, update_time=now)
            what = (Change("role", member.role.value, None), *await _owner_changes(tx, member, now=now))
            await journal.record(tx, _activity(caller, gone, Verb.MEMBER_REMOVED, *what), *released)
            await attempts.keep(tx, caller, _MEMBER, gone)


def _require(my_role: Role, role: Role | None, member: Member | None = None) -> None:
    """What the contract declares; and only owners deal with the role of owners."""
    access.require(my_role)
    if role is Role.OWNER or (member is not None and member.role is Role.OWNER):
        access.require_owner(my_role)


async def _owner_changes(tx: Transaction, before: Member, *, now: datetime) -> Sequence[Change]:
    """If a project was told to be theirs who was its owner, it is another owner's now, who has been one for longest."""
    if before.role is not Role.OWNER:
        return ()
    heir = await projects.replace_owner(tx, before.project_id, before.user_id, now=now)
    return () if heir is None else (Change("owner", str(before.user_id), str(heir)),)


def _activity(caller: Caller, member: Member, verb: Verb, *what: Change) -> Activity:
    return Activity(
        project_id=member.project_id,
        actor=caller,
        verb=verb,
        changes=(Change("user", None, str(member.user_id)), *what),
        at=member.update_time,
    )
