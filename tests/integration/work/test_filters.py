"""Whatever is filtered by, in whatever order: PostgreSQL finds what a few lines of Python find."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import Connection

from chassis.filters import All, BadFilter, Compared, Either, Filter, Node, Not, Present, Words, read_filter
from chassis.orders import Key, Order
from tests.support.databases import Databases
from work_service import positions
from work_service.access import Caller, Role, UserId
from work_service.finding.domain import OF_ONE_PROJECT, ORDERED_BY, Sought, Wanted, fields
from work_service.finding.store import lists, predicates, searches
from work_service.projects.domain import ProjectId, ProjectRef
from work_service.tables import comments, members, projects, tags, tasks
from work_service.tags.domain import Kind
from work_service.tasks.domain import Priority, Status, Task
from work_service.tasks.store.rows import task_of

ADA, BOB = (UserId(UUID(int=7 << 76 | 2 << 62 | number)) for number in (1, 2))
PROJECT = ProjectId(UUID(int=7 << 76 | 2 << 62 | 3))
START = datetime(2030, 1, 1, tzinfo=UTC)
WORDS = ("moon", "flag", "cheese")
SLUGS = ("bug", "ui", "slow")
TAGS = {
    (kind, slug): UUID(int=kind_number << 90 | 7 << 76 | 2 << 62 | number)
    for kind_number, kind in enumerate(Kind, 1)
    for number, slug in enumerate(SLUGS)
}
SCOPES: list[tuple[Caller, ProjectRef | None]] = [
    (Caller(ADA, None, ""), ProjectRef(PROJECT, None)),
    (Caller(ADA, None, ""), ProjectRef(None, "apollo")),
    (Caller(ADA, None, ""), None),
    (Caller(BOB, Role.VIEWER, ""), None),
]


def id_of(number: int) -> UUID:
    return UUID(int=1 << 100 | 7 << 76 | 2 << 62 | number)


def rows_of_tasks() -> Iterator[dict[str, Any]]:
    """Two dozen tasks, no two of which are alike in all that can be asked."""
    for number in range(1, 25):
        status = list(Status)[number % 5]
        yield {
            "id": id_of(number),
            "project_id": PROJECT,
            "number": number,
            "position": positions.initial(number * 7 % 25),
            "title": f"{WORDS[0] if number % 2 else 'sun'} {number}",
            "description": WORDS[1] if number % 3 else "",
            "status": status.value,
            "priority": list(Priority)[number % 7 % 4].value,
            "creator_id": (ADA, BOB)[number % 2],
            "assignee_id": (None, ADA, BOB)[number % 3],
            "category_id": (None, *(TAGS[Kind.CATEGORY, slug] for slug in SLUGS[:2]))[number % 3],
            "labels": [TAGS[Kind.LABEL, slug] for place, slug in enumerate(SLUGS) if number >> place & 1],
            "parent_id": id_of(number // 4) if number > 3 and number % 5 else None,
            "external_id": None if number % 3 else f"T-{number % 6}-{number}",
            "due_time": None if number % 4 == 0 else START + timedelta(days=number % 5),
            "complete_time": START + timedelta(days=number) if status is Status.DONE else None,
            "create_time": START + timedelta(days=number // 2),
            "update_time": START + timedelta(days=number * 11 % 13),
        }


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[Connection]:
    engine = create_engine(databases.clone("work").replace("postgresql://", "postgresql+psycopg://"))
    times = {"create_time": START, "update_time": START}
    with engine.connect() as connection:
        project = {"id": PROJECT, "slug": "apollo", "title": "Apollo", "description": "", "owner_id": ADA}
        connection.execute(insert(projects), [project | times])
        connection.execute(insert(members), [{"project_id": PROJECT, "user_id": ADA, "role": "DEVELOPER", **times}])
        made_tags = [
            {"id": id_, "project_id": PROJECT, "kind": kind, "name": slug, "slug": slug, "color": "#808080", **times}
            for (kind, slug), id_ in TAGS.items()
        ]
        connection.execute(insert(tags), made_tags)
        made = list(rows_of_tasks())
        connection.execute(insert(tasks), made)
        said = [
            {
                "id": task["id"],
                "task_id": task["id"],
                "project_id": PROJECT,
                "author_id": ADA,
                "text": WORDS[2],
                **times,
            }
            for task in made
            if task["number"] % 5 == 0
        ]
        connection.execute(insert(comments), said)
        connection.commit()
        yield connection
    engine.dispose()


def found(database: Connection, scope: int, filter_: Filter, order: Order, *, page_size: int = 100) -> list[int]:
    """The numbers of the tasks that are found, page by page."""
    caller, project = SCOPES[scope]
    numbers: list[int] = []
    after = None
    while True:
        statement, given_ = lists.question(
            caller, project, Wanted(filter=filter_), order, after=after, limit=page_size + 1
        )
        page = [task_of(row) for row in database.execute(statement, given_) if row.id is not None]
        numbers += [task.number for task in page[:page_size]]
        if len(page) <= page_size:
            return numbers
        after = lists.cursor(page[page_size - 1], order)


@pytest.fixture(scope="module")
def everything(database: Connection) -> Sequence[Task]:
    statement, given_ = lists.question(*SCOPES[0], Wanted(), (Key("number"),), after=None, limit=100)
    return [task_of(row) for row in database.execute(statement, given_)]


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def texts(task: Task) -> Mapping[str, str]:
    return {
        "title": task.title,
        "description": task.description,
        "comment": WORDS[2] if task.number % 5 == 0 else "",
    }


def comparable(value: Any) -> Any:
    return predicates.place(value) if isinstance(value, Status | Priority) else value


def is_linked(field: str, task: Task, value: Any) -> bool:
    there: Sequence[Any]
    match field:
        case "category":
            return task.category_id is not None and TAGS.get((Kind.CATEGORY, value)) == task.category_id
        case "labels":
            return TAGS.get((Kind.LABEL, value)) in task.labels
        case "parent":
            return id_of(value) == task.parent_id
        case _:
            there = {"category.id": [task.category_id], "labels.id": task.labels, "parent.id": [task.parent_id]}[field]
            return value in there


def compares(field: str, comparator: str, task: Task, value: Any) -> bool:
    if field.startswith(("category", "labels", "parent")):
        return is_linked(field, task, value) is (comparator == "=")
    attribute = {"assignee": "assignee_id", "creator": "creator_id"}.get(field, field)
    here, there = comparable(getattr(task, attribute)), comparable(value)
    if comparator in {"=", "!="}:
        return (here == there) is (comparator == "=")
    return here is not None and _COMPARE[comparator](here, there)


def holds(node: Node | None, task: Task, values: Sequence[Any]) -> bool:  # noqa: PLR0911 - a table
    """What the tree means."""
    is_there = {
        "assignee": task.assignee_id,
        "category": task.category_id,
        "labels": task.labels or None,
        "parent": task.parent_id,
        "external_id": task.external_id,
        "due_time": task.due_time,
        "complete_time": task.complete_time,
    }
    match node:
        case None:
            return True
        case All(parts):
            return all(holds(part, task, values) for part in parts)
        case Either(parts):
            return any(holds(part, task, values) for part in parts)
        case Not(part):
            return not holds(part, task, values)
        case Present(field):
            return is_there[field] is not None
        case Words(number):
            return any(values[number] in text for text in texts(task).values())
        case Compared(field, ":", number):
            return values[number] in texts(task)[field]
        case Compared(field, comparator, number):
            return compares(field, comparator, task, values[number])


def in_order(found: Sequence[Task], order: Order) -> list[int]:
    """The numbers of tasks in an order: what is not there last, and then as they were made."""

    def compared(one: Task, other: Task) -> int:
        for key in (*order, Key("id", order[-1].descending)):
            here, there = (comparable(getattr(task, key.field)) for task in (one, other))
            if here == there:
                continue
            if here is None or there is None:
                return 1 if here is None else -1
            return (1 if here > there else -1) * (-1 if key.descending else 1)
        return 0

    return [task.number for task in sorted(found, key=cmp_to_key(compared))]


def _of(field: str, comparators: Sequence[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.just(field), st.sampled_from(comparators), values).map(" ".join)


EQUALITY, ORDER = ("=", "!="), ("=", "!=", "<", "<=", ">", ">=")
INSTANTS = st.integers(0, 14).map(lambda days: (START + timedelta(days=days)).isoformat())
NUMBERED = _of("parent", EQUALITY, st.integers(1, 9).map(str))
TERMS = st.one_of(
    _of("number", ORDER, st.integers(0, 25).map(str)),
    _of("status", ORDER, st.sampled_from(list(Status))),
    _of("priority", ORDER, st.sampled_from(list(Priority))),
    _of("status", ("=",), st.just("(TODO OR DONE)")),
    _of("assignee", EQUALITY, st.sampled_from(["me", str(BOB)])),
    _of("creator", EQUALITY, st.sampled_from(["me", str(BOB)])),
    _of("category", EQUALITY, st.sampled_from([*SLUGS, "nothing", str(TAGS[Kind.CATEGORY, "ui"])])),
    _of("labels", (*EQUALITY, ":"), st.sampled_from([*SLUGS, "nothing", str(TAGS[Kind.LABEL, "ui"])])),
    _of("labels", ("=", ":"), st.just("(ui -slow)")),
    _of("parent", EQUALITY, st.integers(0, 5).map(lambda number: str(id_of(number)))),
    _of("external_id", EQUALITY, st.sampled_from(["T-3-9", "T-0-12", "T-1", '""'])),
    st.sampled_from(["category:*", "labels:*", "parent:*", "external_id:*"]),
    *(_of(field, ORDER, INSTANTS) for field in ("due_time", "complete_time", "create_time", "update_time")),
    st.sampled_from(["due_time:*", "assignee:*", "complete_time:*"]),
    st.sampled_from(WORDS),
    _of("title", (":",), st.sampled_from(WORDS)),
    _of("description", (":",), st.sampled_from(WORDS)),
)
EXPRESSIONS = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(" AND ".join),
        st.lists(inner, min_size=2, max_size=3).map(" OR ".join),
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
        inner.map("NOT ({})".format),
        inner.map("-({})".format),
        inner.map("({})".format),
    ),
    max_leaves=8,
)
KEYS = st.builds(Key, st.sampled_from(ORDERED_BY), st.booleans())
ORDERS = st.lists(KEYS, min_size=1, max_size=3, unique_by=lambda key: key.field).map(tuple)
URGENT_FIRST = (Key("priority", descending=True), Key("due_time"))
OF_SEVERAL = st.one_of(
    ORDERS.filter(lambda order: not any(key.field in OF_ONE_PROJECT for key in order)),
    st.sampled_from([URGENT_FIRST, (*URGENT_FIRST, Key("update_time", descending=True))]),
)


@settings(max_examples=200, deadline=None)
@given(text=EXPRESSIONS, numbered=st.one_of(st.just(""), NUMBERED), scope=st.integers(0, len(SCOPES) - 1))
def test_a_filter_finds_what_it_says(
    database: Connection, everything: Sequence[Task], text: str, numbered: str, scope: int
) -> None:
    caller, project = SCOPES[scope]
    if project is not None:
        text = f"{text} OR {numbered}" if numbered else text
    filter_ = read_filter(text, fields(caller.user_id, of_one_project=project is not None))
    there = [task.number for task in everything if holds(filter_.tree, task, filter_.values)]
    assert found(database, scope, filter_, (Key("create_time"),)) == there


@settings(max_examples=200, deadline=None)
@given(order=ORDERS, scope=st.integers(0, 1), page_size=st.integers(1, 7), text=st.one_of(st.just(""), TERMS))
def test_pages_in_any_order_add_up(
    database: Connection, everything: Sequence[Task], order: Order, scope: int, page_size: int, text: str
) -> None:
    filter_ = read_filter(text, fields(ADA, of_one_project=True))
    there = [task for task in everything if holds(filter_.tree, task, filter_.values)]
    assert found(database, scope, filter_, order, page_size=page_size) == in_order(there, order)


@settings(max_examples=200, deadline=None)
@given(order=OF_SEVERAL, scope=st.integers(2, 3), page_size=st.integers(1, 7), text=st.one_of(st.just(""), TERMS))
def test_pages_of_several_projects_add_up_too(
    database: Connection, everything: Sequence[Task], order: Order, scope: int, page_size: int, text: str
) -> None:
    filter_ = read_filter(text, fields(SCOPES[scope][0].user_id, of_one_project=False))
    there = [task for task in everything if holds(filter_.tree, task, filter_.values)]
    assert found(database, scope, filter_, order, page_size=page_size) == in_order(there, order)


MARKS = st.sampled_from(["AND", "OR", "(", ")", "-", '"', "'"])
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
ANYTHING = st.one_of(
    st.text(LETTERS, max_size=200),
    EXPRESSIONS,
    st.lists(
        st.one_of(TERMS, st.text(LETTERS, max_size=5), st.sampled_from(["AND", "OR", "(", ")", "-", '"', "'"]))
    ).map(" ".join),
)


@settings(max_examples=150, deadline=None)
@given(text=ANYTHING, scope=st.integers(0, len(SCOPES) - 1))
def test_whatever_is_written_is_answered_or_refused(database: Connection, text: str, scope: int) -> None:
    caller, project = SCOPES[scope]
    try:
        filter_ = read_filter(text, fields(caller.user_id, of_one_project=project is not None))
    except BadFilter:
        filter_ = Filter()
    wanted = Wanted(q=text[:200], filter=filter_)
    for statement, given_ in (
        lists.question(caller, project, wanted, (Key("priority"),), after=None, limit=21),
        searches.question(caller, project, Sought(text[:200], filter_), after=None, limit=21),
    ):
        assert len(database.execute(statement, given_).all()) <= 21
        assert "LIMIT" in str(statement)


def test_what_people_write_never_becomes_sql() -> None:
    """Two questions of one shape are one statement; what differs is bound."""

    def asked(q: str, text: str) -> tuple[Any, Mapping[str, Any]]:
        wanted = Wanted(q=q, filter=read_filter(text, fields(ADA, of_one_project=True)))
        return lists.question(*SCOPES[0], wanted, (Key("priority"),), after=None, limit=21)

    one = asked("moon", "flag AND number > 1 AND labels:ui AND external_id = T-1")
    other = asked("'; --", '"\'; --" AND number > 99 AND labels:slow AND external_id = "\'; --"')
    assert one[0] is other[0]
    assert one[1] != other[1]
