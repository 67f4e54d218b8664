"""Requests that would keep a server busy are refused before anybody looks at what is in them."""

from typing import Any

import pytest
from tandem.work.v1 import task_pb2

from chassis.validation import InvalidRequest, Validator


def wrong(request: Any, **options: Any) -> list[tuple[str, str]]:
    """The fields that are wrong, and the rules that say so."""
    with pytest.raises(InvalidRequest) as caught:
        Validator().parsed(type(request), request.SerializeToString(), **options)
    return [(each.field, each.reason) for each in caught.value.violations]


def test_of_a_list_that_is_too_long_nothing_is_looked_at() -> None:
    """Each of its items is wrong, and to say so of all of them takes minutes and gigabytes."""
    request = task_pb2.BatchGetTasksRequest(project="p", tasks=[""] * 2_000_000)
    assert wrong(request) == [("tasks", "repeated.max_items")]


def test_a_mask_has_a_bound_though_the_contract_names_none() -> None:
    request = task_pb2.UpdateTaskRequest(project="p")
    request.update_mask.paths.extend(["title"] * 200_000)
    assert wrong(request) == [("update_mask.paths", "repeated.max_items")]


def test_what_is_too_long_is_named_wherever_it_is() -> None:
    request = task_pb2.BatchCreateTasksRequest(project="p")
    for number in range(4):
        request.requests.add().task.title = "x" * 200 + str(number)
    request.requests[3].task.labels.extend(["a" * 36] * 60)
    assert wrong(request) == [("requests[3].task.labels", "repeated.max_items")]
    del request.requests[3].task.labels[:]
    for number in range(60):
        request.requests[2].task.annotations[f"name{number}"] = "x" * 40
    assert wrong(request) == [("requests[2].task.annotations", "map.max_pairs")]


def test_what_is_within_bounds_is_held_against_the_contract() -> None:
    request = task_pb2.BatchCreateTasksRequest(project="p")
    for _ in range(50):
        request.requests.add().task.title = "x" * 201
    assert len(wrong(request)) == 50
