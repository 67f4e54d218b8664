"""What a row of a task is, and which rows a caller sees."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Row, Select, Uuid, any_, bindparam, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from work_service.access import Caller, Role, UserId
from work_service.profiles.store import Named
from work_service.projects import store as projects_store
from work_service.projects.domain import NO_PROJECT, ProjectId, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import members, projects, tasks
from work_service.tags.domain import TagId
from work_service.tasks.domain import Priority, Status, Task, TaskId, TaskNotFound, TaskRef

COLUMNS = (
    tasks.c.id,
    tasks.c.project_id,
    tasks.c.number,
    tasks.c.title,
    tasks.c.description,
    tasks.c.status,
    tasks.c.priority,
    tasks.c.creator_id,
    tasks.c.assignee_id,
    tasks.c.category_id,
    tasks.c.labels,
    tasks.c.parent_id,
    tasks.c.position,
    tasks.c.annotations,
    tasks.c.external_id,
    tasks.c.due_time,
    tasks.c.complete_time,
    tasks.c.create_time,
    tasks.c.update_time,
    tasks.c.delete_time,
    tasks.c.version,
)
_CREATOR, _ASSIGNEE = Named(tasks.c.creator_id), Named(tasks.c.assignee_id)
TASK_IS_LIVE: ColumnElement[bool] = tasks.c.delete_time.is_(None)
EXISTS: Mapping[bool, ColumnElement[bool]] = {False: TASK_IS_LIVE, True: true()}
"""Whether a task is there, by whether deleted ones are looked for too."""
SEEN_TASKS: FromClause = SEEN_PROJECTS.join(tasks, tasks.c.project_id == projects.c.id)
"""Tasks beside what the caller is in their projects."""
TASK_BY_REF: Mapping[bool, ColumnElement[bool]] = {
    True: tasks.c.id == bindparam("task"),
    False: tasks.c.number == bindparam("task"),
}
"""The task that was meant, by whether it was named by id."""
IS_ANY_OF: ColumnElement[bool] = or_(
    tasks.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    tasks.c.number == any_(bindparam("numbers", type_=ARRAY(Integer))),
)
_WHERE: Mapping[bool | None, ColumnElement[bool]] = {None: true(), True: BY_REF[True], False: BY_REF[False]}
How = tuple[bool | None, bool, bool]
"""Whether the project is named by id (None: it is not named), whether the task is, and whether deleted ones count."""
FIND: Mapping[How, Select[Any]] = {
    (project_by_id, task_by_id, deleted_too): select(*COLUMNS, members.c.role)
    .select_from(SEEN_TASKS)
    .where(project_is_meant, IS_SEEN, task_is_meant, exists)
    for project_by_id, project_is_meant in _WHERE.items()
    for task_by_id, task_is_meant in TASK_BY_REF.items()
    for deleted_too, exists in EXISTS.items()
}
FIND_MANY: Mapping[bool, Select[Any]] = {
    by_id: select(*COLUMNS, members.c.role)
    .select_from(SEEN_TASKS)
    .where(project_is_meant, IS_SEEN, IS_ANY_OF, TASK_IS_LIVE)
    for by_id, project_is_meant in BY_REF.items()
}


def with_names(statement: Select[Any]) -> Select[Any]:
    """A statement over tasks, with what their people are called."""
    return _ASSIGNEE.beside(_CREATOR.beside(statement))


def how(project: ProjectRef, ref: TaskRef, *, deleted_too: bool) -> How:
    """Which of the statements over SEEN_TASKS, BY_REF and TASK_BY_REF finds a task."""
    return None if project == NO_PROJECT else project.id is not None, ref.id is not None, deleted_too


def meant(caller: Caller, project: ProjectRef, ref: TaskRef) -> dict[str, Any]:
    """The parameters of a statement over SEEN_TASKS, BY_REF, TASK_BY_REF and IS_SEEN."""
    return projects_store.meant(project, caller) | {"task": ref.number if ref.id is None else ref.id}


def any_of_these(refs: Sequence[TaskRef]) -> dict[str, Any]:
    """The parameters of IS_ANY_OF."""
    return {
        "ids": [ref.id for ref in refs if ref.id is not None],
        "numbers": [ref.number for ref in refs if ref.number is not None],
    }


def seen(row: Row[Any] | None, caller: Caller) -> tuple[Task, Role]:
    """The task in a row, with the caller's role in its project; TaskNotFound when there is none."""
    if row is None:
        raise TaskNotFound
    return task_of(row), caller.role(row.role)


def task_of(row: Row[Any]) -> Task:
    """The task in a row that has COLUMNS, and the names of its people beside them."""
    return Task(
        id=TaskId(row.id),
        project_id=ProjectId(row.project_id),
        number=row.number,
        title=row.title,
        description=row.description,
        status=Status(row.status),
        priority=Priority(row.priority),
        creator_id=UserId(row.creator_id),
        assignee_id=None if row.assignee_id is None else UserId(row.assignee_id),
        category_id=None if row.category_id is None else TagId(row.category_id),
        labels=tuple(map(TagId, row.labels)),
        parent_id=None if row.parent_id is None else TaskId(row.parent_id),
        position=row.position,
        annotations=row.annotations,
        external_id=row.external_id,
        due_time=row.due_time,
        complete_time=row.complete_time,
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        version=row.version,
        people={**_CREATOR.people(row), **_ASSIGNEE.people(row)},
    )


def row_of(task: Task) -> dict[str, Any]:
    """COLUMNS of a task, by name."""
    return {column.name: getattr(task, column.name) for column in COLUMNS} | {"labels": list(task.labels)}


def ids_by_ref(rows: Sequence[Row[Any]]) -> Mapping[TaskRef, TaskId]:
    """Which tasks rows with id and number are, however they are named."""
    ids = {TaskRef(None, row.number): TaskId(row.id) for row in rows}
    return ids | {TaskRef(task_id, None): task_id for task_id in ids.values()}
