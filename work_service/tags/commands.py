"""What changes categories and labels."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.ids import new_id
from work_service import access
from work_service.access import Caller
from work_service.attempts import store as attempts
from work_service.journal import store as journal
from work_service.journal.domain import Activity, Change, Verb, changes
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef, made_slugs
from work_service.tags import store
from work_service.tags.domain import GREY, Kind, NewTag, Tag, TagEdit, TagId, TagRef

_TAG = TypeAdapter(Tag)


class TagCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def create_tag(self, caller: Caller, project: ProjectRef, kind: Kind, new: NewTag) -> Tag:
        """Make a category or a label.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            CategoryNameTaken: Another one has its name. LabelNameTaken, if it is a label.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TAG, now=now)
            if answered is not None:
                return answered
            seen = await projects.get_project(tx, caller, project)
            access.require(seen.my_role)
            for slug in made_slugs(new.name, otherwise=kind.lower()):
                tag = Tag(
                    id=TagId(new_id()),
                    project_id=seen.id,
                    kind=kind,
                    name=new.name,
                    slug=slug,
                    color=new.color or GREY,
                    create_time=now,
                    update_time=now,
                )
                if await store.add(tx, tag):
                    break
            await journal.record(tx, _activity(caller, tag, "CREATED", Change("name", None, tag.name)))
            await attempts.keep(tx, caller, _TAG, tag)
        return tag

    async def update_tag(
        self, caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef, edit: TagEdit, *, etag: str
    ) -> Tag:
        """Give it another name or colour. What it has already changes nothing.

        Raises:
            CategoryNotFound: There is no such one that the caller may see. LabelNotFound, if it is a label.
            CategoryNameTaken: Another one has its name. LabelNameTaken, if it is a label.
            EtagMismatch: It has changed since the caller saw it.
        """
        now = self._clock.now()
        return await self._change(
            caller, project, kind, ref, lambda tag: tag.edited(edit, now=now), "UPDATED", etag=etag
        )

    async def delete_tag(self, caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef, *, etag: str) -> Tag:
        """Delete it, and take it from every task that has it."""
        now = self._clock.now()
        return await self._change(caller, project, kind, ref, lambda tag: tag.deleted(now=now), "DELETED", etag=etag)

    async def undelete_tag(self, caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef) -> Tag:
        """Bring it back: with its slug, or with another one if that was given away.

        Raises:
            CategoryNotDeleted: It was never gone. LabelNotDeleted, if it is a label.
            CategoryNameTaken: Another one has taken its name in the meantime. LabelNameTaken, if it is a label.
        """
        now = self._clock.now()
        return await self._change(
            caller, project, kind, ref, lambda tag: tag.undeleted(now=now), "RESTORED", deleted_too=True
        )

    async def _change(
        self,
        caller: Caller,
        project: ProjectRef,
        kind: Kind,
        ref: TagRef,
        change: Callable[[Tag], Tag],
        what: str,
        *,
        etag: str = "",
        deleted_too: bool = False,
    ) -> Tag:
        async with self._db.transaction() as tx:
            answered = await attempts.first_answer(tx, caller, _TAG, now=self._clock.now())
            if answered is not None:
                return answered
            tag, role = await store.get_locked(tx, caller, project, kind, ref, deleted_too=deleted_too)
            access.require(role)
            tag.expect(etag)
            changed = change(tag)
            if tag.delete_time is not None and changed.delete_time is None:
                changed = await _with_a_slug(tx, changed)
            if changed is not tag:
                await store.save(tx, changed)
                if changed.delete_time is not None:
                    await store.take_from_tasks(tx, changed, now=changed.update_time)
                await journal.record(tx, _activity(caller, changed, what, *changes(tag, changed)))
            await attempts.keep(tx, caller, _TAG, changed)
        return changed


async def _with_a_slug(tx: Transaction, tag: Tag) -> Tag:
    for slug in chain([tag.slug], made_slugs(tag.name, otherwise=tag.kind.lower())):
        if not await store.is_taken(tx, tag, slug):
            break
    return replace(tag, slug=slug)


def _activity(caller: Caller, tag: Tag, what: str, *changed: Change) -> Activity:
    return Activity(
        project_id=tag.project_id,
        actor=caller,
        verb=Verb[f"{tag.kind}_{what}"],
        changes=(Change(tag.kind.lower(), None, str(tag.id)), *changed),
        at=tag.update_time,
    )
