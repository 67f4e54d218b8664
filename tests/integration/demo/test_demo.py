"""`make demo` and `make demo-large`, the latter a little smaller."""

import asyncio
from uuid import UUID

import httpx
from sqlalchemy import func, select

from tests.demo import large, small, words
from tests.demo.large import Sizes
from tests.support.databases import Databases
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import members, projects, task_counters, tasks

SIZES = Sizes(tasks=1_000, projects=40, largest=200)
OWNER = UUID("00000000-0000-7000-8000-00000000000a")


async def test_the_small_one_goes_through_the_api_and_is_made_once(stack: Stack) -> None:
    def filled() -> int:
        with httpx.Client(base_url=f"http://{stack.gateway_address}", timeout=30) as client:
            return small.fill(client)

    def found() -> int:
        with httpx.Client(base_url=f"http://{stack.gateway_address}", timeout=30) as client:
            ada = small.signed_in(client, "ada")
            return int(ada.call("GET", "/tasks?assignee=me&withTotalSize=true")["totalSize"])

    assert await asyncio.to_thread(filled) == small.TASKS * len(small.PROJECTS)
    assert await asyncio.to_thread(filled) == 0
    assert await asyncio.to_thread(found) > 0


async def test_the_large_one_has_what_it_says(databases: Databases) -> None:
    url = databases.clone("work")
    told: list[int] = []
    await asyncio.to_thread(large.fill, url, OWNER, SIZES, prefix="demo", progress=told.append)
    assert told == [SIZES.tasks]
    (counted,) = await rows(url, select(func.count(), func.count(tasks.c.id.distinct())).select_from(tasks))
    assert counted == (SIZES.tasks, SIZES.tasks)
    largest = select(func.count()).select_from(tasks.join(projects)).where(projects.c.slug == "demo-0")
    assert (await rows(url, largest))[0][0] == SIZES.largest
    assert (await rows(url, select(func.sum(task_counters.c.last_number))))[0][0] == SIZES.tasks
    mine = select(func.count()).select_from(members).where(members.c.user_id == OWNER, members.c.role == "OWNER")
    assert (await rows(url, mine))[0][0] == min(large.MINE, SIZES.projects)


def test_no_two_of_many_tasks_have_one_title() -> None:
    titles = [words.title(number) for number in range(1000)]
    assert len(set(titles)) == len(titles)
