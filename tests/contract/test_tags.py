"""Categories and labels: what tasks are sorted by. Through both doors."""

import asyncio
from typing import Any

import pytest

from tests.support.doors import Door, refused
from tests.support.people import Person, signed_up
from tests.support.stack import Stack

Tagged = tuple[str, str, str]
"""The noun, its plural, and the prefix of its reasons."""


@pytest.fixture(params=[("category", "categories"), ("label", "labels")], ids=lambda nouns: nouns[0])
def nouns(request: Any) -> tuple[str, str]:
    both: tuple[str, str] = request.param
    return both


class Tags:
    """Categories, or labels, of one project."""

    def __init__(self, who: Person, project: str, nouns: tuple[str, str]) -> None:
        self.who, self.project = who, project
        self.one, self.many = nouns
        self.reason = self.one.upper()

    async def create(self, name: str, **more: Any) -> dict[str, Any]:
        tag = {"name": name, **more}
        return await self.who.call(f"Create{self.one.title()}", project=self.project, **{self.one: tag})

    async def get(self, ref: str, **more: Any) -> dict[str, Any]:
        return await self.who.call(f"Get{self.one.title()}", project=self.project, **{self.one: ref}, **more)

    async def list(self, **more: Any) -> dict[str, Any]:
        return await self.who.call(f"List{self.many.title()}", project=self.project, **more)

    async def update(self, ref: str, **more: Any) -> dict[str, Any]:
        request = {f"{self.one}Ref": ref, self.one: more}
        return await self.who.call(f"Update{self.one.title()}", project=self.project, **request)

    async def delete(self, ref: str, **more: Any) -> None:
        await self.who.call(f"Delete{self.one.title()}", project=self.project, **{self.one: ref}, **more)

    async def undelete(self, ref: str) -> dict[str, Any]:
        return await self.who.call(f"Undelete{self.one.title()}", project=self.project, **{self.one: ref})


@pytest.fixture
def tags(ada: Person, project: dict[str, Any], nouns: tuple[str, str]) -> Tags:
    return Tags(ada, project["id"], nouns)


async def test_one_is_made_and_found_by_id_and_slug(tags: Tags) -> None:
    made = await tags.create("Über Bug", color="#FF0000")
    assert (made["name"], made["slug"], made["color"]) == ("Über Bug", "uber-bug", "#FF0000")
    assert made["project"] == tags.project
    assert await tags.get(made["id"]) == await tags.get("uber-bug") == made


async def test_one_without_a_colour_is_grey_and_one_without_letters_has_a_slug(tags: Tags) -> None:
    made = await tags.create("Ошибка")
    assert (made["color"], made["slug"]) == ("#808080", tags.one)


async def test_a_name_is_taken_once_in_upper_or_lower_case(tags: Tags) -> None:
    await tags.create("Bug")
    with refused("ALREADY_EXISTS", f"{tags.reason}_NAME_TAKEN"):
        await tags.create("bUG")
    other = await tags.create("Bug!")
    assert other["slug"].startswith("bug-")
    with refused("ALREADY_EXISTS", f"{tags.reason}_NAME_TAKEN"):
        await tags.update(other["id"], name="BUG")


