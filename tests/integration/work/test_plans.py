"""How PostgreSQL finds tasks: every filter and every order that is documented goes by an index.

On twenty thousand tasks, with plans that PostgreSQL chooses itself. Rows are counted, not times: what is read and what
is sorted for a page must not grow with the table.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select, create_engine, text
from sqlalchemy.engine import Connection

from chassis.filters import read_filter
from chassis.ids import new_id
from tests.support.databases import Databases
from work_service.access import Caller, Role, UserId
from work_service.finding.domain import OF_ONE_PROJECT, Place, Sought, Wanted, fields, order
from work_service.finding.store import lists, searches
from work_service.imports import store as imports
from work_service.overviews import store as overviews
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectRef
from work_service.tags.domain import TagRef
from work_service.tasks.domain import Priority, Status
from work_service.tasks.store.rows import task_of

ADA = UserId(UUID("00000000-0000-7000-8000-00000000000a"))
BIG = ProjectRef(ProjectId(UUID("00000000-0000-7000-8000-000000000001")), None)
MEMBER = Caller(ADA, None, "")
MANAGER = Caller(ADA, Role.VIEWER, "")
RARE_CATEGORY = "00000000-0000-7000-8000-0000002dcaa9"
RARE_LABEL = "00000000-0000-7000-8000-0000002dce91"
WHOLE = "00000000-0000-7000-8000-0000000f4244"
WHERE = {"in a project": (MEMBER, BIG), "in mine": (MEMBER, None), "anywhere": (MANAGER, None)}
PAGE = 21
AT_MOST = 4000  # a fifth of all tasks

# A project of 5,000 tasks, and 300 of 50. Ada is in the big one and in 20 of the others.
DATA = """
INSERT INTO projects (id, slug, title, description, owner_id, create_time, update_time)
SELECT id(number), 'p' || number, 'Project', '', id(10), '2026-01-01', '2026-01-01' FROM generate_series(1, 301) number;
INSERT INTO members (project_id, user_id, role, create_time, update_time)
SELECT id(number), id(10), 'DEVELOPER', '2026-01-01', '2026-01-01' FROM generate_series(1, 21) number;
INSERT INTO tags (id, project_id, kind, name, slug, color, create_time, update_time)
SELECT
  id(3000000 + n + kind * 1000), id(n), (ARRAY['CATEGORY', 'LABEL'])[kind], 'Rare', 'rare', '#808080', '2026-01-01',
  '2026-01-01'
FROM generate_series(1, 301) n, generate_series(1, 2) kind;
INSERT INTO tasks (id, project_id, number, title, description, status, priority, creator_id, assignee_id, due_time,
  complete_time, create_time, update_time, position, category_id, labels, parent_id, external_id)
SELECT
  id(1000000 + n),
  id(CASE WHEN n % 4 = 0 THEN 1 ELSE 2 + n % 300 END),
  n,
  'Task ' || n || CASE WHEN n % 5 = 0 THEN ' moon' ELSE '' END || CASE WHEN n % 500 = 0 THEN ' needle' ELSE '' END,
  repeat('Some more words. ', 1 + n % 7),
  status,
  (ARRAY['LOW', 'MEDIUM', 'HIGH', 'URGENT'])[1 + n % 7 % 4],
  id(100 + n % 211),
  CASE WHEN n % 3 > 0 THEN id(n % 199) END,
  CASE WHEN n % 5 > 0 THEN '2026-01-01'::timestamptz + n * 7919 % 20011 * interval '1 hour' END,
  CASE WHEN status = 'DONE' THEN '2026-02-01'::timestamptz + n * interval '1 minute' END,
  '2026-01-01'::timestamptz + n * interval '1 minute',
  '2026-01-01'::timestamptz + n * 7907 % 20021 * interval '1 minute',
  lpad(to_hex(n * 7901 % 20023), 8, '0'),
  CASE WHEN n % 100 = 0 THEN id(3001001) END,
  CASE WHEN n % 100 = 0 THEN ARRAY[id(3002001)] ELSE ARRAY[]::uuid[] END,
  CASE WHEN n % 100 = 8 THEN id(1000004) END,
  CASE WHEN n % 100 < 6 THEN 'T-' || n END
