"""Lists of tasks: by what they are, in the order that somebody asks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, func, or_, select, true, tuple_

from chassis.database import PLANNED_ANEW, Database
from chassis.filters import Node
from chassis.orders import Key, Order
from work_service.access import Caller, Role
from work_service.details.store import details_of, in_full
from work_service.finding.domain import OF_ONE_PROJECT, Found, Wanted
from work_service.finding.store import predicates, scopes
from work_service.finding.store.keeping import kept
from work_service.finding.store.predicates import Project
from work_service.finding.store.scopes import Scope
from work_service.profiles.store import Named
from work_service.projects.domain import ProjectNotFound, ProjectRef
from work_service.tables import DUE_OR_BEFORE_ALL, DUE_OR_NEVER, URGENCY, tasks
from work_service.tasks.domain import Task
from work_service.tasks.store.rows import COLUMNS, task_of

Cursor = Sequence[str | int]
"""Where in its order a task stands: a value for each key."""


@dataclass(frozen=True, slots=True)
class _Ordering:
    column: ColumnElement[Any]
    of: Callable[[Task], str | int]


def _due(otherwise: str) -> Callable[[Task], str]:
    return lambda task: otherwise if task.due_time is None else task.due_time.isoformat()


_ORDERINGS: Mapping[Key, _Ordering] = {
    **{
        Key(field, descending): ordering
        for descending in (False, True)
        for field, ordering in {
            "id": _Ordering(tasks.c.id, lambda task: str(task.id)),
            "number": _Ordering(tasks.c.number, lambda task: task.number),
            "position": _Ordering(tasks.c.position, lambda task: task.position),
            "status": _Ordering(tasks.c.status_place, lambda task: predicates.place(task.status)),
            "priority": _Ordering(tasks.c.priority_place, lambda task: predicates.place(task.priority)),
            "create_time": _Ordering(tasks.c.create_time, lambda task: task.create_time.isoformat()),
            "update_time": _Ordering(tasks.c.update_time, lambda task: task.update_time.isoformat()),
        }.items()
    },
    Key("due_time"): _Ordering(DUE_OR_NEVER, _due("infinity")),
    Key("due_time", descending=True): _Ordering(DUE_OR_BEFORE_ALL, _due("-infinity")),
}


_URGENT_FIRST = (Key("priority", descending=True), Key("due_time"))
"""What many ask for. With priorities turned round it all goes one way, and everywhere there is an index for it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes one statement differ from another, when no value does."""

    scope: Scope
    names: frozenset[str]
    tree: Node | None
    order: Order = ()
    continued: bool = False
    skipping: bool = False
    in_full: bool = False


async def list_tasks(
    db: Database,
    caller: Caller,
    project: ProjectRef | None,
    wanted: Wanted,
    order: Order,
    *,
    after: Cursor | None,
    limit: int,
    skip: int,
) -> tuple[Sequence[Found], Role]:
    """Up to `limit` tasks in order, behind the place `after` and then `skip` more, with the caller's role.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    statement, given = question(caller, project, wanted, order, after=after, limit=limit, skip=skip)
    rows = await db.fetch_all(statement, **given)
    found = [Found(task_of(row), details_of(row) if wanted.in_full else None) for row in rows if row.id is not None]
    if project is None:
        return found, Role.VIEWER  # in each of those projects they are that at least
    if not rows:
        raise ProjectNotFound
    return found, caller.role(rows[0].role)


async def count_tasks(db: Database, caller: Caller, project: ProjectRef | None, wanted: Wanted) -> int:
    """How many tasks there are of which all that is wanted holds."""
    shape, given = _shape(caller, project, wanted)
    row = await db.find_one(_counting(shape), **given)
    return int(row.total or 0) if row is not None else 0


def question(
    caller: Caller,
    project: ProjectRef | None,
    wanted: Wanted,
    order: Order,
    *,
    after: Cursor | None,
    limit: int,
    skip: int = 0,
) -> tuple[Select[Any], dict[str, Any]]:
    """The statement for such a list, and what is bound to it."""
    keys = _with_tie_break(order)
    shape, given = _shape(caller, project, wanted)
    shape = replace(shape, order=keys, continued=after is not None, skipping=skip > 0, in_full=wanted.in_full)
    given |= {"limit": limit} | {f"after_{number}": value for number, value in enumerate(after or ())}
    return _listing(shape), given | ({"skip": skip} if skip else {})


def cursor(task: Task, order: Order) -> list[str | int]:
    """Where in an order a task stands."""
    return [_ORDERINGS[key].of(task) for key in _with_tie_break(order)]


