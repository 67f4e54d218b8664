"""What changes tasks."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.errors import part
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller, UserId
from work_service.attempts import store as attempts
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Verb, changes
from work_service.journal.domain import Change as FieldChange
from work_service.profiles import store as profiles
from work_service.profiles.domain import Person
from work_service.projects import store as projects
from work_service.projects.domain import NO_PROJECT, ProjectId, ProjectRef
from work_service.tags import store as tags
from work_service.tags.domain import Kind, LabelNotFound, TagId, TagRef
from work_service.tasks.domain import (
    AssigneeNotMember,
    Circular,
    ExternalIdTaken,
    NamedLinks,
    NewTask,
    Place,
    Status,
    Task,
    TaskEdit,
    TaskId,
    TaskNotFound,
    TaskRef,
)
from work_service.tasks.links import other_links, resolved
from work_service.tasks.store import assigning, linking, locking, reading, writing

_TASK = TypeAdapter(Task)
_ALONE = "task"  # where in a request that is about one

Change = Callable[[Transaction, Task], Awaitable[Task]]
"""What becomes of a task, under its lock."""


class TaskCommands:
    """One method per use case. Every change of a task goes through its lock, and none of them is lost."""

    def __init__(self, db: Database, clock: Clock, *, lock_timeout: timedelta) -> None:
        """Change `db`, at the time that `clock` says; wait for others for up to `lock_timeout`."""
        self._db = db
        self._clock = clock
        self._lock_timeout = lock_timeout

    async def create_task(self, caller: Caller, project: ProjectRef, new: NewTask, links: NamedLinks) -> Task:
        """Make a task. Its number is taken before the transaction: numbers are never given twice, but may be missing.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            ReferenceNotFound: The project does not have what the task shall be linked with.
            ExternalIdTaken: Another task has its external id.
        """
        # Before a number is taken.
        answered = await attempts.find_answer(self._db, caller, _TASK, now=self._clock.now())
        if answered is not None:
            return answered
        if project == NO_PROJECT:
            project = ProjectRef(await self._personal_project(caller), None)
        seen = await projects.get_project(self._db, caller, project)
        access.require(seen.my_role)
        numbers = await writing.next_numbers(self._db, seen.id, 1)
        now = self._clock.now()
        creator = await profiles.person(self._db, caller.user_id)
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TASK, now=now)
            if answered is not None:
                return answered
            (task,) = await made(tx, caller, seen.id, {_ALONE: (new, links)}, numbers, creator, now=now)
            await attempts.keep(tx, caller, _TASK, task)
        return task

    async def _personal_project(self, caller: Caller) -> ProjectId:
        """The caller's personal project. Whoever needs it first makes it, and of many at once one does."""
        found = await projects.find_personal(self._db, caller.user_id)
        if found is not None:
            return found
        project_id, now = ProjectId(new_id()), self._clock.now()
        async with self._db.transaction() as tx:
            if await projects.add_personal(tx, project_id, caller.user_id, now=now):
                made = Activity(project_id=project_id, actor=caller, verb=Verb.PROJECT_CREATED, at=now)
                await journal.record(tx, made)
                return project_id
        return await self._personal_project(caller)

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
        return await self._change(
            caller, project, ref, _at_once(lambda task: task.moved_to(status, now=now)), etag=etag
        )

    async def update_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, edit: TaskEdit, links: NamedLinks, *, etag: str
    ) -> Task:
        """Change some fields of a task, its status among them by the same rules as a transition.

        Raises:
            ReferenceNotFound: The project does not have what the task shall be linked with.
            Circular: The task would be a part of itself.
            ExternalIdTaken: Another task has its external id.
        """
        now = self._clock.now()

        async def edited(tx: Transaction, task: Task) -> Task:
            (linked,) = await resolved(tx, task.project_id, [(_ALONE, other_links(task, links))])
            return task.edited({**edit, **linked}, now=now)

        return await self._change(caller, project, ref, edited, etag=etag)

    async def assign_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, assignee: UserId | None, *, etag: str
    ) -> Task:
        """Put a task into a member's hands, or into nobody's.

        Raises:
            AssigneeNotMember: The assignee is not a member of the project.
        """
        now = self._clock.now()

        async def assigned(tx: Transaction, task: Task) -> Task:
            if assignee == task.assignee_id:
                return task
            person = None if assignee is None else await assigning.find_member(tx, task.project_id, assignee)
            if person is None and assignee is not None:
                raise AssigneeNotMember
            return task.assigned_to(person, now=now)

        return await self._change(caller, project, ref, assigned, etag=etag)

    async def attach_label(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, label: TagRef, *, etag: str
    ) -> Task:
        """Give a task a label more.

        Raises:
            LabelNotFound: The project has no such label.
            TooManyLabels: The task has as many as a task can have.
        """
        now = self._clock.now()

        async def labelled(tx: Transaction, task: Task) -> Task:
            return task.with_label(await _label(tx, task, label), now=now)

        return await self._change(caller, project, ref, labelled, etag=etag)

    async def detach_label(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, label: TagRef, *, etag: str
    ) -> Task:
        """Take a label from a task.

        Raises:
            LabelNotFound: The project has no such label.
        """
        now = self._clock.now()

        async def unlabelled(tx: Transaction, task: Task) -> Task:
            return task.without_label(await _label(tx, task, label), now=now)

        return await self._change(caller, project, ref, unlabelled, etag=etag)

    async def reorder_task(self, caller: Caller, project: ProjectRef, ref: TaskRef, place: Place, *, etag: str) -> Task:
        """Put a task right before or right after another one of its project.

        Raises:
            TaskNotFound: There is no such other task either.
            NoRoom: Too much was put there already.
        """
        now = self._clock.now()

        async def placed(tx: Transaction, task: Task) -> Task:
            found = await reading.find_ids(tx, task.project_id, [place.neighbour])
            if not found:
                raise TaskNotFound
            other = found[place.neighbour]
            if other == task.id:
                return task
            below, beside, above = await linking.neighbours(tx, task.project_id, task.id, other)
            low, high = (below, beside) if place.before else (beside, above)
            return task.placed(low, high, now=now)

        return await self._change(caller, project, ref, placed, etag=etag)

    async def delete_task(self, caller: Caller, project: ProjectRef, ref: TaskRef, *, etag: str) -> Task:
        """Delete a task: it cannot be seen any more."""
        now = self._clock.now()
        return await self._change(caller, project, ref, _at_once(lambda task: task.deleted(now=now)), etag=etag)

    async def undelete_task(self, caller: Caller, project: ProjectRef, ref: TaskRef) -> Task:
        """Bring a task back.

        Raises:
            TaskNotDeleted: It was never gone.
        """
        now = self._clock.now()
        return await self._change(
            caller, project, ref, _at_once(lambda task: task.undeleted(now=now)), deleted_too=True
        )

    async def move_task(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, destination: ProjectRef, *, etag: str
    ) -> Task:
        """Move a task to another project. Where it is already, it stays as it is.

        Raises:
            TaskNotFound: There is no such task that the caller may see.
            ProjectNotFound: There is no such other project either.
            ExternalIdTaken: Another task there has its external id.
        """
        # Before a number is taken.
        answered = await attempts.find_answer(self._db, caller, _TASK, now=self._clock.now())
        if answered is not None:
            return answered
        there = await projects.get_project(self._db, caller, destination)
        task, role = await reading.get_task(self._db, caller, project, ref)
        access.require(role)
        access.require(there.my_role)
        if there.id == task.project_id:
            number = task.number
        else:
            (number,) = await writing.next_numbers(self._db, there.id, 1)
        now = self._clock.now()

        async def moved(tx: Transaction, task: Task) -> Task:
            if there.id == task.project_id:
                return task
            access.require((await projects.get_project(tx, caller, ProjectRef(there.id, None))).my_role)
            await linking.lock_links(tx, task.project_id)
            await linking.unlink(tx, task.id, now=now)
            stays = task.assignee_id and await assigning.find_member(tx, there.id, task.assignee_id)
            return task.moved_into(there.id, number=number, assigned=bool(stays), now=now)

        return await self._change(caller, project, ref, moved, etag=etag)

    async def _change(
        self,
        caller: Caller,
        project: ProjectRef,
        ref: TaskRef,
        change: Change,
        *,
        etag: str = "",
        deleted_too: bool = False,
    ) -> Task:
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TASK, now=self._clock.now())
            if answered is not None:
                return answered
            locked = await locking.locked_for(
                tx, caller, project, ref, lock_timeout=self._lock_timeout, deleted_too=deleted_too
            )
            task, role = await locking.task_with_role(tx, caller, *locked, deleted_too=deleted_too)
            access.require(role)
            task.expect(etag)
            changed = (await keep(tx, caller, {_ALONE: (task, await change(tx, task))}))[_ALONE]
            await attempts.keep(tx, caller, _TASK, changed)
        return changed