FROM generate_series(1, 20000) n,
  LATERAL (SELECT CASE WHEN n % 97 = 0 THEN 'IN_REVIEW' WHEN n % 3 = 0 THEN 'DONE' ELSE 'TODO' END AS status) s;
INSERT INTO comments (id, task_id, author_id, text, create_time, update_time)
SELECT
  id(2000000 + number), id, id(10),
  'Said of ' || number || CASE WHEN number % 1000 = 0 THEN ' needle' ELSE '' END,
  '2026-01-01', '2026-01-01'
FROM tasks WHERE number % 4 < 2;
ANALYZE projects, members, tasks, comments;
"""
ID = (
    "CREATE FUNCTION id(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$"
)


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[Connection]:
    engine = create_engine(databases.clone("work").replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        connection.execute(text(ID))
        for statement in DATA.split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
        connection.commit()
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE tasks, comments")
        yield connection
    engine.dispose()


def plan(database: Connection, question: tuple[Select[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """Every node of the plan of a question, with what it did."""
    statement, given = question
    expanded = statement.compile(dialect=database.dialect).construct_expanded_state(given)
    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {expanded.statement}"
    ((answer,),) = database.exec_driver_sql(explained, dict(expanded.parameters)).all()
    return list(nodes(answer[0]["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)


def rows_read(plan: list[dict[str, Any]]) -> int:
    """How many rows of tasks and comments were looked at."""
    return sum(
        round(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
            * node["Actual Loops"]
        )
        for node in plan
        if node.get("Relation Name") in {"tasks", "comments"}
    )


def rows_sorted(plan: list[dict[str, Any]]) -> int:
    """How many rows the greatest of all sorts was given."""
    sorts = [node for node in plan if node["Node Type"] in {"Sort", "Incremental Sort"}]
    return max((round(node["Plans"][0]["Actual Rows"]) for node in sorts), default=0)


def scanned(plan: list[dict[str, Any]]) -> set[str]:
    """The tables of tasks and comments that were read from end to end."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} & {"tasks", "comments"}


def describe(plan: list[dict[str, Any]]) -> str:
    shown = ("Node Type", "Relation Name", "Index Name", "Actual Rows", "Actual Loops", "Rows Removed by Filter")
    return "\n".join(str({key: node[key] for key in shown if key in node}) for node in plan)


ORDERS = [
    f"{field}{direction}"
    for field in ("number", "position", "status", "priority", "due_time", "create_time", "update_time")
    for direction in ("", " desc")
]
URGENT_FIRST = "priority desc, due_time"


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("order_by", ORDERS)
def test_a_page_costs_a_page_in_any_order(database: Connection, where: str, order_by: str) -> None:
    """The first one, and one far behind it."""
    _costs_a_page(database, where, order_by)


def test_the_most_urgent_of_all_cost_a_page(database: Connection) -> None:
    _costs_a_page(database, "anywhere", URGENT_FIRST)


def _costs_a_page(database: Connection, where: str, order_by: str) -> None:
    caller, project = WHERE[where]
    if project is None and order_by.startswith(OF_ONE_PROJECT):
        return
    wanted, by = Wanted(), order(order_by, of_one_project=project is not None)
    projects = 21 if where == "in mine" else 1
    first = lists.question(caller, project, wanted, by, after=None, limit=PAGE)
    behind, given = lists.question(caller, project, wanted, by, after=None, limit=1, skip=3000)
    (row,) = database.execute(behind, given).all()
    after = lists.cursor(task_of(row), by)
    for question in (first, lists.question(caller, project, wanted, by, after=after, limit=PAGE)):
        chosen = plan(database, question)
        assert scanned(chosen) == set(), describe(chosen)
        assert rows_read(chosen) <= projects * (PAGE + 1), describe(chosen)
        assert rows_sorted(chosen) <= projects * PAGE, describe(chosen)