async def test_a_name_that_many_want_at_once_is_given_to_one(tags: Tags) -> None:
    outcomes = await asyncio.gather(*(tags.create("Bug") for _ in range(8)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(dict) == 1
    assert len((await tags.list())[tags.many]) == 1


async def test_a_new_name_leaves_the_slug(tags: Tags) -> None:
    made = await tags.create("Bug")
    renamed = await tags.update("bug", name="Defect", color="#00ff00")
    assert (renamed["name"], renamed["slug"], renamed["color"]) == ("Defect", "bug", "#00ff00")
    assert renamed["etag"] != made["etag"]
    assert await tags.update("bug", name="Defect") == renamed
    assert (await tags.update("bug", color=""))["color"] == "#808080" or tags.who.door.name == "grpc"


async def test_a_stale_etag_is_refused(tags: Tags) -> None:
    made = await tags.create("Bug")
    await tags.update("bug", name="Defect")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await tags.delete("bug", etag=made["etag"])


async def test_they_are_listed_a_page_at_a_time(tags: Tags) -> None:
    made = [await tags.create(f"Bug {n}") for n in range(3)]
    first = await tags.list(pageSize=2)
    rest = await tags.list(pageSize=2, pageToken=first["nextPageToken"])
    assert first[tags.many] + rest[tags.many] == made
    assert rest["nextPageToken"] == ""
    with refused("INVALID_ARGUMENT", field="page_token"):
        await tags.list(pageToken=first["nextPageToken"], showDeleted=True)


async def test_one_that_is_deleted_can_be_restored_unless_its_name_is_taken(tags: Tags) -> None:
    made = await tags.create("Bug")
    await tags.delete("bug")
    with refused("NOT_FOUND", f"{tags.reason}_NOT_FOUND"):
        await tags.get("bug")
    with refused("NOT_FOUND", f"{tags.reason}_NOT_FOUND"):
        await tags.delete(made["id"])
    assert (await tags.list())[tags.many] == []
    assert (await tags.list(showDeleted=True))[tags.many][0]["deleteTime"]
    assert (await tags.get(made["id"], showDeleted=True))["deleteTime"]
    again = await tags.create("Bug")
    with refused("ALREADY_EXISTS", f"{tags.reason}_NAME_TAKEN"):
        await tags.undelete(made["id"])
    await tags.delete(again["id"])
    restored = await tags.undelete(made["id"])
    assert "deleteTime" not in restored
    with refused("ALREADY_EXISTS", f"{tags.reason}_NOT_DELETED"):
        await tags.undelete(made["id"])


async def test_one_whose_slug_was_given_away_comes_back_with_another(tags: Tags) -> None:
    made = await tags.create("Design")
    await tags.update("design", name="UX")
    await tags.delete("design")
    other = await tags.create("Design")
    assert other["slug"] == made["slug"]
    restored = await tags.undelete(made["id"])
    assert (restored["name"], restored["slug"]) == ("UX", "ux")
    assert await tags.get("ux") == restored
    assert await tags.get("design") == other


async def test_one_of_another_project_is_not_there(tags: Tags, ada: Person) -> None:
    other = Tags(ada, (await ada.call("CreateProject", project={"title": "Other"}))["id"], (tags.one, tags.many))
    made = await other.create("Bug")
    with refused("NOT_FOUND", f"{tags.reason}_NOT_FOUND"):
        await tags.get(made["id"])


async def test_a_category_is_no_label(ada: Person, project: dict[str, Any]) -> None:
    made = await Tags(ada, project["id"], ("category", "categories")).create("Bug")
    with refused("NOT_FOUND", "LABEL_NOT_FOUND"):
        await Tags(ada, project["id"], ("label", "labels")).get(made["id"])


async def test_the_journal_tells_of_each_change_once(tags: Tags) -> None:
    made = await tags.create("Bug")
    await tags.update("bug", name="Defect")
    await tags.update("bug", name="Defect")
    await tags.delete("bug")
    await tags.undelete(made["id"])
    told = (await tags.who.call("ListActivities", project=tags.project))["activities"][:-1]
    assert [each["verb"] for each in told] == [
        f"{tags.one}_{what}" for what in ("restored", "deleted", "updated", "created")
    ]
    assert {"field": "name", "old": "Bug", "new": "Defect"} in told[2]["changes"]


async def test_an_attempt_that_is_made_again_gets_the_same_answer(tags: Tags) -> None:
    name = f"Create{tags.one.title()}"
    request = {"project": tags.project, tags.one: {"name": "Bug"}, "idempotencyKey": "once"}
    assert await tags.who.call(name, **request) == await tags.who.call(name, **request)


async def test_a_task_has_one_category_and_many_labels(ada: Person, project: dict[str, Any], stack: Stack) -> None:
    categories = Tags(ada, project["id"], ("category", "categories"))
    labels = Tags(ada, project["id"], ("label", "labels"))
    bug, ui = await categories.create("Bug"), await labels.create("UI")
    slow = await labels.create("Slow")
    wanted = {"title": "Land", "category": "bug", "labels": ["ui", slow["id"]]}
    task = await ada.call("CreateTask", project=project["id"], task=wanted)
    assert (task["category"], task["labels"]) == (bug["id"], [ui["id"], slow["id"]])
    name = {"project": project["id"], "task": task["id"]}
    assert await ada.call("GetTask", **name) == task

    changed = await ada.call("DetachLabel", **name, label="ui")
    assert changed["labels"] == [slow["id"]]
    assert await ada.call("DetachLabel", **name, label="ui") == changed
    changed = await ada.call("AttachLabel", **name, label=ui["id"])
    assert changed["labels"] == [slow["id"], ui["id"]]
    assert await ada.call("AttachLabel", **name, label="ui") == changed
    with refused("NOT_FOUND", "LABEL_NOT_FOUND"):
        await ada.call("AttachLabel", **name, label="nothing")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await ada.call("AttachLabel", **name, label="ui", etag=task["etag"])

    update = {"project": project["id"], "taskRef": task["id"]}
    cleared = await ada.call("UpdateTask", **update, task={"category": "", "labels": []}, updateMask="category,labels")
    assert (cleared["category"], cleared["labels"]) == ("", [])


async def test_what_a_task_cannot_be_linked_with_is_named(ada: Person, project: dict[str, Any]) -> None:
    wanted = {"title": "Land", "category": "nothing", "labels": ["nothing", "more"], "parent": "77"}
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as said:
        await ada.call("CreateTask", project=project["id"], task=wanted)
    assert said[0].fields == ("task.category", "task.labels[0]", "task.labels[1]", "task.parent")
    assert (await ada.call("ListTasks", project=project["id"]))["tasks"] == []


async def test_what_is_deleted_is_taken_from_the_tasks(tags: Tags, ada: Person, project: dict[str, Any]) -> None:
    made = await tags.create("Bug")
    field = "category" if tags.one == "category" else "labels"
    value: Any = made["id"] if field == "category" else [made["id"]]
    having = [
        await ada.call("CreateTask", project=project["id"], task={"title": str(n), field: value}) for n in range(3)
    ]
    without = await ada.call("CreateTask", project=project["id"], task={"title": "without"})
    await tags.delete("bug")
    after = (await ada.call("ListTasks", project=project["id"]))["tasks"]
    assert [task[field] for task in after] == [type(value)()] * 4
    assert [task["etag"] for task in after] == ["2", "2", "2", "1"]
    assert after[3] == without
    await tags.undelete(made["id"])
    assert (await ada.call("ListTasks", project=project["id"]))["tasks"] == after
    assert len(having) == 3


async def test_a_label_more_than_a_task_can_have_is_refused(ada: Person, project: dict[str, Any]) -> None:
    labels = Tags(ada, project["id"], ("label", "labels"))
    made = [(await labels.create(f"L{n}"))["id"] for n in range(51)]
    task = await ada.call("CreateTask", project=project["id"], task={"title": "Land", "labels": made[:50]})
    with refused("FAILED_PRECONDITION", "TOO_MANY_LABELS"):
        await ada.call("AttachLabel", project=project["id"], task=task["id"], label=made[50])


async def test_deleting_a_category_while_tasks_get_it_leaves_no_task_with_it(door: Door, stack: Stack) -> None:
    ada = await signed_up(door, "Ada")
    project = (await ada.call("CreateProject", project={"title": "Race"}))["id"]
    categories = Tags(ada, project, ("category", "categories"))
    tasks = [(await ada.call("CreateTask", project=project, task={"title": str(n)}))["id"] for n in range(4)]
    for turn in range(6):
        made = await categories.create(f"Bug {turn}")
        outcomes = await asyncio.gather(
            *(
                ada.call("UpdateTask", project=project, taskRef=task, task={"category": made["id"]})
                for task in tasks[: turn % 4 + 1]
            ),
            categories.delete(made["id"]),
            *(ada.call("UpdateTask", project=project, taskRef=task, task={"category": made["id"]}) for task in tasks),
            return_exceptions=True,
        )
        reasons = {getattr(outcome, "reason", "") for outcome in outcomes}
        assert reasons <= {"", "REFERENCE_NOT_FOUND", "CONCURRENT_MODIFICATION"}, outcomes
        listed = (await ada.call("ListTasks", project=project))["tasks"]
        assert {task["category"] for task in listed} == {""}