def places(order: Order) -> int:
    """How many values such a place has."""
    return len(_with_tie_break(order))


def _shape(caller: Caller, project: ProjectRef | None, wanted: Wanted) -> tuple[Shape, dict[str, Any]]:
    asked = predicates.asked(wanted)
    shape = Shape(Scope.of(caller, project), frozenset(asked), wanted.filter.tree)
    given = {name: value for name, value in asked.items() if value is not True}
    return shape, given | predicates.values_of(wanted.filter) | scopes.parameters(caller, project)


def _with_tie_break(order: Order) -> Order:
    """No two tasks stand in one place."""
    if any(key.field in OF_ONE_PROJECT for key in order):
        return order  # it is unique there
    return (*order, Key("id", order[-1].descending))


@kept
def _listing(shape: Shape) -> Select[Any]:
    steps = _steps(shape)

    def ordered(columns: Any) -> Sequence[ColumnElement[Any]]:
        return _ordered(steps, [columns[_key(number)] for number in range(len(steps))])

    page = scopes.page_of(shape.scope, lambda project: _tasks_in(shape, project), ordered, skipping=shape.skipping)
    task: Any = page.rows.c
    listing: Select[Any] = select(*(task[column.name] for column in COLUMNS), *page.role)
    if shape.in_full:
        listing = listing.add_columns(in_full(page.rows))
    for person in (task.creator_id, task.assignee_id):
        listing = Named(person).beside(listing)
    return _planned(shape, listing.select_from(page.source).order_by(*ordered(task)))


@kept
def _counting(shape: Shape) -> Select[Any]:
    def total(project: Project) -> Select[Any]:
        counted = scopes.within(select(func.count().label("total")).select_from(tasks), project)
        return counted.where(*predicates.conditions(shape.names, shape.tree, project))

    if shape.scope is Scope.ANYWHERE:
        return _planned(shape, total(None))
    there = scopes.seen(shape.scope)
    each = total(there).lateral("each")
    return _planned(shape, select(func.sum(each.c.total).label("total")).select_from(there.join(each, true())))


def _planned(shape: Shape, statement: Select[Any]) -> Select[Any]:
    """A list goes by the index of its order; which index is good for a filter depends on the values in it."""
    return statement.execution_options(**PLANNED_ANEW) if shape.names or shape.tree else statement


def _tasks_in(shape: Shape, project: Project) -> Select[Any]:
    steps = _steps(shape)
    keys = [step.column for step in steps]
    labels = [key.label(_key(number)) for number, key in enumerate(keys)]
    there = scopes.within(select(*COLUMNS, *labels).select_from(tasks), project)
    there = there.where(*predicates.conditions(shape.names, shape.tree, project))
    if shape.continued:
        there = there.where(_is_behind(steps))
    return there.order_by(*_ordered(steps, keys))


def _key(number: int) -> str:
    return f"key_{number}"


@dataclass(frozen=True, slots=True)
class _Step:
    """What tasks are ordered by, which way round, and the place in it behind which a list is continued."""

    column: ColumnElement[Any]
    place: ColumnElement[Any]
    descending: bool


def _steps(shape: Shape) -> Sequence[_Step]:
    columns = [_ORDERINGS[key].column for key in shape.order]
    steps = [
        _Step(column, bindparam(f"after_{number}", type_=column.type), key.descending)
        for number, (key, column) in enumerate(zip(shape.order, columns, strict=True))
    ]
    if shape.scope is Scope.ANYWHERE and shape.order[:2] == _URGENT_FIRST:
        steps[0] = _Step(URGENCY, -steps[0].place, descending=False)
    return steps


def _ordered(steps: Sequence[_Step], columns: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [column.desc() if step.descending else column for step, column in zip(steps, columns, strict=True)]


def _is_behind(steps: Sequence[_Step]) -> ColumnElement[bool]:
    """Whether a task stands behind a place.

    Rows compare as a whole where all goes one way, and an index finds the place at once. Where it goes to and fro they
    compare key by key, and an index finds at least where it stands by the first keys that go one way.
    """
    downwards = steps[0].descending
    first = list(takewhile(lambda step: step.descending is downwards, steps))
    here, there = tuple_(*(step.column for step in first)), tuple_(*(step.place for step in first))
    if len(first) == len(steps):
        return here < there if downwards else here > there
    behind: ColumnElement[bool] = false()
    for step in reversed(steps):
        column, place = step.column, step.place
        behind = or_(column < place if step.descending else column > place, and_(column == place, behind))
    return and_(here <= there if downwards else here >= there, behind)