@pytest.mark.parametrize("where", WHERE)
def test_a_plan_for_an_order_is_kept(database: Connection, where: str) -> None:
    """For what only orders there is one good plan, whatever the place and the project."""
    caller, project = WHERE[where]
    by = order("priority desc", of_one_project=project is not None)
    statement, given = lists.question(caller, project, Wanted(), by, after=[4, str(ADA)], limit=PAGE)
    database.exec_driver_sql("DISCARD PLANS")
    for _ in range(15):
        database.execute(statement, given).all()
    kept = "SELECT max(generic_plans) FROM pg_prepared_statements WHERE statement LIKE '%%priority_place%%'"
    ((plans,),) = database.exec_driver_sql(kept).all()
    assert plans > 0


FILTERED: list[Wanted] = [
    Wanted(statuses=(Status.IN_REVIEW,)),
    Wanted(statuses=(Status.TODO, Status.DONE)),
    Wanted(statuses=(Status.CANCELLED,)),  # there is none
    Wanted(priorities=(Priority.URGENT,)),
    Wanted(assignee=ADA),
    Wanted(unassigned=True),
    Wanted(due_before=datetime(2026, 1, 4, tzinfo=UTC)),
    Wanted(due_after=datetime(2028, 4, 10, tzinfo=UTC)),
    Wanted(due_after=datetime(2027, 1, 1, tzinfo=UTC), due_before=datetime(2027, 1, 4, tzinfo=UTC)),
    Wanted(category=TagRef(None, "rare")),
    Wanted(label=TagRef(None, "rare")),
    Wanted(q="needle"),
    Wanted(q="needle -moon"),
    *[
        Wanted(filter=read_filter(filter_, fields(ADA, of_one_project=False)))
        for filter_ in (
            "number = 4000",
            "number >= 19990",
            "title:needle",
            "description:needle",
            "needle",
            "status = IN_REVIEW",
            "status > DONE",
            "priority < MEDIUM",
            "assignee = me",
            "assignee != me",
            "-assignee:*",
            "creator = me",
            "due_time < 2026-01-04",
            "due_time >= 2028-04-10",
            "NOT due_time:*",
            "create_time < 2026-01-01T01:00:00Z",
            "update_time >= 2026-01-14T20:00:00Z",
            "complete_time:*",
            "category = rare",
            "category != rare",
            f"category = {RARE_CATEGORY}",
            "category:*",
            "labels:rare",
            "-labels:rare",
            f"labels:{RARE_LABEL}",
            "labels:*",
            f"parent = {WHOLE}",
            f"parent != {WHOLE}",
            "parent:*",
            "external_id = T-8000",
            "external_id != T-8000",
            "external_id:*",
            "needle AND status = TODO assignee:*",
        )
    ],
]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("wanted", FILTERED, ids=range(len(FILTERED)))
def test_no_filter_reads_or_sorts_the_whole_table(database: Connection, where: str, wanted: Wanted) -> None:
    caller, project = WHERE[where]
    for by in ("", "priority desc"):
        question = lists.question(
            caller, project, wanted, order(by, of_one_project=project is not None), after=None, limit=PAGE
        )
        chosen = plan(database, question)
        assert scanned(chosen) == set(), describe(chosen)
        assert rows_read(chosen) <= AT_MOST, describe(chosen)
        assert rows_sorted(chosen) <= AT_MOST, describe(chosen)


