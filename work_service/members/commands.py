"""What changes who is in a project."""

from dataclasses import replace
from datetime import timedelta

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database
from work_service import access
from work_service.access import Caller, Role, UserId
from work_service.attempts import store as attempts
from work_service.identity import Identity, Kind
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb, changes
from work_service.members import store
from work_service.members.domain import AlreadyMember, Member, MemberNotFound
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef

_MEMBER = TypeAdapter(Member)


class MemberCommands:
    """One method per use case. Whoever could leave a project without an owner goes through the project's lock."""

    def __init__(self, db: Database, clock: Clock, identity: Identity, *, lock_timeout: timedelta) -> None:
        """People are found at `identity`."""
        self._db = db
        self._clock = clock
        self._identity = identity
        self._lock_timeout = lock_timeout

    async def add_member(self, caller: Caller, project: ProjectRef, kind: Kind, name: str, role: Role) -> Member:
        """Add a person. The caller's right is looked at before identity is asked, and again when they are added.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            UserNotFound: There is no such person.
            IdentityUnavailable: Nobody can say whether there is. Nothing is done.
            AlreadyMember: They are in the project already, in another role.
        """
        answered = await attempts.find_answer(self._db, caller, _MEMBER)  # before identity is asked
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
                await journal.record(tx, _activity(caller, changed, Verb.MEMBER_UPDATED, *changes(member, changed)))
            await attempts.keep(tx, caller, _MEMBER, changed)
        return changed

    async def remove_member(self, caller: Caller, project: ProjectRef, user_id: UserId, *, etag: str) -> None:
        """Take a member out.

        Raises:
            MemberNotFound: There is no such member.
            LastOwner: They are the project's only owner.
        """
        await self._remove(caller, project, user_id, etag=etag)

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
            await store.remove(tx, member)
            gone = replace(member, update_time=now)
            change = Change("role", member.role.value, None)
            await journal.record(tx, _activity(caller, gone, Verb.MEMBER_REMOVED, change))
            await attempts.keep(tx, caller, _MEMBER, gone)


def _require(my_role: Role, role: Role | None, member: Member | None = None) -> None:
    """What the contract declares; and only owners deal with the role of owners."""
    access.require(my_role)
    if role is Role.OWNER or (member is not None and member.role is Role.OWNER):
        access.require_owner(my_role)


def _activity(caller: Caller, member: Member, verb: Verb, *what: Change) -> Activity:
    return Activity(
        project_id=member.project_id,
        actor=caller,
        verb=verb,
        changes=(Change("user", None, str(member.user_id)), *what),
        at=member.update_time,
    )
