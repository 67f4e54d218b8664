"""Messages of the contract, to and from values of the domain."""

from tandem.work.v1 import task_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.filters import Filter, read_filter
from chassis.ids import parse_id
from chassis.instants import instant
from work_service.access import UserId
from work_service.details.translate import task_in_full
from work_service.finding.domain import Found, Match, Snippet, Sought, Wanted, fields
from work_service.projects.domain import ProjectRef
from work_service.tags.domain import TagRef
from work_service.tasks import translate as tasks
from work_service.tasks.domain import Priority, Status


def project(text: str) -> ProjectRef | None:
    """The project that was named, if one was."""
    return ProjectRef.read(text) if text else None


def wanted(request: task_pb2.ListTasksRequest, me: UserId) -> Wanted:
    """Which tasks somebody wants.

    Raises:
        InvalidArgument: A filter or a person cannot be read.
    """
    statuses, priorities = set(map(tasks.status, request.status)), set(map(tasks.priority, request.priority))
    return Wanted(
        statuses=tuple(status for status in Status if status in statuses),
        priorities=tuple(priority for priority in Priority if priority in priorities),
        assignee=_person(request.assignee, me),
        unassigned=request.unassigned,
        due_before=instant(request, "due_before", path="due_before"),
        due_after=instant(request, "due_after", path="due_after"),
        q=request.q,
        category=TagRef.read(request.category) if request.category else None,
        label=TagRef.read(request.label) if request.label else None,
        filter=_filter(request, me),
        deleted_too=request.show_deleted,
        in_full=request.view == task_pb2.Task.FULL,
    )


def sought(request: task_pb2.SearchTasksRequest, me: UserId) -> Sought:
    """Which tasks somebody searches for.

    Raises:
        InvalidArgument: The filter cannot be read.
    """
    return Sought(request.query, _filter(request, me), request.view == task_pb2.Task.FULL)


def task(found: Found) -> task_pb2.Task:
    """A task that was found."""
    return tasks.task(found.task) if found.details is None else task_in_full(found.task, found.details)


def result(match: Match) -> task_pb2.SearchTasksResponse.Result:
    """A task that was searched for."""
    return task_pb2.SearchTasksResponse.Result(
        task=task(match.found), rank=match.rank, snippets=map(_snippet, match.snippets)
    )


def _snippet(snippet: Snippet) -> task_pb2.SearchTasksResponse.Snippet:
    return task_pb2.SearchTasksResponse.Snippet(
        source=task_pb2.SearchTasksResponse.Snippet.Source.Value(snippet.source.value),
        text=snippet.text,
        comment="" if snippet.comment_id is None else str(snippet.comment_id),
    )


def _filter(request: task_pb2.ListTasksRequest | task_pb2.SearchTasksRequest, me: UserId) -> Filter:
    return read_filter(request.filter, fields(me, of_one_project=bool(request.project)))


def _person(text: str, me: UserId) -> UserId | None:
    if text in {"", "me"}:
        return me if text else None
    found = parse_id(text)
    if found is None:
        raise InvalidArgument(FieldViolation("assignee", "must be the id of a person, or me"))
    return UserId(found)
