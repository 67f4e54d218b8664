"""What changes relations."""

from datetime import datetime

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database, Transaction
from work_service import access
from work_service.access import Caller
from work_service.attempts import store as attempts
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef
from work_service.relations import store
from work_service.relations.domain import (
    MOST_RELATIONS,
    ONE_WAY,
    CircularRelation,
    Kept,
    Kind,
    Relation,
    RelationNotFound,
    TooManyRelations,
)
from work_service.tasks.domain import Task, TaskNotFound, TaskRef
from work_service.tasks.store import linking, reading

_RELATION, _KEPT = TypeAdapter(Relation), TypeAdapter(Kept)


class RelationCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def add_relation(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, kind: Kind, other: TaskRef
    ) -> Relation:
        """Relate a task to another one of its project. What is so already stays as it is.

        Raises:
            TaskNotFound: There is no such task, or no such other one, that the caller may see.
            RelatedToItself: They are one task.
            CircularRelation: The other one has led back to the task already.
            TooManyRelations: One of them has as many as a task can have.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _RELATION, now=now)
            if answered is not None:
                return answered
            task, beside = await self._both(tx, caller, project, ref, other)
            kept = Kept.of(task.id, kind, beside.id)
            since = await store.since(tx, kept)
            if since is None:
                if kept.kind in ONE_WAY and await store.leads_back(tx, kept):
                    raise CircularRelation(kept.kind)
                if await store.most(tx, kept) >= MOST_RELATIONS:
                    raise TooManyRelations
                await store.add(tx, kept, caller.user_id, now=now)
                told = (Change("kind", None, kind.value), Change("other", None, str(beside.id)))
                await journal.record(tx, _activity(caller, task, Verb.RELATION_ADDED, *told, now=now))
            relation = Relation(
                kind=kind,
                other_id=beside.id,
                number=beside.number,
                title=beside.title,
                status=beside.status,
                create_time=since or now,
            )
            await attempts.keep(tx, caller, _RELATION, relation)
        return relation

    async def remove_relation(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, kind: Kind, other: TaskRef
    ) -> None:
        """Take a relation away.

        Raises:
            TaskNotFound: There is no such task, or no such other one, that the caller may see.
            RelationNotFound: They are not related like that.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            if await attempts.first_answer(tx, caller, _KEPT, now=now) is not None:
                return
            task, beside = await self._both(tx, caller, project, ref, other)
            kept = Kept.of(task.id, kind, beside.id)
            if not await store.remove(tx, kept):
                raise RelationNotFound
            told = (Change("kind", kind.value, None), Change("other", str(beside.id), None))
            await journal.record(tx, _activity(caller, task, Verb.RELATION_REMOVED, *told, now=now))
            await attempts.keep(tx, caller, _KEPT, kept)

    async def _both(
        self, tx: Transaction, caller: Caller, project: ProjectRef, ref: TaskRef, other: TaskRef
    ) -> tuple[Task, Task]:
        """The two tasks, neither of which leaves the project before the transaction ends."""
        seen = await projects.get_project(tx, caller, project)
        access.require(seen.my_role)
        await linking.lock_links(tx, seen.id)
        found, _ = await reading.get_many(tx, caller, ProjectRef(seen.id, None), [ref, other])
        if ref not in found or other not in found:
            raise TaskNotFound
        return found[ref], found[other]


def _activity(caller: Caller, task: Task, verb: Verb, *told: Change, now: datetime) -> Activity:
    return Activity(project_id=task.project_id, task_id=task.id, actor=caller, verb=verb, changes=told, at=now)
