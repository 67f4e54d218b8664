"""What imports tasks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import ConcurrentModification, Database, Transaction
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller, ProjectArchived
from work_service.attempts import store as attempts
from work_service.imports import store
from work_service.imports.domain import File, Outcome, Plan, Violations
from work_service.profiles import store as profiles
from work_service.profiles.domain import Person
from work_service.projects import store as projects
from work_service.projects.domain import ProjectId, ProjectRef, State
from work_service.tasks.commands import begin, keep
from work_service.tasks.domain import IllegalTransition, Links, Task, TaskId
from work_service.tasks.links import known_tags, meant_tags, unknown_tags
from work_service.tasks.store import linking, writing

CHUNK = 200
"""Tasks that are held, and written in one statement, at a time: they may be much larger than what was sent of them."""

T = TypeVar("T")

_OUTCOME = TypeAdapter(Outcome)
_SOON = timedelta(milliseconds=100)


class ImportCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock, *, lock_timeout: timedelta) -> None:
        """Change `db`, at the time that `clock` says; wait for others for up to `lock_timeout`."""
        self._db = db
        self._clock = clock
        self._lock_timeout = lock_timeout

    async def admit(self, caller: Caller, project: ProjectRef) -> ProjectId:
        """Which project is meant. Asked before the rest is read, so that a stranger is refused at once.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            ProjectArchived: It is archived.
        """
        return await _open(self._db, caller, project)

    async def import_tasks(self, caller: Caller, project_id: ProjectId, file: File) -> Outcome:
        """Make tasks of lines, or change them: all of them, or none.

        Raises:
            InvalidArgument: Something is wrong with them; every line is named of which it is so. Not with
                `validate_only`: then it is told in the outcome.
            ImportLocked: Others were importing for all the time that we wait.
            LockTimeout: Others were changing one of the tasks for all that time.
            ConcurrentModification: Others have changed which tasks there are since they were looked for.
        """
        # Before numbers are taken.
        answered = await attempts.find_answer(self._db, caller, _OUTCOME, now=self._clock.now())
        if answered is not None:
            return answered
        if not file.validate_only:
            file.violations.check()
        numbers = await self._numbers(project_id, file)
        creator = await profiles.person(self._db, caller.user_id) if numbers else Person(caller.user_id)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _OUTCOME, now=now)
            if answered is not None:
                return answered
            await store.lock(tx, project_id, lock_timeout=self._lock_timeout)
            await _open(tx, caller, ProjectRef(project_id, None))
            if any(line.parent for line in file.lines):
                await linking.lock_links(tx, project_id)  # first: what is found then stays where it is
            plan = Plan(file, await store.register(tx, project_id, _names(file)), _ids())
            links = await _links(tx, project_id, plan, file)
            if not file.validate_only:
                file.violations.check()
            await store.hold(tx, project_id, plan.known)
            if not file.validate_only:
                new = _made(project_id, plan, links, numbers, creator, now=now)
                for some in _chunks(new):
                    await begin(tx, caller, some)
            updated = unchanged = 0
            for ids in _chunks(sorted(plan.known.keys() & links.keys())):
                pairs = await _edited(tx, project_id, plan, links, ids, file.violations, now=now)
                changed = sum(after is not before for before, after in pairs.values())
                updated, unchanged = updated + changed, unchanged + len(pairs) - changed
                if not file.validate_only:
                    file.violations.check()
                    await keep(tx, caller, pairs, no_circles=True)
            outcome = Outcome(
                created=len(plan.new.keys() & links.keys()),
                updated=updated,
                unchanged=unchanged,
                skipped=sum(line.left_out for line in file.lines),
                violations=file.violations.kept,
                violation_count=file.violations.count,
            )
            await attempts.keep(tx, caller, _OUTCOME, outcome)
        return outcome

    async def _numbers(self, project_id: ProjectId, file: File) -> Sequence[int]:
        """One for each task that is new, as it looks now: numbers are never given twice, but may be missing."""
        if file.validate_only:
            return ()
        register = await store.register(self._db, project_id, _names(file))
        new = Plan(replace(file, violations=Violations()), register, _ids()).new
        return await writing.next_numbers(self._db, project_id, len(new)) if new else ()


async def _open(db: Database | Transaction, caller: Caller, ref: ProjectRef) -> ProjectId:
    """A project that tasks may be imported into. The journal refuses one that is archived meanwhile."""
    project = await projects.get_project(db, caller, ref)
    access.require(project.my_role)
    if project.state is State.ARCHIVED:
        raise ProjectArchived
    return project.id


def _names(file: File) -> Collection[str]:
    """Everything that tasks are called in an import."""
    usable = [line for line in file.lines if line.new is not None]
    return {name for line in usable for name in (line.key, line.parent) if name}


def _ids() -> Iterator[TaskId]:
    while True:
        yield TaskId(new_id())


def _chunks(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    return (all_of_them[start : start + CHUNK] for start in range(0, len(all_of_them), CHUNK))


async def _links(tx: Transaction, project_id: ProjectId, plan: Plan, file: File) -> Mapping[TaskId, Links]:
    """What tasks are linked with, as far as nothing is wrong with it. It stays so until the transaction ends."""
    meant = {**plan.known, **plan.new}
    known = await known_tags(tx, project_id, [line.tags for line in meant.values()])
    plan.check_circles(await store.wholes(tx, plan.moving) if plan.moving else {})
    links = {}
    for task_id, line in meant.items():
        violations = [*line.untitled(new=task_id in plan.new), *unknown_tags(line.path, line.tags, known)]
        file.violations.add(*violations)
        if not violations:
            links[task_id] = meant_tags(line.tags, known)
            if line.parent is not None:
                links[task_id]["parent_id"] = plan.parent_of(task_id)
    return links


def _made(
    project_id: ProjectId,
    plan: Plan,
    links: Mapping[TaskId, Links],
    numbers: Sequence[int],
    creator: Person,
    *,
    now: datetime,
) -> Sequence[Task]:
    """The new tasks, with numbers in the order of lines, wholes before their parts."""
    if len(plan.new) > len(numbers):
        raise ConcurrentModification(retry_after=_SOON)
    made = {}
    for (task_id, line), number in zip(plan.new.items(), numbers, strict=False):
        assert line.new is not None  # of a line with which anything is wrong, no task is made
        made[task_id] = Task.created(
            replace(line.new, external_id=line.key or None),
            links[task_id],
            task_id=task_id,
            project_id=project_id,
            number=number,
            creator=creator,
            now=now,
        )
    return [made[task_id] for task_id in plan.new_ones()]


async def _edited(
    tx: Transaction,
    project_id: ProjectId,
    plan: Plan,
    links: Mapping[TaskId, Links],
    ids: Sequence[TaskId],
    violations: Violations,
    *,
    now: datetime,
) -> Mapping[str, tuple[Task, Task]]:
    """Some of the tasks that are there, before and after, by the line that each comes of."""
    pairs = {}
    for task in await store.get_many(tx, project_id, ids):
        line = plan.known[task.id]
        try:
            pairs[line.path] = task, task.edited({**line.edit, **links[task.id]}, now=now)
        except IllegalTransition as refused:
            violations.add(line.violation("status", refused.preconditions[0].description, refused.reason))
    return pairs
