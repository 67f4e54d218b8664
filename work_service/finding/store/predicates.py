"""What may have to hold of a task, as conditions over `tasks`.

Words of tasks are looked for by one index for all projects. Where it is about one project, the project is one of the
words, so that what others write costs nothing. Comments move with their tasks and do not know the project: PostgreSQL
reads those that have the words, or those of the project, whichever are fewer.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, array

from chassis.conditions import Conditions, bound, parameter
from chassis.filters import Filter, Node
from work_service.finding.domain import Wanted
from work_service.tables import DUE_OR_NEVER, comments, tags, tasks
from work_service.tags.domain import Kind
from work_service.tasks.domain import Priority, Status
from work_service.tasks.store.rows import TASK_IS_LIVE

# All that is said about due times is said of one expression, so that it is one range of one index.
_due = DUE_OR_NEVER
_IS_DUE: ColumnElement[bool] = _due < literal_column("'infinity'::timestamptz")

ENGLISH: ColumnElement[Any] = literal_column("'english'::regconfig")
_WEIGHTS: Mapping[str, ColumnElement[Any]] = {
    "title": literal_column("'{a}'::\"char\"[]"),
    "description": literal_column("'{b}'::\"char\"[]"),
}
_COMPARED: Mapping[str, ColumnElement[Any]] = {
    "number": tasks.c.number,
    "status": tasks.c.status_place,
    "priority": tasks.c.priority_place,
    "assignee": tasks.c.assignee_id,
    "creator": tasks.c.creator_id,
    "due_time": _due,
    "complete_time": tasks.c.complete_time,
    "create_time": tasks.c.create_time,
    "update_time": tasks.c.update_time,
    "category": tasks.c.category_id,
    "parent": tasks.c.parent_id,
    "external_id": tasks.c.external_id,
}

Project = CTE | None
"""The one project that it is about, if it is about one: a row that has its `id`."""


def websearch(name: str) -> ColumnElement[Any]:
    """The words of a parameter, as people write them into search fields."""
    return func.websearch_to_tsquery(ENGLISH, bindparam(name, type_=Text))


def says(document: ColumnElement[Any], query: ColumnElement[Any], project: Project = None) -> ColumnElement[bool]:
    """Whether a document has the words of a query, and the project. A query without words, but `the`, finds nothing."""
    sought = query
    if project is not None:
        of_project = literal("'project ", Text).concat(cast(project.c.id, Text)).concat(literal("'", Text))
        sought = query.op("&&")(cast(of_project, TSQUERY))
    return and_(func.numnode(query) > 0, document.bool_op("@@")(sought))


def says_of(task: FromClause, comment: FromClause, query: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a comment says it of its task: what must not be there is in neither of them."""
    both = task.c.document.concat(comment.c.document)
    return and_(says(comment.c.document, query), both.bool_op("@@")(query))


_SAYING, _SAID, _ABOUT = tasks.alias("saying"), comments.alias("said"), tasks.alias("about")


def _has_words(query: ColumnElement[Any], project: Project, *, may_negate: bool) -> ColumnElement[bool]:
    """Whether a task says it, or one of its comments."""
    by_task = select(_SAYING.c.id).where(says(_SAYING.c.document, query, project))
    by_comment = select(_SAID.c.task_id)
    by_comment = by_comment.where(says_of(_ABOUT, _SAID, query) if may_negate else says(_SAID.c.document, query))
    if may_negate or project is not None:
        by_comment = by_comment.join(_ABOUT, _ABOUT.c.id == _SAID.c.task_id)
    if project is not None:
        by_task = by_task.correlate(project)
        by_comment = by_comment.where(_ABOUT.c.project_id == project.c.id).correlate(project)
    return tasks.c.id.in_(by_task.union_all(by_comment))


def _tags(kind: Kind, slug: ColumnElement[str], project: Project) -> ColumnElement[Any]:
    """The ids of what has a slug: of one thing in a project, of many where it is about several."""
    there = select(tags.c.id).where(tags.c.kind == kind.value, tags.c.slug == slug, tags.c.delete_time.is_(None))
    if project is not None:
        there = there.where(tags.c.project_id == project.c.id).correlate(project)
    return func.array(there.scalar_subquery(), type_=ARRAY(Uuid))


def _numbered(number: ColumnElement[int], project: Project) -> ColumnElement[Any]:
    """The id of the task that has a number in a project."""
    whole = tasks.alias("whole")
    there = select(whole.c.id).where(whole.c.number == number)
    if project is not None:
        there = there.where(whole.c.project_id == project.c.id).correlate(project)
    return func.array(there.scalar_subquery(), type_=ARRAY(Uuid))


_Value = Callable[[Any], ColumnElement[Any]]
"""What is bound, as something of a type."""

