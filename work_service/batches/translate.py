"""Messages of the contract, to values of the domain."""

from collections.abc import Sequence

from tandem.work.v1 import task_pb2

from chassis.errors import part
from work_service.batches.domain import Item
from work_service.tasks import translate as tasks
from work_service.tasks.domain import NamedLinks, NewTask, TaskRef


def refs(texts: Sequence[str]) -> Sequence[TaskRef]:
    """Which tasks are meant."""
    return [ref(f"tasks[{place}]", text) for place, text in enumerate(texts)]


def ref(place: str, text: str) -> TaskRef:
    """Which task is meant in a part of a request."""
    with part(place):
        return TaskRef.read(text)


def new_tasks(request: task_pb2.BatchCreateTasksRequest) -> Sequence[tuple[NewTask, NamedLinks]]:
    """The tasks that somebody wants."""
    wanted = []
    for place, item in enumerate(request.requests):
        with part(f"requests[{place}]"):
            wanted.append((tasks.new_task(item.task), tasks.links(item.task)))
    return wanted


def updates(request: task_pb2.BatchUpdateTasksRequest) -> Sequence[Item]:
    """What shall change about which tasks."""
    items = []
    for place, item in enumerate(request.requests):
        with part(f"requests[{place}]"):
            paths = item.update_mask.paths
            edit, links = tasks.task_edit(item.task, paths), tasks.links(item.task, paths)
            items.append(Item(ref=TaskRef.read(item.task_ref), etag=item.etag, edit=edit, links=links))
    return items


def transitions(request: task_pb2.BatchTransitionTasksRequest) -> Sequence[Item]:
    """Where which tasks shall move."""
    return [
        Item(ref=ref(f"requests[{place}]", item.task), etag=item.etag, edit={"status": tasks.status(item.status)})
        for place, item in enumerate(request.requests)
    ]


def deletions(request: task_pb2.BatchDeleteTasksRequest) -> Sequence[Item]:
    """Which tasks shall go."""
    return [
        Item(ref=ref(f"requests[{place}]", item.task), etag=item.etag) for place, item in enumerate(request.requests)
    ]
