"""Categories and labels in the database, always as a caller sees them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    Update,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.database import Database, Transaction, refusals
from work_service.access import Caller, Role
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectNotFound, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import members, projects, tags, tasks
from work_service.tags.domain import Kind, Tag, TagId, TagRef
from work_service.together import changing

_COLUMNS = tuple(tags.c)
_SEEN = SEEN_PROJECTS.join(tags, tags.c.project_id == projects.c.id)
_IS_OF_KIND: ColumnElement[bool] = tags.c.kind == bindparam("kind")
_IS_LIVE: ColumnElement[bool] = tags.c.delete_time.is_(None)
_IS_MEANT: Mapping[bool, ColumnElement[bool]] = {
    True: tags.c.id == bindparam("tag"),
    False: and_(tags.c.slug == bindparam("tag"), _IS_LIVE),  # what was deleted may have lost its slug to another
}

How = tuple[bool, bool, bool]
"""Whether the project is named by id, whether the tag is, and whether deleted ones are looked for too."""

_GET: Mapping[How, Select[Any]] = {
    (project_by_id, by_id, deleted_too): select(*_COLUMNS, members.c.role)
    .select_from(_SEEN)
    .where(project_is_meant, IS_SEEN, _IS_OF_KIND, is_meant, true() if deleted_too else _IS_LIVE)
    for project_by_id, project_is_meant in BY_REF.items()
    for by_id, is_meant in _IS_MEANT.items()
    for deleted_too in (False, True)
}
_LOCK: Mapping[How, Select[Any]] = {how: get.with_for_update(of=tags) for how, get in _GET.items()}


def _listing(project_is_meant: ColumnElement[bool], *, deleted_too: bool) -> Select[Any]:
    """The caller's role in one row at least, so that an empty project is not mistaken for one that is not there."""
    seen = select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS).where(project_is_meant, IS_SEEN).subquery()
    page = (
        select(*_COLUMNS)
        .where(
            tags.c.project_id == seen.c.id,
            _IS_OF_KIND,
            tags.c.id > bindparam("after"),
            true() if deleted_too else _IS_LIVE,
        )
        .order_by(tags.c.id)
        .limit(bindparam("limit"))
        .lateral("page")
    )
    return select(seen.c.role, *page.c).select_from(seen.outerjoin(page, true())).order_by(page.c.id)


_LIST: Mapping[tuple[bool, bool], Select[Any]] = {
    (by_id, deleted_too): _listing(is_meant, deleted_too=deleted_too)
    for by_id, is_meant in BY_REF.items()
    for deleted_too in (False, True)
}
_ADD = (
    upsert(tags)
    .values({column.name: bindparam(column.name) for column in _COLUMNS})
    .on_conflict_do_nothing(index_elements=[tags.c.project_id, tags.c.kind, tags.c.slug], index_where=_IS_LIVE)
)
_SAVED = ("name", "slug", "color", "update_time", "delete_time", "version")
_SAVE = update(tags).values({name: bindparam(f"new_{name}") for name in _SAVED}).where(tags.c.id == bindparam("tag"))
_SLUG_IS_TAKEN = select(tags.c.id).where(
    tags.c.project_id == bindparam("project"), _IS_OF_KIND, tags.c.slug == bindparam("the_slug"), _IS_LIVE
)

_HAS_IT: Mapping[Kind, ColumnElement[bool]] = {
    Kind.CATEGORY: tasks.c.category_id == bindparam("tag"),
    Kind.LABEL: tasks.c.labels.contains(array([bindparam("tag", type_=Uuid())])),
}
_WITHOUT_IT: Mapping[Kind, Mapping[str, Any]] = {
    Kind.CATEGORY: {"category_id": None},
    Kind.LABEL: {"labels": func.array_remove(tasks.c.labels, bindparam("tag", type_=Uuid()))},
}
_TAKE_AWAY: Mapping[Kind, Update] = {kind: changing(has_it, **_WITHOUT_IT[kind]) for kind, has_it in _HAS_IT.items()}
_HOLD = (
    select(tags.c.id, tags.c.kind, tags.c.slug)
    .where(
        tags.c.project_id == bindparam("project"),
        _IS_LIVE,
        or_(
            tags.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            tags.c.slug == any_(bindparam("slugs", type_=ARRAY(Text))),
        ),
    )
    .order_by(tags.c.id)
    .with_for_update(read=True)
)


