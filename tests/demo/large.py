"""A million tasks in ten thousand projects, by COPY: what a busy company has after some years."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from tests.demo import words
from work_service import positions

START = datetime(2024, 1, 1, tzinfo=UTC)
BATCH = 10_000  # rows of one transaction: below the 30 seconds that a statement may take
MEMBERS = 5
MINE = 100  # of how many projects the owner is a member
STATUSES = ("TODO", "DONE", "IN_PROGRESS", "DONE", "IN_REVIEW", "TODO", "DONE", "CANCELLED")
PRIORITIES = ("MEDIUM", "LOW", "HIGH", "MEDIUM", "URGENT", "MEDIUM", "LOW")
_PROJECT = "(id, slug, title, description, owner_id, create_time, update_time)"
_MEMBER = "(project_id, user_id, role, create_time, update_time)"
_COUNTER = "(project_id, last_number)"
_TASK = (
    "(id, project_id, number, title, description, status, priority, creator_id, assignee_id, due_time, complete_time,"
    " create_time, update_time, position)"
)


@dataclass(frozen=True)
class Sizes:
    """How much of it."""

    tasks: int
    projects: int
    largest: int
    """How many tasks the first project has; the others share the rest."""

    def of(self, project: int) -> int:
        """How many tasks a project has."""
        if project == 0:
            return self.largest
        others, rest = divmod(self.tasks - self.largest, max(self.projects - 1, 1))
        return others + (1 if project <= rest else 0)


MILLION = Sizes(tasks=1_000_000, projects=10_000, largest=25_000)


def fill(url: str, owner: UUID, sizes: Sizes, *, prefix: str, progress: Callable[[int], None]) -> None:
    """Make it all; the owner is a member of the first hundred projects, whose slugs are `prefix-0` and on.

    `progress` is told every now and then how many tasks there are.
    """
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        projects = [_id(START, prefix, number) for number in range(sizes.projects)]
        _copy(connection, "projects", _PROJECT, _projects(projects, owner, prefix))
        _copy(connection, "members", _MEMBER, _members(projects, owner))
        _copy(connection, "task_counters", _COUNTER, ((id_, sizes.of(n)) for n, id_ in enumerate(projects)))
        done, rows = 0, _tasks(projects, owner, sizes, prefix)
        while batch := [row for _, row in zip(range(BATCH), rows, strict=False)]:
            _copy(connection, "tasks", _TASK, iter(batch))
            done += len(batch)
            progress(done)
        for table in ("projects", "members", "tasks"):
            connection.execute("SET statement_timeout = 0")
            connection.execute(f"VACUUM (ANALYZE) {table}")


def _copy(connection: psycopg.Connection[Any], table: str, columns: str, rows: Iterator[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} {columns} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _projects(ids: Sequence[UUID], owner: UUID, prefix: str) -> Iterator[Sequence[Any]]:
    for number, id_ in enumerate(ids):
        belongs_to = owner if number < MINE else _person(number)
        yield id_, f"{prefix}-{number}", f"Project {number}", words.description(number), belongs_to, START, START


def _members(ids: Sequence[UUID], owner: UUID) -> Iterator[Sequence[Any]]:
    for number, id_ in enumerate(ids):
        yield id_, owner if number < MINE else _person(number), "OWNER", START, START
        for member in range(1, MEMBERS):
            yield id_, _person(number + member), "DEVELOPER", START, START


def _tasks(ids: Sequence[UUID], owner: UUID, sizes: Sizes, prefix: str) -> Iterator[Sequence[Any]]:
    """In the order in which they were made: a project gets its tasks over the years."""
    for number in range(1, max(sizes.largest, sizes.of(1)) + 1):
        for project, id_ in enumerate(ids):
            if number <= sizes.of(project):
                yield _task(id_, project, number, owner, sizes, prefix)
            elif project and number > sizes.of(1):
                break  # from here on there is only the largest


def _task(id_: UUID, project: int, number: int, owner: UUID, sizes: Sizes, prefix: str) -> Sequence[Any]:
    seed = project * 31 + number
    made = START + timedelta(days=1000) * number / max(sizes.of(project), 1) + timedelta(seconds=project)
    changed = made + timedelta(hours=seed % 997)
    status = STATUSES[seed % len(STATUSES)]
    return (
        _id(made, prefix, project, number),
        id_,
        number,
        words.title(seed),
        words.description(seed),
        status,
        PRIORITIES[seed % len(PRIORITIES)],
        owner if project < MINE and not seed % 3 else _person(project + seed % MEMBERS),
        None if seed % 5 == 0 else owner if project < MINE and not seed % 4 else _person(project + seed % MEMBERS),
        made + timedelta(days=seed % 89) if seed % 3 else None,
        changed if status == "DONE" else None,
        made,
        changed,
        positions.initial(number),
    )


def _person(number: int) -> UUID:
    return UUID(int=START.year << 112 | 7 << 76 | 2 << 62 | number % 50_000)


def _id(made: datetime, prefix: str, *numbers: int) -> UUID:
    """A UUIDv7 of that time, the same each time that it is asked for."""
    milliseconds = int(made.timestamp() * 1000)
    low = hash((*prefix.encode(), *numbers)) & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | low)
