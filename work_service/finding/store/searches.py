"""Searches for tasks: by what they and their comments say, best first.

Ranking costs as much as there are matches. So only the newest are ranked: a bound on what a question for a word that is
everywhere can cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, Row, Select, Text, Uuid, bindparam, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from chassis.database import PLANNED_ANEW, Database
from chassis.filters import Node
from work_service.access import Caller, Role
from work_service.details.store import details_of, in_full
from work_service.finding.domain import CLOSE_MARK, OPEN_MARK, Found, Match, Place, Snippet, Sought, Source
from work_service.finding.store import predicates, scopes
from work_service.finding.store.keeping import kept
from work_service.finding.store.predicates import ENGLISH, Project
from work_service.finding.store.scopes import Scope
from work_service.projects.domain import ProjectNotFound, ProjectRef
from work_service.tables import comments, tasks
from work_service.tasks.store.rows import COLUMNS, task_of, with_names

_RANKED = 1000
_BY_LENGTH = 1  # a word weighs less the longer the text is that it stands in

_MARKS = f"StartSel={OPEN_MARK}, StopSel={CLOSE_MARK}"
_WHOLE = f"HighlightAll=true, {_MARKS}"
_PARTS = f'MaxFragments=2, MaxWords=24, MinWords=8, FragmentDelimiter=" … ", {_MARKS}'


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes one statement differ from another, when no value does."""

    scope: Scope
    tree: Node | None
    continued: bool
    in_full: bool


async def search_tasks(
    db: Database, caller: Caller, project: ProjectRef | None, sought: Sought, *, after: Place | None, limit: int
) -> tuple[Sequence[Match], Role]:
    """Up to `limit` tasks behind the place `after`, best first, with the caller's role.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    statement, given = question(caller, project, sought, after=after, limit=limit)
    rows = await db.fetch_all(statement, **given)
    found = [_match(row, sought) for row in rows if row.id is not None]
    if project is None:
        return found, Role.VIEWER  # in each of those projects they are that at least
    if not rows:
        raise ProjectNotFound
    return found, caller.role(rows[0].role)


def question(
    caller: Caller, project: ProjectRef | None, sought: Sought, *, after: Place | None, limit: int
) -> tuple[Select[Any], dict[str, Any]]:
    """The statement for such a search, and what is bound to it."""
    given = {"query": sought.query, "limit": limit}
    given |= predicates.values_of(sought.filter) | scopes.parameters(caller, project)
    if after is not None:
        given |= {"after_rank": after.rank, "after_id": after.task_id}
    return _searching(Shape(Scope.of(caller, project), sought.filter.tree, after is not None, sought.in_full)), given


@kept
def _searching(shape: Shape) -> Select[Any]:
    page = scopes.page_of(shape.scope, lambda project: _matches(shape, project), _best_first)
    found = page.source.outerjoin(tasks, tasks.c.id == page.rows.c.task_id)
    found = found.outerjoin(comments, comments.c.id == page.rows.c.comment_id)
    searching: Select[Any] = select(
        *COLUMNS,
        page.rows.c.rank,
        page.rows.c.comment_id,
        _headline(tasks.c.title, _WHOLE).label("in_title"),
        _headline(tasks.c.description, _PARTS).label("in_description"),
        _headline(comments.c.text, _PARTS).label("in_comment"),
        *page.role,
    ).select_from(found)
    if shape.in_full:
        searching = searching.add_columns(in_full(tasks))
    return with_names(searching).order_by(*_best_first(page.rows.c)).execution_options(**PLANNED_ANEW)


def _matches(shape: Shape, project: Project) -> Select[Any]:
    """Tasks that match, or comments of whom the best does, and how well, in order."""
    query = predicates.websearch("query")
    wanted = list(predicates.conditions(frozenset(), shape.tree, project))
    saying = select(tasks.c.id, _rank(tasks.c.document, query).label("rank")).select_from(tasks)
    saying = scopes.within(saying, project).where(predicates.says(tasks.c.document, query, project), *wanted)
    by_task = saying.order_by(tasks.c.id.desc()).limit(_RANKED).subquery("by_task")
    said = select(
        comments.c.task_id, comments.c.id.label("comment_id"), _rank(comments.c.document, query).label("rank")
    ).select_from(comments.join(tasks, tasks.c.id == comments.c.task_id))
    said = scopes.within(said, project).where(predicates.says_of(tasks, comments, query), *wanted)
    newest = said.order_by(comments.c.id.desc()).limit(_RANKED).subquery("newest")
    best = select(newest).ext(distinct_on(newest.c.task_id))
    by_comment = best.order_by(newest.c.task_id, newest.c.rank.desc(), newest.c.comment_id.desc()).subquery("best")
    found = by_task.outerjoin(by_comment, by_comment.c.task_id == by_task.c.id, full=True)
    both = (
        select(
            func.coalesce(by_task.c.id, by_comment.c.task_id).label("task_id"),
            by_comment.c.comment_id,
            (func.coalesce(by_task.c.rank, 0.0) + func.coalesce(by_comment.c.rank, 0.0)).label("rank"),
        )
        .select_from(found)
        .subquery("both")
    )
    matches = select(both).order_by(*_best_first(both.c))
    if shape.continued:
        here = tuple_(both.c.rank, both.c.task_id)
        matches = matches.where(here < tuple_(bindparam("after_rank", type_=Double), bindparam("after_id", type_=Uuid)))
    return matches


def _best_first(columns: Any) -> Sequence[ColumnElement[Any]]:
    return columns.rank.desc(), columns.task_id.desc()


def _rank(document: ColumnElement[Any], query: ColumnElement[Any]) -> ColumnElement[float]:
    return cast(func.ts_rank(document, query, _BY_LENGTH), Double)


def _headline(text: ColumnElement[Any], options: str) -> ColumnElement[str]:
    """Where the words are, between marks that nobody else can have made."""
    bare = func.translate(text, literal(OPEN_MARK + CLOSE_MARK, Text), literal("", Text))
    return func.ts_headline(ENGLISH, bare, predicates.websearch("query"), literal(options, Text))


def _match(row: Row[Any], sought: Sought) -> Match:
    told = (
        Snippet(Source.TITLE, row.in_title),
        Snippet(Source.DESCRIPTION, row.in_description),
        Snippet(Source.COMMENT, row.in_comment or "", row.comment_id),
    )
    found = Found(task_of(row), details_of(row) if sought.in_full else None)
    return Match(found, row.rank, [snippet for snippet in told if OPEN_MARK in snippet.text])
