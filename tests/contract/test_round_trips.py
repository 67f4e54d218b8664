"""How many statements a call costs. BEGIN and COMMIT are not counted."""

from typing import Any

from tests.support.people import Person
from tests.support.stack import Stack


async def test_reading_costs_one_statement(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    for rpc, request in (
        ("GetProject", {"project": project["slug"]}),
        ("GetTask", {"project": project["slug"], "task": "1"}),
        ("GetTask", {"project": project["id"], "task": task["id"]}),
        ("ListTasks", {"project": project["slug"]}),
        ("ListTasks", {"project": project["id"], "pageSize": 100}),
    ):
        stack.clear()
        await ada.call(rpc, **request)
        assert len(stack.work.statements) == 1, (rpc, stack.work.statements)
        assert stack.identity.statements == [], "tokens are verified without asking"


async def test_a_transition_costs_four_statements(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    stack.clear()
    await ada.call("TransitionTask", project=project["slug"], task="1", status="DONE")
    assert stack.work.statements == [
        "SELECT tasks projects members",  # resolve and lock
        "SELECT tasks projects members",  # read again
        "UPDATE tasks",
        "INSERT outbox",  # and the activity
    ]
