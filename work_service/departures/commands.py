"""What becomes of what somebody had."""

import contextlib
from dataclasses import replace
from datetime import timedelta

import structlog

from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import Aborted
from chassis.ids import new_id
from work_service.access import Caller, Role
from work_service.departures import store
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb
from work_service.members import store as members
from work_service.members.commands import Release
from work_service.profiles.domain import Person
from work_service.projects import store as projects
from work_service.projects.domain import ProjectId, ProjectNotFound, ProjectRef

log = structlog.get_logger()


class Departures:
    """Settles what those leave behind who are gone: as identity's feed has it, not at anybody's call.

    Each process may, at any time and at once: a project is settled under its lock, and who is not in it any more has
    nothing left there. What cannot be settled now is tried again.
    """

    def __init__(self, db: Database, clock: Clock, release: Release, *, lock_timeout: timedelta) -> None:
        """What they had is taken from them by `release`."""
        self._db = db
        self._clock = clock
        self._release = release
        self._lock_timeout = lock_timeout

    async def settle(self) -> None:
        """Give what they had to others: everybody's who is gone."""
        for user_id, place in await store.leaving(self._db):
            gone = Caller(user_id=user_id, everywhere=None, request_id=str(new_id()))
            try:
                for project_id in await store.projects_of(self._db, user_id):
                    with contextlib.suppress(ProjectNotFound):  # another process was faster
                        await self._leave(gone, project_id)
                for project_id in await store.invited_to(self._db, user_id):
                    with contextlib.suppress(ProjectNotFound):
                        await self._withdraw(gone, project_id)
            except Aborted as error:
                log.warning("somebody who is gone is settled later", user_id=str(user_id), reason=error.reason)
            else:
                await store.settled(self._db, user_id, place)

    async def _withdraw(self, gone: Caller, project_id: ProjectId) -> None:
        """Take back the invitations of somebody who is no member: managers and administrators invite everywhere.

        Raises:
            ProjectNotFound: It is gone, and the invitations with it.
        """
        now, everywhere = self._clock.now(), replace(gone, everywhere=Role.OWNER)
        async with self._db.transaction() as tx:
            ref = ProjectRef(project_id, None)
            await projects.locked_for(tx, everywhere, ref, lock_timeout=self._lock_timeout, deleted_too=True)
            if await store.is_leaving(tx, gone.user_id):
                released = await self._release(tx, gone, project_id, gone.user_id, now=now)
                if released:
                    await journal.record(tx, *(replace(activity, closed_too=True) for activity in released))

    async def _leave(self, gone: Caller, project_id: ProjectId) -> None:
        """Let somebody leave a project, whatever its state: it is given to an heir, or archived, before it is nobody's.

        Who is the only owner of what is archived stays its owner: if they come back, it is theirs.

        Raises:
            ProjectNotFound: They are not in it any more.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            ref = ProjectRef(project_id, None)
            locked = await projects.locked_for(tx, gone, ref, lock_timeout=self._lock_timeout, deleted_too=True)
            if not await store.hold(tx, project_id, gone.user_id):
                return
            # Before their project, as everybody takes them.
            released = await self._release(tx, gone, project_id, gone.user_id, now=now)
            told = [replace(activity, closed_too=True) for activity in released]
            project = await projects.get_held(tx, gone, locked, deleted_too=True)
            bequest = await store.get_bequest(tx, project_id, gone.user_id)
            member, heir = bequest.member, bequest.heir
            happened = Activity(project_id=project_id, actor=gone, verb=Verb.MEMBER_REMOVED, at=now, closed_too=True)
            if bequest.needs_an_owner and heir is None:
                changed = project.archived(now=now)
                if changed is not project:
                    state = Change("state", project.state, changed.state)
                    told.append(replace(happened, verb=Verb.PROJECT_ARCHIVED, changes=(state,)))
                    await projects.save(tx, changed, replacing=project.version)
            else:
                owner = Change("owner", str(project.owner_id), None)
                if bequest.needs_an_owner and heir is not None:
                    await members.save(tx, heir.in_role(Role.OWNER, owners=2, now=now), replacing=heir.version)
                    changed = project.given_to(Person(heir.user_id), my_role=project.my_role, now=now)
                    await projects.save(tx, changed, replacing=project.version)
                    told.append(
                        replace(
                            happened,
                            verb=Verb.PROJECT_TRANSFERRED,
                            changes=(replace(owner, new=str(heir.user_id)),),
                        )
                    )
                await members.remove(tx, member)
                user, role = Change("user", None, str(gone.user_id)), Change("role", member.role, None)
                other = await projects.replace_owner(tx, project_id, gone.user_id, now=now)
                what = (user, role) if other is None else (user, role, replace(owner, new=str(other)))
                told.append(replace(happened, changes=what))
            if told:
                await journal.record(tx, *told)
