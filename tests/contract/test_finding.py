"""Finding tasks: by what they are, by what they say, in any order, page by page, in one project and in all of them."""

from typing import Any

import pytest

from tests.support.doors import refused
from tests.support.people import Person, signed_up, signed_up_as
from tests.support.stack import Stack

# Title, and what else it has; numbered from 1.
TASKS: list[dict[str, Any]] = [
    {"title": "Land on the moon", "priority": "URGENT", "dueTime": "2030-01-01T00:00:00Z"},
    {"title": "Landing gear", "description": "Four legs, softly sprung", "status": "IN_PROGRESS", "priority": "LOW"},
    {"title": "Plant a flag", "description": "On the moon, where else?", "dueTime": "2029-06-01T12:00:00Z"},
    {"title": "Fly home", "status": "DONE", "priority": "HIGH", "dueTime": "2030-02-01T00:00:00Z"},
    {"title": "Pack sandwiches", "status": "CANCELLED"},
]
CHEESE = "There is no cheese on the moon"


@pytest.fixture
async def tasks(ada: Person, project: dict[str, Any]) -> list[dict[str, Any]]:
    made = [await ada.call("CreateTask", project=project["id"], task=task) for task in TASKS]
    made[1] = await ada.call("AssignTask", project=project["id"], task="2", assignee=ada.id)
    await ada.call(
        "CreateComment", project=project["id"], task="5", comment={"text": "There is no cheese on the moon."}
    )
    return made


async def numbers(person: Person, project: dict[str, Any], **asked: Any) -> list[int]:
    """What is found, on pages of two."""
    found, page_token = [], ""
    while True:
        page = await person.call("ListTasks", project=project["id"], pageSize=2, pageToken=page_token, **asked)
        found += [task["number"] for task in page["tasks"]]
        page_token = page.get("nextPageToken", "")
        if not page_token:
            return found


ASKED: list[tuple[dict[str, Any], list[int]]] = [
    ({"status": ["TODO"]}, [1, 3]),
    ({"status": ["DONE", "CANCELLED"]}, [4, 5]),
    ({"priority": ["MEDIUM"]}, [3, 5]),
    ({"priority": ["URGENT", "LOW"], "status": ["TODO"]}, [1]),
    ({"assignee": "me"}, [2]),
    ({"unassigned": True}, [1, 3, 4, 5]),
    ({"assignee": "me", "unassigned": True}, []),
    ({"dueBefore": "2030-01-01T00:00:00Z"}, [3]),
    ({"dueAfter": "2030-01-01T00:00:00Z"}, [1, 4]),
    ({"dueAfter": "2029-01-01T00:00:00Z", "dueBefore": "2030-01-15T00:00:00Z"}, [1, 3]),
    ({"q": "moon"}, [1, 3, 5]),
    ({"q": "land"}, [1, 2]),
    ({"q": "moon -flag"}, [1, 5]),
    ({"q": '"the moon" flag'}, [3]),
    ({"q": "flag or home"}, [3, 4]),
    ({"q": "the"}, []),
    ({"q": "moon", "status": ["TODO"]}, [1, 3]),
    ({"filter": "moon"}, [1, 3, 5]),
    ({"filter": "title:moon"}, [1]),
    ({"filter": "description:moon"}, [3]),
    ({"filter": "title:the"}, []),
    ({"filter": '"on the moon" AND NOT flag'}, [1, 5]),
    ({"filter": "-moon"}, [2, 4]),
    ({"filter": "status = (TODO OR DONE)"}, [1, 3, 4]),
    ({"filter": "status = TODO OR status = DONE number > 1"}, [3, 4]),
    ({"filter": "status >= DONE"}, [4, 5]),
    ({"filter": "priority > MEDIUM"}, [1, 4]),
    ({"filter": "priority != MEDIUM"}, [1, 2, 4]),
    ({"filter": "assignee = me"}, [2]),
    ({"filter": "assignee != me"}, [1, 3, 4, 5]),
    ({"filter": "NOT assignee = me"}, [1, 3, 4, 5]),
    ({"filter": "assignee:*"}, [2]),
    ({"filter": "-assignee:*"}, [1, 3, 4, 5]),
    ({"filter": "creator = me"}, [1, 2, 3, 4, 5]),
    ({"filter": "creator != me"}, []),
    ({"filter": "due_time:*"}, [1, 3, 4]),
    ({"filter": "NOT due_time:*"}, [2, 5]),
    ({"filter": "due_time < 2030-01-01"}, [3]),
    ({"filter": "due_time <= 2030-01-01"}, [1, 3]),
    ({"filter": "due_time > 2030-01-01"}, [4]),
    ({"filter": "due_time = 2030-01-01T01:00:00+01:00"}, [1]),
    ({"filter": "due_time != 2030-01-01"}, [2, 3, 4, 5]),
    ({"filter": "NOT due_time < 2030-01-01"}, [1, 2, 4, 5]),
    ({"filter": "complete_time:*"}, [4]),
    ({"filter": "create_time > 2020-01-01 update_time >= 2020-01-01"}, [1, 2, 3, 4, 5]),
    ({"filter": "number = (1 OR 3 OR 99)"}, [1, 3]),
    ({"filter": "-(number <= 2 OR number >= 5)"}, [3, 4]),
    ({"filter": "moon", "q": "flag", "status": ["TODO"]}, [3]),
]