_LINKED: Mapping[str, Callable[[_Value, Project], ColumnElement[bool]]] = {
    "category": lambda value, project: tasks.c.category_id == any_(_tags(Kind.CATEGORY, value(Text), project)),
    "category.id": lambda value, _: tasks.c.category_id == value(Uuid),
    "labels": lambda value, project: tasks.c.labels.overlap(_tags(Kind.LABEL, value(Text), project)),
    "labels.id": lambda value, _: tasks.c.labels.contains(array([value(Uuid)])),
    "parent": lambda value, project: tasks.c.parent_id == any_(_numbered(value(Integer), project)),
    "parent.id": lambda value, _: tasks.c.parent_id == value(Uuid),
}
"""What else a task may belong to, by name or by id."""


def _linked(field: str, name: str) -> Callable[[Project], ColumnElement[bool]]:
    return lambda project: _LINKED[field](lambda type_: bindparam(name, type_=type_), project)


_TYPED: Mapping[str, Callable[[Project], ColumnElement[bool]]] = {
    "statuses": lambda _: tasks.c.status_place == any_(bindparam("statuses", type_=ARRAY(tasks.c.status_place.type))),
    "priorities": lambda _: (
        tasks.c.priority_place == any_(bindparam("priorities", type_=ARRAY(tasks.c.priority_place.type)))
    ),
    "assignee": lambda _: tasks.c.assignee_id == bindparam("assignee", type_=Uuid),
    "unassigned": lambda _: tasks.c.assignee_id.is_(None),
    "due_before": lambda _: _due < bindparam("due_before", type_=_due.type),
    "due_after": lambda _: and_(_IS_DUE, _due >= bindparam("due_after", type_=_due.type)),
    "q": lambda project: _has_words(websearch("q"), project, may_negate=True),
    "category_id": _linked("category.id", "category_id"),
    "category_slug": _linked("category", "category_slug"),
    "label_id": _linked("labels.id", "label_id"),
    "label_slug": _linked("labels", "label_slug"),
    "deleted_too": lambda _: true(),
}
"""A condition for each thing that can be wanted, with a parameter of its name if it needs one."""


def asked(wanted: Wanted) -> dict[str, Any]:
    """What is asked for, by the names of its conditions, with what is bound to them."""
    given = {
        "statuses": [place(status) for status in wanted.statuses],
        "priorities": [place(priority) for priority in wanted.priorities],
        "assignee": wanted.assignee,
        "unassigned": wanted.unassigned,
        "due_before": wanted.due_before,
        "due_after": wanted.due_after,
        "q": wanted.q,
        "category_id": wanted.category and wanted.category.id,
        "category_slug": wanted.category and wanted.category.slug,
        "label_id": wanted.label and wanted.label.id,
        "label_slug": wanted.label and wanted.label.slug,
        "deleted_too": wanted.deleted_too,
    }
    return {name: value for name, value in given.items() if value}


def conditions(names: frozenset[str], tree: Node | None, project: Project) -> Iterator[ColumnElement[bool]]:
    """What has to hold, by the names of conditions and by a filter."""
    if "deleted_too" not in names:
        yield TASK_IS_LIVE
    for name in sorted(names):
        yield _TYPED[name](project)
    if tree is not None:
        yield _TaskConditions(project).of(tree)


def values_of(filter_: Filter) -> dict[str, Any]:
    """What is bound to the parameters of a filter."""
    return bound(filter_, written=lambda value: place(value) if isinstance(value, Status | Priority) else value)


def place(value: Status | Priority) -> int:
    """Where a value stands among its like: what the tables count."""
    return list(type(value)).index(value) + 1


class _TaskConditions(Conditions):
    """What the parts of a filter mean for tasks."""

    def __init__(self, project: Project) -> None:
        super().__init__(_COMPARED)
        self._project = project

    def present(self, field: str) -> ColumnElement[bool]:
        match field:
            case "due_time":
                return _IS_DUE
            case "labels":
                return func.cardinality(tasks.c.labels) > 0
            case _:
                return super().present(field)

    def compared(self, field: str, comparator: str, value: int) -> ColumnElement[bool]:
        if comparator == ":":
            query = _phrase(value)
            only_there = func.ts_filter(tasks.c.document, _WEIGHTS[field]).bool_op("@@")(query)
            return and_(says(tasks.c.document, query, self._project), only_there)
        if field in _LINKED:
            holds = _LINKED[field](lambda type_: parameter(value, type_), self._project)
            return holds if comparator == "=" else holds.is_not(true())
        holds = super().compared(field, comparator, value)
        return and_(_IS_DUE, holds) if field == "due_time" and comparator in {">", ">="} else holds

    def words(self, value: int) -> ColumnElement[bool]:
        return _has_words(_phrase(value), self._project, may_negate=False)


def _phrase(value: int) -> ColumnElement[Any]:
    return func.phraseto_tsquery(ENGLISH, parameter(value, Text))
