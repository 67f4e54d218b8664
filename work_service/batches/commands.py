"""What changes many tasks in one transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import part
from work_service import access
from work_service.access import Caller
from work_service.attempts import store as attempts
from work_service.batches.domain import Item, NamedTwice
from work_service.profiles import store as profiles
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef
from work_service.tasks.commands import keep, made
from work_service.tasks.domain import Links, NamedLinks, NewTask, Task, TaskId, TaskNotFound, TaskRef
from work_service.tasks.links import other_links, resolved
from work_service.tasks.store import locking, writing

_TASKS = TypeAdapter(list[Task])


class BatchCommands:
    """One method per use case. Locks are taken in one order; as many round trips do for a hundred as for one."""

    def __init__(self, db: Database, clock: Clock, *, lock_timeout: timedelta) -> None:
        """Change `db`, at the time that `clock` says; wait for others for up to `lock_timeout`."""
        self._db = db
        self._clock = clock
        self._lock_timeout = lock_timeout

    async def create_tasks(
        self, caller: Caller, project: ProjectRef, wanted: Sequence[tuple[NewTask, NamedLinks]]
    ) -> Sequence[Task]:
        """Make tasks, with numbers in their order.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            ReferenceNotFound: The project does not have what they shall be linked with.
            ExternalIdTaken: Another task has the external id of one of them.
        """
        # Before numbers are taken.
        answered = await attempts.find_answer(self._db, caller, _TASKS, now=self._clock.now())
        if answered is not None:
            return answered
        seen = await projects.get_project(self._db, caller, project)
        access.require(seen.my_role)
        numbers = await writing.next_numbers(self._db, seen.id, len(wanted))
        now = self._clock.now()
        creator = await profiles.person(self._db, caller.user_id)
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TASKS, now=now)
            if answered is not None:
                return answered
            by_path = {_path(place): each for place, each in enumerate(wanted)}
            tasks = await made(tx, caller, seen.id, by_path, numbers, creator, now=now)
            await attempts.keep(tx, caller, _TASKS, tasks)
        return tasks

    async def update_tasks(self, caller: Caller, project: ProjectRef, items: Sequence[Item]) -> Sequence[Task]:
        """Change some fields of tasks, their status among them by the same rules as a transition.

        Raises:
            TaskNotFound: One of them is not there, or the caller may not see it.
            NamedTwice: One of them is named twice.
            TaskLocked: Others were changing one of them for all the time that we wait.
            EtagMismatch: One of them has changed since the caller saw it.
            IllegalTransition: One of them cannot move there from where it is.
            ReferenceNotFound: The project does not have what one of them shall be linked with.
            Circular: One of them would be a part of itself.
            ExternalIdTaken: Another task has the external id of one of them.
        """
        now = self._clock.now()

        def edited(task: Task, item: Item, links: Links) -> Task:
            return task.edited({**item.edit, **links}, now=now)

        return await self._change(caller, project, items, edited)

    async def delete_tasks(self, caller: Caller, project: ProjectRef, items: Sequence[Item]) -> Sequence[Task]:
        """Delete tasks."""
        now = self._clock.now()
        return await self._change(caller, project, items, lambda task, _item, _links: task.deleted(now=now))

    async def _change(
        self,
        caller: Caller,
        project: ProjectRef,
        items: Sequence[Item],
        change: Callable[[Task, Item, Links], Task],
    ) -> Sequence[Task]:
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TASKS, now=self._clock.now())
            if answered is not None:
                return answered
            refs = [item.ref for item in items]
            with _or_none_is_there():
                project_id, locked = await locking.locked_many(
                    tx, caller, project, refs, lock_timeout=self._lock_timeout
                )
            ids = _named(refs, locked)
            with _or_none_is_there():
                found, role = await locking.tasks_with_role(tx, caller, project_id, ids)
            access.require(role)
            before = [_found(place, task_id, found) for place, task_id in enumerate(ids)]
            named = [other_links(task, item.links) for task, item in zip(before, items, strict=True)]
            links = await resolved(tx, project_id, [(_path(place), each) for place, each in enumerate(named)])
            after = []
            for place, (item, task, linked) in enumerate(zip(items, before, links, strict=True)):
                with part(f"requests[{place}]"):
                    task.expect(item.etag)
                    after.append(change(task, item, linked))
            pairs = zip(before, after, strict=True)
            kept = list((await keep(tx, caller, {_path(place): pair for place, pair in enumerate(pairs)})).values())
            await attempts.keep(tx, caller, _TASKS, kept)
        return kept


def _path(place: int) -> str:
    return f"requests[{place}].task"


@contextmanager
def _or_none_is_there() -> Iterator[None]:
    """Where none of the tasks is found, it is the first that is missed first."""
    try:
        yield
    except TaskNotFound as outcome:
        outcome.within("requests[0]")
        raise


def _named(refs: Sequence[TaskRef], locked: Mapping[TaskRef, TaskId]) -> Sequence[TaskId]:
    places: dict[TaskId, int] = {}
    for place, ref in enumerate(refs):
        with part(f"requests[{place}]"):
            if ref not in locked:
                raise TaskNotFound
        if locked[ref] in places:
            raise NamedTwice(place, places[locked[ref]])
        places[locked[ref]] = place
    return list(places)


def _found(place: int, task_id: TaskId, found: Mapping[TaskId, Task]) -> Task:
    with part(f"requests[{place}]"):
        if task_id not in found:
            raise TaskNotFound
    return found[task_id]