async def test_what_is_asked_for_is_found(ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
    for asked, found in ASKED:
        assert await numbers(ada, project, **asked) == found, asked
        counted = await ada.call("ListTasks", project=project["slug"], withTotalSize=True, pageSize=1, **asked)
        assert counted.get("totalSize") == len(found), asked


ORDERS = [
    ("", [1, 2, 3, 4, 5]),
    ("number desc", [5, 4, 3, 2, 1]),
    ("position", [1, 2, 3, 4, 5]),
    ("priority desc, position desc", [1, 4, 5, 3, 2]),
    ("status", [1, 3, 2, 4, 5]),
    ("status desc", [5, 4, 2, 3, 1]),
    ("priority", [2, 3, 5, 4, 1]),
    ("priority desc", [1, 4, 5, 3, 2]),
    ("due_time", [3, 1, 4, 2, 5]),
    ("due_time desc", [4, 1, 3, 5, 2]),
    ("create_time", [1, 2, 3, 4, 5]),
    ("update_time desc", [2, 5, 4, 3, 1]),
    ("priority, due_time", [2, 3, 5, 4, 1]),
    ("priority desc, due_time", [1, 4, 3, 5, 2]),
    ("priority desc, due_time desc, number desc", [1, 4, 3, 5, 2]),
    ("status, number desc", [3, 1, 2, 4, 5]),
    ("  status ,  due_time   desc ", [1, 3, 2, 4, 5]),
]


async def test_tasks_come_in_the_order_that_is_asked_for(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    for task in TASKS:
        await ada.call("CreateTask", project=project["id"], task=task)
        stack.clock.advance(seconds=1)
    await ada.call("AssignTask", project=project["id"], task="2", assignee=ada.id)
    for order_by, found in ORDERS:
        assert await numbers(ada, project, orderBy=order_by) == found, order_by


async def test_tasks_are_found_by_category_and_label(ada: Person, project: dict[str, Any]) -> None:
    other = await ada.call("CreateProject", project={"title": "Gemini"})
    made: dict[str, Any] = {}
    for where in (project, other):
        category = await ada.call("CreateCategory", project=where["id"], category={"name": "Space suits"})
        label = await ada.call("CreateLabel", project=where["id"], label={"name": "Urgent things"})
        made[where["id"]] = category, label
        for task in ({}, {"category": category["id"]}, {"labels": [label["id"]], "category": category["id"]}):
            await ada.call("CreateTask", project=where["id"], task={"title": "x", **task})
    category, label = made[project["id"]]
    for asked, found in (
        ({"filter": f"category = {category['id']}"}, [2, 3]),
        ({"filter": f"category:{category['slug']} labels:{label['slug']}"}, [3]),
        ({"filter": f"category != {category['slug']}"}, [1]),
        ({"filter": f"labels = (nonsense OR {label['id']})"}, [3]),
        ({"filter": f"labels != {label['slug']}"}, [1, 2]),
        ({"filter": f"labels:{category['slug']}"}, []),
        ({"filter": "category:* AND NOT labels:*"}, [2]),
        ({"category": category["id"]}, [2, 3]),
        ({"category": category["slug"]}, [2, 3]),
        ({"label": label["id"]}, [3]),
        ({"label": label["slug"], "category": category["slug"]}, [3]),
        ({"label": category["slug"]}, []),
        ({"category": "nonsense"}, []),
        ({"label": other["id"]}, []),
    ):
        assert await numbers(ada, project, **asked) == found, asked
    of_both = await ada.call("ListTasks", filter=f"category = {category['slug']}", withTotalSize=True)
    assert of_both["totalSize"] == 4, "in each project by its own"
    assert (await ada.call("ListTasks", category=category["slug"], withTotalSize=True))["totalSize"] == 4
    assert (await ada.call("ListTasks", label=label["slug"], withTotalSize=True))["totalSize"] == 2
    assert (await ada.call("ListTasks", label=label["id"], withTotalSize=True))["totalSize"] == 1


async def test_tasks_are_found_by_parent_and_external_id(ada: Person, project: dict[str, Any]) -> None:
    other = await ada.call("CreateProject", project={"title": "Gemini"})
    for where in (project, other):
        whole = await ada.call("CreateTask", project=where["id"], task={"title": "Whole", "externalId": "T-1 (a)"})
        for title in ("Part", "Another part"):
            await ada.call("CreateTask", project=where["id"], task={"title": title, "parent": "1", "externalId": title})
        await ada.call("CreateTask", project=where["id"], task={"title": "Alone"})
    for filter_, found in (
        ("parent = 1", [2, 3]),
        ("parent != 1", [1, 4]),
        ("parent = 2", []),
        ("parent:* external_id = Part", [2]),
        ("-parent:*", [1, 4]),
        ('external_id = "T-1 (a)"', [1]),
        ("external_id != Part", [1, 3, 4]),
        ("NOT external_id:*", [4]),
    ):
        assert await numbers(ada, project, filter=filter_) == found, filter_
    everywhere = await ada.call("ListTasks", filter=f"parent = {whole['id']}")
    assert {task["project"] for task in everywhere["tasks"]} == {other["id"]}
    assert len((await ada.call("ListTasks", filter='external_id:"T-1 (a)"'))["tasks"]) == 2
    (result,) = await found_by(ada, project, "part", filter="parent = 1 -external_id = Part")
    assert result["task"]["number"] == 3
    await ada.call("DeleteTask", project=project["id"], task="1")
    assert await numbers(ada, project, filter="parent = 1") == [2, 3], "it is still what they are parts of"


async def test_a_number_names_a_parent_in_one_project_only(ada: Person, project: dict[str, Any]) -> None:
    for rpc, more in (("ListTasks", {}), ("SearchTasks", {"query": "moon"})):
        with refused("INVALID_ARGUMENT", "FILTER_INVALID", field="filter") as said:
            await ada.call(rpc, filter="parent = 1", **more)
        assert "column 10: parent is the id of a task" in said[0].message


async def test_a_list_is_stable_while_tasks_are_added(ada: Person, project: dict[str, Any]) -> None:
    """Whatever comes meanwhile, what was there is listed once."""
    for number in range(10):
        priority = ["LOW", "MEDIUM", "HIGH", "URGENT"][number % 4]
        await ada.call("CreateTask", project=project["id"], task={"title": str(number), "priority": priority})
    seen: list[int] = []
    page_token = ""
    while True:
        page = await ada.call(
            "ListTasks", project=project["id"], orderBy="priority desc", pageSize=3, pageToken=page_token
        )
        seen += [task["number"] for task in page["tasks"]]
        page_token = page.get("nextPageToken", "")
        if not page_token:
            break
        for priority in ("LOW", "URGENT"):
            await ada.call("CreateTask", project=project["id"], task={"title": "New", "priority": priority})
    assert len(seen) == len(set(seen))
    assert set(range(1, 11)) <= set(seen)


async def test_who_wants_offsets_skips(ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
    first = await ada.call("ListTasks", project=project["id"], pageSize=2, skip=1)
    assert [task["number"] for task in first["tasks"]] == [2, 3]
    rest = await ada.call("ListTasks", project=project["id"], pageToken=first["nextPageToken"], skip=1)
    assert [task["number"] for task in rest["tasks"]] == [5]
    beyond = await ada.call("ListTasks", project=project["id"], skip=10_000, withTotalSize=True)
    assert beyond["tasks"] == []
    assert beyond["totalSize"] == 5
    mine = await ada.call("ListTasks", pageSize=2, skip=2)
    assert [task["number"] for task in mine["tasks"]] == [3, 2]


async def test_a_page_token_is_good_for_its_question_only(
    ada: Person, stranger: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    asked = {"project": project["id"], "orderBy": "priority", "filter": "number > 0", "status": ["TODO"], "pageSize": 1}
    token = (await ada.call("ListTasks", **asked))["nextPageToken"]
    assert (await ada.call("ListTasks", **asked | {"pageToken": token, "pageSize": 5, "withTotalSize": True}))["tasks"]
    for other in (
        {"orderBy": "priority desc"},
        {"filter": "number > 1"},
        {"filter": ""},
        {"status": ["TODO", "DONE"]},
        {"priority": ["LOW"]},
        {"q": "moon"},
        {"assignee": "me"},
        {"unassigned": True},
        {"dueBefore": "2030-01-01T00:00:00Z"},
        {"showDeleted": True},
        {"category": "suits"},
        {"label": "suits"},
        {"project": project["slug"]},
    ):
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", field="page_token"):
            await ada.call("ListTasks", **asked | {"pageToken": token} | other)
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await stranger.call("ListTasks", **asked, pageToken=token)


@pytest.mark.parametrize(
    ("filter_", "complaint"),
    [
        ("colour = red", "column 1: there is no field 'colour'"),
        ("number = one", "column 10: number is a whole number"),
        ("status = SOON", "column 10: status is one of TODO, IN_PROGRESS"),
        ("title = moon", "column 1: title knows :, not ="),
        ("category = Bug", "column 12: category is a slug, such as"),
        ("number = 1 labels:(ui OR 'Space suits')", "column 26: labels is a slug, such as"),
        ("parent = 0", "column 10: parent is the number of a task, or its id"),
        ("external_id > T-1", "column 1: external_id knows != =, not >"),
        ("title:*", "column 1: title is always there"),
        ("moon AND", "column 9: expected a field or a word, not the end"),
    ],
)
async def test_a_filter_that_cannot_be_read_says_where(
    ada: Person, project: dict[str, Any], filter_: str, complaint: str
) -> None:
    for rpc, more in (("ListTasks", {}), ("SearchTasks", {"query": "moon"})):
        with refused("INVALID_ARGUMENT", "FILTER_INVALID", field="filter") as said:
            await ada.call(rpc, project=project["id"], filter=filter_, **more)
        assert complaint in said[0].message


async def test_deleted_tasks_are_found_when_they_are_asked_for(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    await ada.call("DeleteTask", project=project["id"], task="1")
    assert await numbers(ada, project, q="moon") == [3, 5]
    assert await numbers(ada, project, q="moon", showDeleted=True) == [1, 3, 5]
    assert await numbers(ada, project, orderBy="due_time desc", showDeleted=True) == [4, 1, 3, 5, 2]
    assert (await ada.call("SearchTasks", project=project["id"], query="land"))["results"][0]["task"]["number"] == 2


@pytest.fixture
async def two_projects(ada: Person, stranger: Person) -> list[dict[str, Any]]:
    """Both have tasks about the moon. Ada is in both, the stranger in the second, with three tasks."""
    made = [await ada.call("CreateProject", project={"title": title}) for title in ("Apollo", "Gemini")]
    for number in range(3):
        for project in made:
            task = {"title": f"Moon {project['title']} {number}"}
            await ada.call("CreateTask", project=project["id"], task=task)
    await ada.call("AddMember", project=made[1]["id"], userId=stranger.id, role="VIEWER")
    return made


async def across(person: Person, **asked: Any) -> list[str]:
    found, page_token = [], ""
    while True:
        page = await person.call("ListTasks", pageSize=2, pageToken=page_token, **asked)
        found += [task["title"] for task in page["tasks"]]
        page_token = page.get("nextPageToken", "")
        if not page_token:
            return found


async def test_across_projects_one_finds_what_one_may_see(
    stack: Stack, ada: Person, stranger: Person, two_projects: list[dict[str, Any]]
) -> None:
    everything = [f"Moon {title} {number}" for number in (2, 1, 0) for title in ("Gemini", "Apollo")]
    assert await across(ada) == everything, "the newest first"
    assert await across(ada, orderBy="create_time") == everything[::-1]
    assert await across(ada, q="apollo", orderBy="create_time") == [f"Moon Apollo {number}" for number in range(3)]
    assert await across(stranger) == [f"Moon Gemini {number}" for number in (2, 1, 0)]
    assert await across(stranger, filter="moon") == [f"Moon Gemini {number}" for number in (2, 1, 0)]
    counted = await stranger.call("ListTasks", withTotalSize=True, filter="moon -apollo")
    assert counted["totalSize"] == 3
    nobody = await signed_up(ada.door, "Nobody")
    assert await across(nobody) == []
    assert (await nobody.call("ListTasks", withTotalSize=True))["totalSize"] == 0
    assert (await nobody.call("SearchTasks", query="moon"))["results"] == []
    found = (await stranger.call("SearchTasks", query="moon"))["results"]
    assert {result["task"]["project"] for result in found} == {two_projects[1]["id"]}


async def test_across_projects_nothing_is_found_in_one_that_is_gone(
    ada: Person, stranger: Person, two_projects: list[dict[str, Any]]
) -> None:
    await ada.call("DeleteProject", project=two_projects[1]["id"])
    assert await across(stranger) == []
    assert (await stranger.call("SearchTasks", query="moon"))["results"] == []
    assert len(await across(ada)) == 3


async def test_a_manager_finds_everything(stack: Stack, ada: Person, two_projects: list[dict[str, Any]]) -> None:
    manager = await signed_up_as(ada.door, stack.identity_url, "MANAGER")
    word = two_projects[0]["id"].replace("-", "")
    for project in two_projects:
        await ada.call("CreateTask", project=project["id"], task={"title": f"x{word}", "priority": "LOW"})
    assert await across(manager, q=f"x{word}") == [f"x{word}"] * 2
    for order_by in ("priority", "status desc", "due_time", "due_time desc", "update_time", "create_time desc"):
        assert await across(manager, filter=f"x{word}", orderBy=order_by) == [f"x{word}"] * 2
    assert (await manager.call("ListTasks", withTotalSize=True, q=f"x{word}"))["totalSize"] == 2
    assert len((await manager.call("SearchTasks", query=f"x{word}"))["results"]) == 2
    await ada.call("DeleteProject", project=two_projects[0]["id"])
    assert await across(manager, q=f"x{word}") == [f"x{word}"]
    assert len((await manager.call("SearchTasks", query=f"x{word}"))["results"]) == 1


async def found_by(person: Person, project: dict[str, Any], query: str, **more: Any) -> list[dict[str, Any]]:
    answer = await person.call("SearchTasks", project=project["id"], query=query, **more)
    results: list[dict[str, Any]] = answer["results"]
    return results


async def test_the_best_match_comes_first_and_shows_where_it_matches(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    results = await found_by(ada, project, "moon")
    assert [result["task"]["number"] for result in results] == [1, 3, 5]
    assert [result["rank"] for result in results] == sorted((result["rank"] for result in results), reverse=True)
    assert results[0]["task"] == tasks[0]
    assert results[0]["snippets"] == [{"source": "TITLE", "text": "Land on the ⟦moon⟧", "comment": ""}]
    assert results[1]["snippets"][0]["source"] == "DESCRIPTION"
    assert "⟦moon⟧, where else" in results[1]["snippets"][0]["text"]
    (comment,) = results[2]["snippets"]
    assert (comment["source"], comment["text"]) == ("COMMENT", CHEESE.replace("moon", "⟦moon⟧"))
    (said,) = (await ada.call("ListComments", project=project["id"], task="5"))["comments"]
    assert comment["comment"] == said["id"]


async def test_a_search_is_narrowed_by_a_filter(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    assert [r["task"]["number"] for r in await found_by(ada, project, "moon", filter="status = TODO")] == [1, 3]
    assert [r["task"]["number"] for r in await found_by(ada, project, "moon", filter="-title:moon")] == [3, 5]
    assert await found_by(ada, project, "the") == []
    assert await found_by(ada, project, "mars") == []


async def test_a_word_that_must_not_be_there_is_neither_in_the_task_nor_in_the_comment(
    ada: Person, project: dict[str, Any]
) -> None:
    for title in ("Moon landing", "Crash landing"):
        task = await ada.call("CreateTask", project=project["id"], task={"title": title})
        comment = {"text": "landing gear"}
        await ada.call("CreateComment", project=project["id"], task=str(task["number"]), comment=comment)
    for query in ("landing -moon", "-moon", "gear -moon"):
        assert await numbers(ada, project, q=query) == [2], query
    assert await across(ada, q="gear -moon") == ["Crash landing"]
    assert [r["task"]["number"] for r in await found_by(ada, project, "gear -moon")] == [2]


async def test_words_of_one_task_may_stand_in_title_and_description(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    assert [result["task"]["number"] for result in await found_by(ada, project, "flag moon")] == [3]
    assert [result["task"]["number"] for result in await found_by(ada, project, "landed legs")] == [2]


async def test_search_results_come_page_by_page(ada: Person, project: dict[str, Any]) -> None:
    for number in range(7):
        description = "moon " * (number % 3)
        await ada.call("CreateTask", project=project["id"], task={"title": "Moon", "description": description})
        await ada.call("CreateComment", project=project["id"], task=str(number + 1), comment={"text": "Moon!"})
    whole = [result["task"]["number"] for result in await found_by(ada, project, "moon", pageSize=100)]
    assert sorted(whole) == list(range(1, 8))
    for asked in ({"project": project["id"]}, {}):
        found, page_token = [], ""
        while True:
            page = await ada.call("SearchTasks", query="moon", pageSize=3, pageToken=page_token, **asked)
            found += [result["task"]["number"] for result in page["results"]]
            page_token = page.get("nextPageToken", "")
            if not page_token:
                break
        assert found == whole
    token = (await ada.call("SearchTasks", project=project["id"], query="moon", pageSize=3))["nextPageToken"]
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await ada.call("SearchTasks", project=project["id"], query="mars", pageToken=token)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await ada.call("ListTasks", project=project["id"], pageToken=token)


async def test_all_marks_in_a_snippet_are_ours(ada: Person, project: dict[str, Any]) -> None:
    description = "A ⟦false⟧ mark, <b onclick='x()'>and</b> a moon & more"
    await ada.call("CreateTask", project=project["id"], task={"title": "⟦moon⟧", "description": description})
    ((title, text),) = [
        [snippet["text"] for snippet in result["snippets"]] for result in await found_by(ada, project, "moon")
    ]
    assert title == "⟦moon⟧", "of which the marks are ours"
    assert text.count("⟦") == text.count("⟧") == 1
    assert "⟦moon⟧ & more" in text
    assert "false" in text


async def test_what_changes_is_found_by_its_new_words(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    await ada.call("UpdateTask", project=project["id"], taskRef="1", task={"title": "Land on mars"})
    assert await numbers(ada, project, q="moon") == [3, 5]
    (said,) = (await ada.call("ListComments", project=project["id"], task="5"))["comments"]
    name = {"project": project["id"], "task": "5", "commentId": said["id"]}
    await ada.call("UpdateComment", **name, comment={"text": "Mars neither."})
    assert await numbers(ada, project, q="mars") == [1, 5]
    await ada.call("DeleteComment", **name)
    assert await numbers(ada, project, q="mars") == [1]


async def test_an_empty_project_has_no_tasks_and_is_not_missing(
    ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    assert (await ada.call("ListTasks", project=project["id"], withTotalSize=True))["totalSize"] == 0
    assert await found_by(ada, project, "moon") == []
    assert await found_by(ada, project, "moon", filter="number > 5") == []
    for rpc, more in (("ListTasks", {}), ("SearchTasks", {"query": "moon"})):
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
            await stranger.call(rpc, project=project["id"], **more)
