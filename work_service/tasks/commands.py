"""What changes tasks."""

from collections.abc import Callable
from datetime import timedelta

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller, UserId
from work_service.attempts import store as attempts
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Verb, changes
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef
from work_service.tasks import store
from work_service.tasks.domain import AssigneeNotMember, NewTask, Status, Task, TaskEdit, TaskId, TaskRef

_TASK = TypeAdapter(Task)


class TaskCommands:
    """One method per use case. Every change of a task goes through its lock, and none of them is lost."""

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
        answered = await attempts.find_answer(self._db, caller, _TASK)  # before a number is taken
        if answered is not None:
            return answered
        seen = await projects.get_project(self._db, caller, project)
        access.require(seen.my_role)
        number = await store.next_number(self._db, seen.id)
        now = self._clock.now()
        task = Task.created(
            new, task_id=TaskId(new_id()), project_id=seen.id, number=number, creator=caller.user_id, now=now
        )
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TASK, now=now)
            if answered is not None:
                return answered
            await store.add(tx, task)
            await journal.record(
                tx, Activity(project_id=seen.id, task_id=task.id, actor=caller, verb=Verb.TASK_CREATED, at=now)
            )
            await attempts.keep(tx, caller, _TASK, task)
        return task

    async def transition_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, status: Status, *, etag: str
    ) -> Task:
        """Move a task, after those who came before. A move to where it is already changes nothing.

        Raises:
            TaskNotFound: There is no such task that the caller may see.
            TaskLocked: Others were changing it for all the time that we wait.
            EtagMismatch: It has changed since the caller saw it.
            IllegalTransition: It cannot move there from where it is.
        """
        now = self._clock.now()
        return await self._change(caller, project, ref, lambda task: task.moved_to(status, now=now), etag=etag)

    async def update_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, edit: TaskEdit, *, etag: str
    ) -> Task:
        """Change some fields of a task, its status among them by the same rules as a transition."""
        now = self._clock.now()
        return await self._change(caller, project, ref, lambda task: task.edited(edit, now=now), etag=etag)

    async def assign_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, assignee: UserId | None, *, etag: str
    ) -> Task:
        """Put a task into a member's hands, or into nobody's.

        Raises:
            AssigneeNotMember: The assignee is not a member of the project.
        """
        now = self._clock.now()
        return await self._change(caller, project, ref, lambda task: task.assigned_to(assignee, now=now), etag=etag)

    async def delete_task(self, caller: Caller, project: ProjectRef, ref: TaskRef, *, etag: str) -> Task:
        """Delete a task: it cannot be seen any more."""
        now = self._clock.now()
        return await self._change(caller, project, ref, lambda task: task.deleted(now=now), etag=etag)

    async def undelete_task(self, caller: Caller, project: ProjectRef, ref: TaskRef) -> Task:
        """Bring a task back.

        Raises:
            TaskNotDeleted: It was never gone.
        """
        now = self._clock.now()
        return await self._change(caller, project, ref, lambda task: task.undeleted(now=now), deleted_too=True)

    async def _change(
        self,
        caller: Caller,
        project: ProjectRef,
        ref: TaskRef,
        change: Callable[[Task], Task],
        *,
        etag: str = "",
        deleted_too: bool = False,
    ) -> Task:
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TASK, now=self._clock.now())
            if answered is not None:
                return answered
            task_id = await store.locked_for(
                tx, caller, project, ref, lock_timeout=self._lock_timeout, deleted_too=deleted_too
            )
            task, role = await store.task_with_role(tx, caller, task_id, deleted_too=deleted_too)
            access.require(role)
            task.expect(etag)
            changed = change(task)
            if changed is not task:
                await _check_assignee(tx, task, changed)
                await store.save(tx, changed, replacing=task.version)
                await journal.record(tx, _activity(caller, task, changed))
            await attempts.keep(tx, caller, _TASK, changed)
        return changed


async def _check_assignee(tx: Transaction, before: Task, after: Task) -> None:
    assignee = after.assignee_id
    if assignee is None or assignee == before.assignee_id:
        return
    if not await store.is_member(tx, after.project_id, assignee):
        raise AssigneeNotMember


def _activity(caller: Caller, before: Task, after: Task) -> Activity:
    return Activity(
        project_id=after.project_id,
        task_id=after.id,
        actor=caller,
        verb=_verb(before, after),
        changes=changes(before, after),
        at=after.update_time,
    )


def _verb(before: Task, after: Task) -> Verb:
    """What a change is called: after the weightiest thing in it."""
    if after.delete_time != before.delete_time:
        return Verb.TASK_RESTORED if after.delete_time is None else Verb.TASK_DELETED
    if after.status is not before.status:
        return Verb.TASK_COMPLETED if after.status is Status.DONE else Verb.TASK_TRANSITIONED
    if after.assignee_id != before.assignee_id:
        return Verb.TASK_UNASSIGNED if after.assignee_id is None else Verb.TASK_ASSIGNED
    return Verb.TASK_UPDATED