async def get_tag(
    db: Database, caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef, *, deleted_too: bool = False
) -> tuple[Tag, Role]:
    """It with the caller's role in its project; not found to anyone outside of it."""
    row = await db.find_one(_GET[_how(project, ref, deleted_too=deleted_too)], **_meant(caller, project, kind, ref))
    return _seen(row, caller, kind)


async def get_locked(
    tx: Transaction, caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef, *, deleted_too: bool = False
) -> tuple[Tag, Role]:
    """The same; whoever else wants to change it, or give it to a task, waits until the transaction ends."""
    row = await tx.find_one(_LOCK[_how(project, ref, deleted_too=deleted_too)], **_meant(caller, project, kind, ref))
    return _seen(row, caller, kind)


async def list_tags(
    db: Database, caller: Caller, project: ProjectRef, kind: Kind, *, after: TagId, limit: int, deleted_too: bool
) -> tuple[Sequence[Tag], Role]:
    """Up to `limit` of them that come after one, the oldest first, with the caller's role in the project.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    rows = await db.fetch_all(
        _LIST[project.id is not None, deleted_too],
        kind=kind.value,
        after=after,
        limit=limit,
        **projects_store.meant(project, caller),
    )
    if not rows:
        raise ProjectNotFound
    return [_tag(row) for row in rows if row.id is not None], caller.role(rows[0].role)


async def add(tx: Transaction, tag: Tag) -> bool:
    """Whether its slug was free; if it was, the tag is there now.

    Raises:
        CategoryNameTaken: Another one has its name. LabelNameTaken, if it is a label.
    """
    with _refusals(tag.kind):
        added = await tx.execute(_ADD, **{column.name: getattr(tag, column.name) for column in _COLUMNS})
    return added == 1


async def is_taken(tx: Transaction, tag: Tag, slug: str) -> bool:
    """Whether another one of its kind and project has that slug."""
    row = await tx.find_one(_SLUG_IS_TAKEN, project=tag.project_id, kind=tag.kind.value, the_slug=slug)
    return row is not None


async def save(tx: Transaction, tag: Tag) -> None:
    """Keep what a tag is now, under its lock.

    Raises:
        CategoryNameTaken: Another one has its name. LabelNameTaken, if it is a label.
    """
    with _refusals(tag.kind):
        await tx.execute(_SAVE, tag=tag.id, **{f"new_{name}": getattr(tag, name) for name in _SAVED})


async def take_from_tasks(tx: Transaction, tag: Tag, *, now: datetime) -> None:
    """No task has it any more; those that had it are one version on."""
    await tx.execute(_TAKE_AWAY[tag.kind], tag=tag.id, now=now)


async def held(
    tx: Transaction, project_id: ProjectId, refs: Collection[tuple[Kind, TagRef]]
) -> Mapping[tuple[Kind, TagRef], TagId]:
    """Which of these a project has. They are not deleted before the transaction ends."""
    rows = await tx.fetch_all(
        _HOLD,
        project=project_id,
        ids=[ref.id for _, ref in refs if ref.id is not None],
        slugs=[ref.slug for _, ref in refs if ref.slug is not None],
    )
    found = {}
    for row in rows:
        kind, tag_id = Kind(row.kind), TagId(row.id)
        found[kind, TagRef(tag_id, None)] = tag_id
        found[kind, TagRef(None, row.slug)] = tag_id
    return found


def _refusals(kind: Kind) -> AbstractContextManager[None]:
    return refusals({"tags_name_key": kind.name_taken, "tags_slug_key": kind.name_taken})


def _how(project: ProjectRef, ref: TagRef, *, deleted_too: bool) -> How:
    return project.id is not None, ref.id is not None, deleted_too


def _meant(caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef) -> dict[str, Any]:
    return projects_store.meant(project, caller) | {"kind": kind.value, "tag": ref.slug if ref.id is None else ref.id}


def _seen(row: Row[Any] | None, caller: Caller, kind: Kind) -> tuple[Tag, Role]:
    if row is None:
        raise kind.not_found
    return _tag(row), caller.role(row.role)


def _tag(row: Row[Any]) -> Tag:
    return Tag(
        id=TagId(row.id),
        project_id=ProjectId(row.project_id),
        kind=Kind(row.kind),
        name=row.name,
        slug=row.slug,
        color=row.color,
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        version=row.version,
    )
