"""How many statements a call costs. BEGIN and COMMIT are not counted."""

from typing import Any

from tests.support.people import Person
from tests.support.stack import Stack


async def test_reading_costs_one_statement(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    category = await ada.call("CreateCategory", project=project["id"], category={"name": "Bug"})
    for rpc, request in (
        ("GetProject", {"project": project["slug"]}),
        ("GetTask", {"project": project["slug"], "task": "1"}),
        ("GetTask", {"project": project["id"], "task": task["id"]}),
        ("GetTask", {"project": project["id"], "task": task["id"], "view": "FULL"}),
        ("ListTasks", {"project": project["slug"]}),
        ("ListTasks", {"project": project["id"], "pageSize": 100}),
        ("ListTasks", {"project": project["id"], "orderBy": "priority desc, due_time", "filter": "moon OR number < 5"}),
        ("ListTasks", {"project": project["id"], "pageSize": 100, "view": "FULL"}),
        ("ListTasks", {"q": "moon", "assignee": "me"}),
        ("SearchTasks", {"project": project["slug"], "query": "moon", "filter": "status = TODO"}),
        ("SearchTasks", {"query": "moon"}),
        ("ListProjects", {}),
        ("ListProjects", {"showDeleted": True}),
        ("ListProjects", {"view": "FULL", "pageSize": 100}),
        ("GetProject", {"project": project["slug"], "view": "FULL"}),
        ("GetProject", {"project": project["slug"], "showDeleted": True}),
        ("GetMember", {"project": project["slug"], "userId": ada.id}),
        ("ListMembers", {"project": project["slug"]}),
        ("GetProjectStats", {"project": project["slug"]}),
        ("ListInvitations", {"project": project["slug"]}),
        ("TestPermissions", {"project": project["slug"], "permissions": ["task.read"]}),
        ("GetProjectStats", {"project": project["id"]}),
        ("GetCategory", {"project": project["slug"], "category": category["slug"]}),
        ("ListCategories", {"project": project["slug"], "pageSize": 100}),
        ("ListLabels", {"project": project["id"]}),
    ):
        stack.clear()
        await ada.call(rpc, **request)
        assert len(stack.work.statements) == 1, (rpc, stack.work.statements)
        assert stack.identity.statements == [], "tokens are verified without asking"


async def test_counting_costs_one_more(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    for request in ({"project": project["slug"]}, {}, {"filter": "moon"}):
        stack.clear()
        await ada.call("ListTasks", withTotalSize=True, **request)
        assert len(stack.work.statements) == 2, stack.work.statements


async def test_a_transition_costs_four_statements(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    stack.clear()
    await ada.call("TransitionTask", project=project["slug"], task="1", status="DONE")
    assert stack.work.statements == [
        "SELECT tasks projects members",  # resolve and lock
        "SELECT profiles tasks projects members",  # read again, with names
        "UPDATE tasks",
        "INSERT outbox",  # and the activity
    ]


async def test_a_list_costs_the_same_for_many_as_for_few(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    for number in range(30):
        await ada.call("CreateTask", project=project["id"], task={"title": str(number)})
    stack.clear()
    assert len((await ada.call("ListTasks", project=project["id"], pageSize=30))["tasks"]) == 30
    assert len(stack.work.statements) == 1


async def test_changing_costs_eight_statements_at_the_most(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    name = {"project": project["slug"], "task": "1"}
    await ada.call("AddMember", project=project["id"], userId=ada.id, role="OWNER")  # work has its token now
    await ada.call("CreateCategory", project=project["id"], category={"name": "Bug"})
    await ada.call("CreateLabel", project=project["id"], label={"name": "UI"})
    linked = {"category": "bug", "labels": ["ui"], "parent": "2"}
    await ada.call("CreateTask", project=project["id"], task={"title": "whole"})
    for rpc, request, cost in (
        ("UpdateTask", {"project": project["slug"], "taskRef": "1", "task": {"title": "x", "status": "DONE"}}, 4),
        ("AssignTask", name | {"assignee": ada.id}, 5),
        ("UnassignTask", name, 4),
        ("UpdateTask", {"project": project["slug"], "taskRef": "1", "task": linked}, 8),
        ("DetachLabel", name | {"label": "ui"}, 5),
        ("AttachLabel", name | {"label": "ui"}, 5),
        ("ReorderTask", name | {"after": "2"}, 7),
        ("UpdateCategory", {"project": project["slug"], "categoryRef": "bug", "category": {"name": "Defect"}}, 3),
        ("DeleteCategory", {"project": project["slug"], "category": "bug"}, 4),
        ("DeleteTask", name, 4),
        ("UndeleteTask", name, 4),
        ("UpdateTask", {"project": project["slug"], "taskRef": "1", "task": {"title": "y"}, "idempotencyKey": "k"}, 6),
        ("UpdateProject", {"projectRef": project["slug"], "project": {"title": "x"}}, 4),
        ("AddMember", {"project": project["slug"], "userId": stranger.id, "role": "VIEWER"}, 4),
        (
            "UpdateMember",
            {"project": project["slug"], "userId": stranger.id, "member": {"role": "DEVELOPER"}},
            4,
        ),
        ("RemoveMember", {"project": project["slug"], "userId": stranger.id}, 6),
        ("DeleteProject", {"project": project["slug"]}, 4),
        ("UndeleteProject", {"project": project["slug"]}, 4),
    ):
        stack.clear()
        await ada.call(rpc, **request)
        assert len(stack.work.statements) == cost, (rpc, stack.work.statements)
        assert len(stack.identity.statements) == (1 if rpc == "AddMember" else 0), stack.identity.statements
