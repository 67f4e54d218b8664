"""What finding tasks costs when there are a thousand of them, and when there are a million.

`python -m tests.bench.large`: a system of its own is filled by COPY, and asked for one task and for the first and the
thousandth page of lists, in one project and everywhere. Costs must not grow with the table.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

import httpx

from tests.bench.cases import Case, case
from tests.bench.clients import Clients, Measured
from tests.bench.system import System, running
from tests.demo import large
from tests.demo.large import Sizes
from tests.support.doors import Json, RestDoor
from tests.support.people import Person, signed_in, signed_up, signed_up_as

COLUMNS = ("gateway", "work", "postgres")
PAGE = 20
MOST_SKIPPED = 10_000
THOUSAND = Sizes(tasks=1_000, projects=1, largest=1_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every answer was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large", description=__doc__)
    parser.add_argument("--tasks", type=int, default=large.MILLION.tasks, help="the larger size (%(default)s)")
    parser.add_argument("--requests", type=int, default=500, help="per case (%(default)s)")
    options = parser.parse_args(arguments)
    much = replace(
        large.MILLION, tasks=options.tasks, projects=max(options.tasks // 100, 2), largest=options.tasks // 40
    )
    errors = 0
    with running() as system, Clients.started(1) as clients:
        for sizes, prefix in ((THOUSAND, "few"), (much, "many")):
            _say(f"\n{sizes.tasks:,} tasks\n{'':44}{'requests':>9}{'errors':>7}   CPU microseconds per request")
            _say(f"{'case':44}{'':16}   " + "".join(f"{name:>10}" for name in COLUMNS))
            for name, measured in asyncio.run(_prepared(system, sizes, prefix)):
                done = clients.measured(system, measured, requests=options.requests, seconds=60.0)
                _say(_line(name, done))
                errors += done.errors
    return 1 if errors else 0


async def _prepared(system: System, sizes: Sizes, prefix: str) -> Sequence[tuple[str, Case]]:
    async with httpx.AsyncClient(base_url=f"http://{system.gateway}", timeout=60) as client:
        door = RestDoor(client)
        ada = await signed_up(door)
        await asyncio.to_thread(
            large.fill, system.databases["work"], UUID(ada.id), sizes, prefix=prefix, progress=_progress(sizes.tasks)
        )
        ada = await signed_in(door, ada.email)  # filling takes longer than an access token is good for
        manager = await signed_up_as(door, system.databases["identity"], "MANAGER")
        project = {"project": f"{prefix}-0"}
        sought = project | {"query": "repair lamp", "pageSize": PAGE}
        return [
            ("GetTask", case("rest", "GetTask", system, ada.token, [[(project | {"task": "7"}, {"number": 7})]])),
            *[
                (f"{where}, {order_by or 'as it comes'}, page {page}", await _page(system, person, request, page))
                for where, person, asked, size in (
                    ("a project", ada, project, sizes.largest),
                    ("everywhere", manager, {}, sizes.tasks),
                )
                for order_by in ("", "priority desc", "due_time")
                for page in (1, min(1000, size // PAGE))
                for request in [asked | {"pageSize": PAGE} | ({"orderBy": order_by} if order_by else {})]
            ],
            ("my projects, page 1", await _page(system, ada, {"pageSize": PAGE}, 1)),
            ("a project, two words", case("rest", "SearchTasks", system, ada.token, [[(sought, {})]])),
        ]


async def _page(system: System, person: Person, request: Json, number: int) -> Case:
    """That page of a list, by the token of the one before."""
    wanted, before, token = (number - 1) * PAGE, 0, ""
    while before < wanted:
        skip = min(wanted - before - PAGE, MOST_SKIPPED)
        page = await person.call("ListTasks", **request, pageToken=token, skip=skip)
        before, token = before + skip + PAGE, page["nextPageToken"]
    asked = request | ({"pageToken": token} if token else {})
    answer = await person.call("ListTasks", **asked)
    said = {"tasks": [{"id": task["id"]} for task in answer["tasks"]]}
    return case("rest", "ListTasks", system, person.token, [[(asked, said)]])


def _progress(tasks: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % 100_000 < large.BATCH or done == tasks:
            _say(f"  {done:,} of {tasks:,} tasks")

    return told


def _line(name: str, done: Measured) -> str:
    return f"{name:44}{done.requests:9}{done.errors:7}   " + "".join(f"{done.cpu_us[c]:10.0f}" for c in COLUMNS)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
