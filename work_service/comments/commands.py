"""What changes comments."""

from datetime import datetime

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller
from work_service.attempts import store as attempts
from work_service.comments import store
from work_service.comments.domain import Comment, CommentId, NotTheAuthor
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb
from work_service.profiles import store as profiles
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import TaskRef
from work_service.tasks.store import reading

_COMMENT = TypeAdapter(Comment)


class CommentCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def create_comment(self, caller: Caller, project: ProjectRef, ref: TaskRef, text: str) -> Comment:
        """Say something about a task.

        Raises:
            TaskNotFound: There is no such task that the caller may see.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _COMMENT, now=now)
            if answered is not None:
                return answered
            task, role = await reading.get_held(tx, caller, project, ref)
            access.require(role)
            comment = Comment(
                id=CommentId(new_id()),
                project_id=task.project_id,
                task_id=task.id,
                author_id=caller.user_id,
                text=text,
                create_time=now,
                update_time=now,
                people={caller.user_id: await profiles.person(tx, caller.user_id)},
            )
            await store.add(tx, comment)
            await journal.record(tx, _activity(caller, comment, Verb.COMMENT_CREATED, None, text, now))
            await attempts.keep(tx, caller, _COMMENT, comment)
        return comment

    async def update_comment(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, comment_id: CommentId, text: str, *, etag: str
    ) -> Comment:
        """Say something else instead. What it says already changes nothing.

        Raises:
            CommentNotFound: There is no such comment that the caller may see.
            NotTheAuthor: Somebody else said it.
            EtagMismatch: It has changed since the caller saw it.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _COMMENT, now=now)
            if answered is not None:
                return answered
            comment, role = await store.get_locked(tx, caller, project, ref, comment_id)
            access.require(role)
            if comment.author_id != caller.user_id:
                raise NotTheAuthor
            comment.expect(etag)
            changed = comment.saying(text, now=now)
            if changed is not comment:
                await store.save(tx, changed)
                await journal.record(
                    tx, _activity(caller, changed, Verb.COMMENT_UPDATED, comment.text, changed.text, now)
                )
            await attempts.keep(tx, caller, _COMMENT, changed)
        return changed

    async def delete_comment(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, comment_id: CommentId, *, etag: str
    ) -> None:
        """Remove a comment: its author may, and whoever leads the project.

        Raises:
            CommentNotFound: There is no such comment that the caller may see.
            NotTheAuthor: Somebody else said it.
            EtagMismatch: It has changed since the caller saw it.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            if await attempts.first_answer(tx, caller, _COMMENT, now=now) is not None:
                return
            comment, role = await store.get_locked(tx, caller, project, ref, comment_id)
            access.require(role)
            if comment.author_id != caller.user_id and not access.leads(role):
                raise NotTheAuthor
            comment.expect(etag)
            await store.remove(tx, comment)
            await journal.record(tx, _activity(caller, comment, Verb.COMMENT_DELETED, comment.text, None, now))
            await attempts.keep(tx, caller, _COMMENT, comment)


def _activity(
    caller: Caller, comment: Comment, verb: Verb, old: str | None, new: str | None, now: datetime
) -> Activity:
    return Activity(
        project_id=comment.project_id,
        task_id=comment.task_id,
        actor=caller,
        verb=verb,
        changes=(Change("comment", None, str(comment.id)), Change("text", old, new)),
        at=now,
    )
