"""What changes projects."""

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id
from work_service.access import Caller, Role
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Verb
from work_service.projects import store
from work_service.projects.domain import NewProject, Project, ProjectId, SlugTaken


class ProjectCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`, at the time that `clock` says."""
        self._db = db
        self._clock = clock

    async def create_project(self, caller: Caller, new: NewProject) -> Project:
        """Make a project whose owner is the caller.

        Raises:
            SlugTaken: Another project has the slug that was asked for.
        """
        project_id, now = ProjectId(new_id()), self._clock.now()
        async with self._db.transaction() as tx:
            for slug in new.slugs():
                if await store.add(tx, project_id, new, slug, caller.user_id, now=now):
                    break
            else:
                raise SlugTaken(metadata={"slug": new.slug})
            activity = Activity(project_id=project_id, actor=caller, verb=Verb.PROJECT_CREATED, at=now)
            await journal.record(tx, activity)
        return Project(
            id=project_id,
            slug=slug,
            title=new.title,
            description=new.description,
            owner_id=caller.user_id,
            my_role=Role.OWNER,
            create_time=now,
            update_time=now,
            version=1,
        )