async def released(
    tx: Transaction, actor: Caller, project_id: ProjectId, user_id: UserId, *, now: datetime
) -> Sequence[Activity]:
    """Take from somebody who goes what they still have to do. What is to be recorded of it, one activity per task."""
    return [
        Activity(
            project_id=project_id,
            task_id=task_id,
            actor=actor,
            verb=Verb.TASK_UNASSIGNED,
            changes=(FieldChange("assignee", str(user_id), None),),
            at=now,
        )
        for task_id in await assigning.release(tx, project_id, user_id, now=now)
    ]


def _at_once(change: Callable[[Task], Task]) -> Change:
    """A change that needs to know nothing but the task."""

    async def changed(_tx: Transaction, task: Task) -> Task:
        return change(task)

    return changed


async def _label(tx: Transaction, task: Task, ref: TagRef) -> TagId:
    found = await tags.held(tx, task.project_id, [(Kind.LABEL, ref)])
    if not found:
        raise LabelNotFound
    return found[Kind.LABEL, ref]


async def made(
    tx: Transaction,
    caller: Caller,
    project_id: ProjectId,
    wanted: Mapping[str, tuple[NewTask, NamedLinks]],
    numbers: Sequence[int],
    creator: Person,
    *,
    now: datetime,
) -> list[Task]:
    """New tasks, kept and told of, by where in the request each is.

    Raises:
        ReferenceNotFound: The project does not have what they shall be linked with.
        ExternalIdTaken: Another task has the external id of one of them.
    """
    links = await resolved(tx, project_id, [(path, links) for path, (_, links) in wanted.items()])
    tasks = [
        Task.created(
            new, linked, task_id=TaskId(new_id()), project_id=project_id, number=number, creator=creator, now=now
        )
        for (new, _), linked, number in zip(wanted.values(), links, numbers, strict=True)
    ]
    await _expect_free(tx, dict(zip(wanted, tasks, strict=True)))
    await begin(tx, caller, tasks)
    return tasks


