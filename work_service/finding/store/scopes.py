"""Where tasks are looked for, and how what is found there becomes one page.

In one project: the caller's role comes along, in a row of its own if need be, so that a project without tasks is not
mistaken for one that is not there. In the caller's own projects: a page of each, and the first tasks of all of these;
what it costs depends on how many projects somebody has, and not on how many tasks there are. Or everywhere, for those
who may see everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam, select, true

from work_service.access import Caller
from work_service.finding.store.predicates import Project
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import ANYWHERE, members, projects, tasks


class Scope(Enum):
    """Where tasks are looked for."""

    PROJECT_BY_ID = auto()
    PROJECT_BY_SLUG = auto()
    MINE = auto()
    ANYWHERE = auto()

    @classmethod
    def of(cls, caller: Caller, project: ProjectRef | None) -> "Scope":
        """Where somebody looks for tasks."""
        if project is not None:
            return cls.PROJECT_BY_SLUG if project.id is None else cls.PROJECT_BY_ID
        return cls.MINE if caller.everywhere is None else cls.ANYWHERE


def parameters(caller: Caller, project: ProjectRef | None) -> dict[str, Any]:
    """What a statement of that scope is about."""
    if project is not None:
        return projects_store.meant(project, caller)
    return {"caller": caller.user_id} if caller.everywhere is None else {}


def seen(scope: Scope) -> CTE:
    """The projects that it is about, with the caller's role where it matters.

    Found before anything else is: for each of them tasks are looked for, and for no others.
    """
    if scope is Scope.MINE:
        there = select(projects.c.id, members.c.role).join_from(members, projects)
        there = there.where(members.c.user_id == bindparam("caller"), projects.c.delete_time.is_(None))
    else:
        there = select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS)
        there = there.where(BY_REF[scope is Scope.PROJECT_BY_ID], IS_SEEN)
    return there.cte("seen").prefix_with("MATERIALIZED")


def within(statement: Select[Any], project: Project) -> Select[Any]:
    """A statement over tasks, restricted to those of one project, or of all that have not been deleted."""
    if project is not None:
        return statement.where(tasks.c.project_id == project.c.id).correlate(project)
    there = statement.join(projects, projects.c.id == tasks.c.project_id)
    return there.where(projects.c.delete_time.is_(None), ANYWHERE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, to select from."""

    rows: FromClause
    source: FromClause
    """These rows, beside what comes along."""
    role: Sequence[ColumnElement[Any]] = ()
    """The caller's role, where there is one."""


def page_of(
    scope: Scope,
    page_in: Callable[[Project], Select[Any]],
    ordered: Callable[[Any], Sequence[ColumnElement[Any]]],
    *,
    skipping: bool = False,
) -> Page:
    """A page of that scope.

    `page_in` gives all that there is in a project, or everywhere, in order; `ordered` spells this order over what it
    gives. The size of a page is written into the statement, and so is that nothing is skipped: PostgreSQL keeps a plan
    for such a list, and for one of unknown length it makes one each time.
    """
    limit = bindparam("limit", type_=Integer, literal_execute=True)
    skip = bindparam("skip", type_=Integer) if skipping else None
    if scope is Scope.ANYWHERE:
        anywhere = page_in(None).limit(limit).offset(skip).subquery("page")
        return Page(anywhere, anywhere)
    there = seen(scope)
    if scope is not Scope.MINE:
        page = page_in(there).limit(limit).offset(skip).lateral("page")
        return Page(page, there.outerjoin(page, true()), (there.c.role,))
    each = page_in(there).limit(limit if skip is None else limit + skip).lateral("each")
    mine = select(*each.c).select_from(there.join(each, true())).order_by(*ordered(each.c))
    first = mine.limit(limit).offset(skip).subquery("page")
    return Page(first, first)
