"""What changes projects."""

from collections.abc import Callable
from datetime import timedelta

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller, Role
from work_service.attempts import store as attempts
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Verb, changes
from work_service.profiles import store as profiles
from work_service.projects import store
from work_service.projects.domain import NewProject, Project, ProjectEdit, ProjectId, ProjectRef, SlugTaken

_PROJECT = TypeAdapter(Project)


class ProjectCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock, *, lock_timeout: timedelta, kept_for: timedelta) -> None:
        """Change `db`, at the time that `clock` says; wait for others for up to `lock_timeout`.

        What was deleted can be brought back for as long as it is `kept_for`.
        """
        self._db = db
        self._clock = clock
        self._lock_timeout = lock_timeout
        self._kept_for = kept_for

    async def create_project(self, caller: Caller, new: NewProject) -> Project:
        """Make a project whose owner is the caller.

        Raises:
            SlugTaken: Another project has the slug that was asked for.
        """
        project_id, now = ProjectId(new_id()), self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _PROJECT, now=now)
            if answered is not None:
                return answered
            for slug in new.slugs():
                if await store.add(tx, project_id, new, slug, caller.user_id, now=now):
                    break
            else:
                raise SlugTaken(metadata={"slug": new.slug})
            project = Project(
                id=project_id,
                slug=slug,
                title=new.title,
                description=new.description,
                owner_id=caller.user_id,
                my_role=Role.OWNER,
                create_time=now,
                update_time=now,
                delete_time=None,
                version=1,
                state=new.state,
                people={caller.user_id: await profiles.person(tx, caller.user_id)},
            )
            await journal.record(tx, Activity(project_id=project_id, actor=caller, verb=Verb.PROJECT_CREATED, at=now))
            await attempts.keep(tx, caller, _PROJECT, project)
        return project

    async def update_project(self, caller: Caller, ref: ProjectRef, edit: ProjectEdit, *, etag: str) -> Project:
        """Change some fields of a project. To what they are already changes nothing.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            EtagMismatch: It has changed since the caller saw it.
            SlugTaken: Another project has the slug that was asked for.
        """
        now = self._clock.now()
        return await self._change(
            caller, ref, lambda project: project.edited(edit, now=now), Verb.PROJECT_UPDATED, etag=etag
        )

    async def activate_project(self, caller: Caller, ref: ProjectRef, *, etag: str) -> Project:
        """Begin what was a draft.

        Raises:
            ProjectArchived: It has ended already.
        """
        now = self._clock.now()
        return await self._change(
            caller, ref, lambda project: project.activated(now=now), Verb.PROJECT_ACTIVATED, etag=etag
        )

    async def archive_project(self, caller: Caller, ref: ProjectRef, *, etag: str) -> Project:
        """Close a project: from now on nothing in it changes. Changes that are under way are waited for."""
        now = self._clock.now()
        return await self._change(
            caller, ref, lambda project: project.archived(now=now), Verb.PROJECT_ARCHIVED, etag=etag, closed_too=True
        )

    async def unarchive_project(self, caller: Caller, ref: ProjectRef, *, etag: str) -> Project:
        """Open an archived project again.

        Raises:
            ProjectNotArchived: It is a draft.
        """
        now = self._clock.now()
        return await self._change(
            caller, ref, lambda project: project.unarchived(now=now), Verb.PROJECT_UNARCHIVED, etag=etag
        )

    async def delete_project(self, caller: Caller, ref: ProjectRef, *, etag: str) -> Project:
        """Delete a project: it and everything in it cannot be seen any more."""
        now = self._clock.now()
        return await self._change(
            caller, ref, lambda project: project.deleted(now=now), Verb.PROJECT_DELETED, etag=etag, closed_too=True
        )

    async def undelete_project(self, caller: Caller, ref: ProjectRef) -> Project:
        """Bring a project back.

        Raises:
            ProjectNotDeleted: It was never gone.
            ProjectNotFound: There is no such project that the caller may see, or its time has come.
            SlugTaken: Another project has taken its slug in the meantime.
        """
        return await self._change(
            caller,
            ref,
            # As late as possible: what was waited for may have begun to remove what is in it.
            lambda project: project.undeleted(now=self._clock.now(), kept_for=self._kept_for),
            Verb.PROJECT_RESTORED,
            deleted_too=True,
            closed_too=True,
        )

    async def _change(
        self,
        caller: Caller,
        ref: ProjectRef,
        change: Callable[[Project], Project],
        verb: Verb,
        *,
        etag: str = "",
        deleted_too: bool = False,
        closed_too: bool = False,
    ) -> Project:
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _PROJECT, now=self._clock.now())
            if answered is not None:
                return answered
            locked = await store.locked_for(tx, caller, ref, lock_timeout=self._lock_timeout, deleted_too=deleted_too)
            get = store.get_held if closed_too else store.get_project  # a new title need not wait for anybody
            project = await get(tx, caller, locked, deleted_too=deleted_too)
            access.require(project.my_role)
            project.expect(etag)
            changed = change(project)
            if changed is not project:
                await store.save(tx, changed, replacing=project.version)
                await journal.record(
                    tx,
                    Activity(
                        project_id=project.id,
                        actor=caller,
                        verb=verb,
                        changes=changes(project, changed),
                        at=changed.update_time,
                        closed_too=closed_too,
                    ),
                )
            await attempts.keep(tx, caller, _PROJECT, changed)
        return changed
