"""What changes tasks."""

from datetime import timedelta

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Verb
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef
from work_service.tasks import store
from work_service.tasks.domain import NewTask, Status, Task, TaskId, TaskRef, changes


class TaskCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock, *, lock_timeout: timedelta) -> None:
        """Change `db`, at the time that `clock` says; wait for others for up to `lock_timeout`."""
        self._db = db
        self._clock = clock
        self._lock_timeout = lock_timeout

    async def create_task(self, caller: Caller, project: ProjectRef, new: NewTask) -> Task:
        """Make a task. Its number is taken before the transaction: numbers are never given twice, but may be missing.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
        """
        seen = await projects.get_project(self._db, caller, project)
        access.require(seen.my_role)
        number = await store.next_number(self._db, seen.id)
        now = self._clock.now()
        task = Task.created(
            new, task_id=TaskId(new_id()), project_id=seen.id, number=number, creator=caller.user_id, now=now
        )
        async with self._db.transaction() as tx:
            await store.add(tx, task)
            await journal.record(
                tx, Activity(project_id=seen.id, task_id=task.id, actor=caller, verb=Verb.TASK_CREATED, at=now)
            )
        return task

    async def transition_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, status: Status, *, etag: str
    ) -> Task:
        """Move a task, after those who came before. A move to where it is already changes nothing.

        Raises:
            TaskNotFound: There is no such task that the caller may see.
            TaskLocked: Others were moving it for all the time that we wait.
            EtagMismatch: It has changed since the caller saw it.
            IllegalTransition: It cannot move there from where it is.
        """
        async with self._db.transaction() as tx:
            task_id = await store.locked_for(tx, caller, project, ref, lock_timeout=self._lock_timeout)
            task, role = await store.task_with_role(tx, caller, task_id)
            access.require(role)
            task.expect(etag)
            moved = task.moved_to(status, now=self._clock.now())
            if moved is not task:
                await store.save(tx, moved, replacing=task.version)
                await journal.record(tx, _moved(caller, task, moved))
        return moved


def _moved(caller: Caller, before: Task, after: Task) -> Activity:
    return Activity(
        project_id=after.project_id,
        task_id=after.id,
        actor=caller,
        verb=Verb.TASK_COMPLETED if after.status is Status.DONE else Verb.TASK_TRANSITIONED,
        changes=tuple(changes(before, after)),
        at=after.update_time,
    )