async def begin(tx: Transaction, caller: Caller, tasks: Sequence[Task]) -> None:
    """Keep new tasks, wholes before their parts, and tell of them.

    Raises:
        ExternalIdTaken: Another task has the external id of one of them.
    """
    await writing.add(tx, *tasks)
    await journal.record(
        tx,
        *(
            Activity(
                project_id=task.project_id,
                task_id=task.id,
                actor=caller,
                verb=Verb.TASK_CREATED,
                at=task.create_time,
            )
            for task in tasks
        ),
    )


async def keep(
    tx: Transaction, caller: Caller, changed: Mapping[str, tuple[Task, Task]], *, no_circles: bool = False
) -> Mapping[str, Task]:
    """Keep what has become of tasks, and tell of it, by where in the request each is. Of what stayed, nothing.

    The answer is what they are then: who is not in the project any more does not get back what is reopened.

    `no_circles` says that none of them can be a part of itself once all is done that is under way.

    Raises:
        Circular: One of them would be a part of itself.
        ExternalIdTaken: Another task has the external id of one of them.
        ConcurrentModification: Somebody changed many tasks at once, one of these among them.
    """
    kept = {path: after for path, (_, after) in changed.items()}
    changed = {path: (before, after) for path, (before, after) in changed.items() if after is not before}
    if not changed:
        return kept
    changed = await _relieved(tx, changed)
    if _ALONE not in changed:
        await _exchange_external_ids(tx, changed)
    await writing.save(tx, *(after for _, after in changed.values()))
    parts = {
        after.id: path
        for path, (before, after) in changed.items()
        if not no_circles and after.parent_id not in {None, before.parent_id}
    }
    circular = await linking.in_a_circle(tx, parts) if parts else ()
    for task_id, path in parts.items():
        if task_id in circular:
            raise Circular(f"{path}.parent")
    await journal.record(tx, *(told for pair in changed.values() for told in _activities(caller, *pair)))
    return kept | {path: after for path, (_, after) in changed.items()}


