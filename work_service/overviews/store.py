"""Projects with how much there is in them: one statement, however many they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, func, select, true

from chassis.database import Database
from work_service.access import Caller
from work_service.overviews.domain import Counts, Overview
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectNotFound, ProjectRef, State
from work_service.tables import members, tasks
from work_service.tasks.domain import OPEN
from work_service.tasks.store.rows import TASK_IS_LIVE


def _counted(find: Select[Any]) -> Select[Any]:
    """What a statement finds, beside what is counted for each of these, and for no others."""
    found = find.subquery("found")
    there = select(func.count().label("member_count")).where(members.c.project_id == found.c.id).lateral("there")
    is_open = tasks.c.status.in_(sorted(OPEN))
    to_do = (
        select(func.count().label("task_count"), func.count().filter(is_open).label("open_task_count"))
        .where(tasks.c.project_id == found.c.id, TASK_IS_LIVE)
        .lateral("to_do")
    )
    counted = select(*found.c, *there.c, *to_do.c).select_from(found.join(there, true()).join(to_do, true()))
    return counted.order_by(found.c.id.desc())


# By whether it is counted.
GET: Mapping[bool, Mapping[tuple[bool, bool], Select[Any]]] = {
    False: projects_store.GET,
    True: {how: _counted(get) for how, get in projects_store.GET.items()},
}
LIST: Mapping[bool, Mapping[bool, Select[Any]]] = {
    False: projects_store.LIST,
    True: {deleted_too: _counted(listing) for deleted_too, listing in projects_store.LIST.items()},
}


async def get_project(db: Database, caller: Caller, ref: ProjectRef, *, deleted_too: bool, counted: bool) -> Overview:
    """The project as the caller sees it; ProjectNotFound to anyone outside of it."""
    row = await db.find_one(GET[counted][ref.id is not None, deleted_too], **projects_store.meant(ref, caller))
    if row is None:
        raise ProjectNotFound
    return _overview(row, caller, counted=counted)


async def list_projects(
    db: Database,
    caller: Caller,
    *,
    before: ProjectId,
    limit: int,
    deleted_too: bool,
    state: State | None,
    counted: bool,
) -> Sequence[Overview]:
    """Up to `limit` projects, in one state or in any, that the caller may see and that are older, newest first."""
    seen = projects_store.seen_by(caller)
    rows = await db.fetch_all(LIST[counted][deleted_too], before=before, limit=limit, state=state, **seen)
    return [_overview(row, caller, counted=counted) for row in rows]


def _overview(row: Row[Any], caller: Caller, *, counted: bool) -> Overview:
    project = projects_store.project_of(row, caller)
    if not counted:
        return Overview(project)
    counts = Counts(member_count=row.member_count, task_count=row.task_count, open_task_count=row.open_task_count)
    return Overview(project, counts)