def test_parts_are_found_by_the_number_of_the_whole(database: Connection) -> None:
    for filter_, most in (("parent = 4", 300), ("parent != 4", 50)):
        wanted = Wanted(filter=read_filter(filter_, fields(ADA, of_one_project=True)))
        by = order("", of_one_project=True)
        chosen = plan(database, lists.question(MEMBER, BIG, wanted, by, after=None, limit=PAGE))
        assert scanned(chosen) == set(), describe(chosen)
        assert rows_read(chosen) <= most, describe(chosen)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    "by", [URGENT_FIRST, f"{URGENT_FIRST}, update_time desc", "status, update_time desc", "due_time, number desc"]
)
def test_to_and_fro_is_sorted_within_the_first_key(database: Connection, where: str, by: str) -> None:
    caller, project = WHERE[where]
    if (where == "anywhere" and by == URGENT_FIRST) or (project is None and "number" in by):
        return
    wanted = Wanted()
    question = lists.question(
        caller, project, wanted, order(by, of_one_project=project is not None), after=None, limit=PAGE
    )
    chosen = plan(database, question)
    assert scanned(chosen) == set(), describe(chosen)
    assert any(node["Node Type"] == "Incremental Sort" for node in chosen), describe(chosen)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    "asked", [Wanted(), Wanted(filter=read_filter("assignee = me", fields(ADA, of_one_project=False)))]
)
def test_what_belongs_to_tasks_is_looked_for_on_the_page_only(database: Connection, where: str, asked: Wanted) -> None:
    caller, project = WHERE[where]
    by = order("priority desc", of_one_project=project is not None)
    alone, full = (
        plan(database, lists.question(caller, project, replace(asked, in_full=in_full), by, after=None, limit=PAGE))
        for in_full in (False, True)
    )
    assert scanned(full) == set(), describe(full)
    # A parent, the newest comments and their number, for each; and now and then a part.
    assert rows_read(full) <= rows_read(alone) + PAGE * 5, describe(full)
    assert all(node["Actual Loops"] <= PAGE for node in full if node.get("Subplan Name", "").startswith("SubPlan"))


@pytest.mark.parametrize("caller", [MEMBER, MANAGER], ids=["mine", "anywhere"])
def test_projects_are_counted_on_the_page_only(database: Connection, caller: Caller) -> None:
    """Each of them has at most a hundred tasks; the one of which the list does not tell has 5,000."""
    given = {"before": UUID(int=2**128 - 1), "limit": 5, "state": None, **projects_store.seen_by(caller)}
    chosen = plan(database, (overviews.LIST[True][False], given))
    assert scanned(chosen) == set(), describe(chosen)
    assert rows_read(chosen) <= 5 * 100, describe(chosen)


def test_the_tasks_of_one_project_are_counted(database: Connection) -> None:
    chosen = plan(database, (overviews.GET[True][True, False], projects_store.meant(BIG, MEMBER)))
    assert scanned(chosen) == set(), describe(chosen)
    assert rows_read(chosen) <= 5000, describe(chosen)


SOUGHT = [
    Sought("needle"),
    Sought("moon"),
    Sought("needle moon"),
    Sought("zeppelin"),
    Sought("moon", read_filter("status = IN_REVIEW", fields(ADA, of_one_project=False))),
]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("sought", SOUGHT, ids=range(len(SOUGHT)))
def test_a_search_reads_what_it_ranks(database: Connection, where: str, sought: Sought) -> None:
    caller, project = WHERE[where]
    for after in (None, Place(0.01, ADA)):
        chosen = plan(database, searches.question(caller, project, sought, after=after, limit=PAGE))
        assert scanned(chosen) == set(), describe(chosen)
        assert rows_read(chosen) <= 2 * AT_MOST, describe(chosen)


@pytest.mark.parametrize("count", [1, 300])
def test_an_import_reads_the_tasks_that_it_names(database: Connection, count: int) -> None:
    """By external id, by id and by number."""
    names = [name for number in range(4, 4 + count) for name in (f"JIRA-{number}", str(new_id()), str(number))]
    assert BIG.id is not None
    chosen = plan(database, imports.question(BIG.id, names))
    assert scanned(chosen) == set(), describe(chosen)
    assert rows_read(chosen) <= 2 * count, describe(chosen)