async def _relieved(tx: Transaction, changed: Mapping[str, tuple[Task, Task]]) -> Mapping[str, tuple[Task, Task]]:
    """The same; what is reopened is nobody's if whose it was is gone, who had nothing left to do when they went."""
    theirs = {
        path: (before, after)
        for path, (before, after) in changed.items()
        if after.assignee_id is not None and after.is_reopened(before)
    }
    if not theirs:
        return changed
    (project_id,) = {after.project_id for _, after in theirs.values()}
    assignees = {after.assignee_id for _, after in theirs.values() if after.assignee_id is not None}
    there = await assigning.find_members(tx, project_id, assignees)
    nobodys = {
        path: (before, replace(after, assignee_id=None))
        for path, (before, after) in theirs.items()
        if after.assignee_id not in there
    }
    return {**changed, **nobodys}


async def _exchange_external_ids(tx: Transaction, changed: Mapping[str, tuple[Task, Task]]) -> None:
    """Let tasks hand their external ids to each other, in whatever order they are saved.

    Raises:
        ExternalIdTaken: Another task has the external id of one of them.
    """
    others = {path: pair for path, pair in changed.items() if pair[0].external_id != pair[1].external_id}
    given_away = [before.id for before, _ in others.values() if before.external_id is not None]
    if given_away:
        await writing.take_external_ids(tx, given_away)
    await _expect_free(tx, {path: after for path, (_, after) in others.items()})


async def _expect_free(tx: Transaction, wanted: Mapping[str, Task]) -> None:
    """Say which task of several cannot have its external id: the constraint does not know where it is from.

    Raises:
        ExternalIdTaken: Another task has it.
    """
    named = {path: task.external_id for path, task in wanted.items() if task.external_id is not None}
    if not named or _ALONE in named:
        return
    (project_id,) = {task.project_id for task in wanted.values()}
    taken = await writing.external_ids_taken(tx, project_id, named.values())
    for path, external_id in named.items():
        with part(path.removesuffix(".task")):
            if external_id in taken:
                raise ExternalIdTaken
        taken.add(external_id)


def _activities(caller: Caller, before: Task, after: Task) -> Iterator[Activity]:
    """What is told where a task is, and where it was: that project has a task less."""
    told = Activity(
        project_id=after.project_id,
        task_id=after.id,
        actor=caller,
        verb=_verb(before, after),
        changes=changes(before, after),
        at=after.update_time,
    )
    yield told
    if after.project_id != before.project_id:
        task = FieldChange("task", str(before.id), None)
        yield replace(told, project_id=before.project_id, task_id=None, changes=(task, *told.changes))


def _verb(before: Task, after: Task) -> Verb:
    """What a change is called: after the weightiest thing in it."""
    if after.project_id != before.project_id:
        return Verb.TASK_MOVED
    if after.delete_time != before.delete_time:
        return Verb.TASK_RESTORED if after.delete_time is None else Verb.TASK_DELETED
    if after.status is not before.status:
        return Verb.TASK_COMPLETED if after.status is Status.DONE else Verb.TASK_TRANSITIONED
    if after.assignee_id != before.assignee_id:
        return Verb.TASK_UNASSIGNED if after.assignee_id is None else Verb.TASK_ASSIGNED
    return Verb.TASK_UPDATED
