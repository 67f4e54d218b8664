"""What is asked, and what has to be answered.

Both doors are asked for the same things. A case is a handful of lanes; a lane sends its requests round and round, one
after the other, and all lanes at the same time.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from google.protobuf import json_format, message_factory

from tests.bench.system import System
from tests.support.doors import RPCS, Json, RestDoor
from tests.support.people import Person, signed_up

TASKS = 100
PAGE = 20
SLUG = "bench"


@dataclass(frozen=True)
class Ask:
    """One request as it is sent, and what its answer says, among other things."""

    request: bytes
    expected: Json


Lane = Sequence[Ask]


@dataclass(frozen=True)
class Case:
    """What one line of the table measures."""

    door: str
    rpc: str
    address: str
    path: str
    """The gRPC method; HTTP requests are complete."""
    token: str
    lanes: Sequence[Lane]

    @property
    def name(self) -> str:
        """As `--only` knows it: `rest GetTask`."""
        return f"{self.door} {self.rpc}"


async def prepared(system: System, *, lanes: int) -> Sequence[Case]:
    """Somebody with a project full of tasks, and the cases about them."""
    async with httpx.AsyncClient(base_url=f"http://{system.gateway}", timeout=30) as client:
        ada = await signed_up(RestDoor(client))
        await ada.call("CreateProject", project={"title": "Bench", "slug": SLUG})
        numbers = [await _new_task(ada, number) for number in range(1, TASKS + 1)]
    first_page = {"tasks": [_task(number) for number in numbers[:PAGE]]}
    return [
        case(
            door,
            rpc,
            system,
            ada.token,
            [[({"project": SLUG} | request, said) for request, said in lane] for lane in asked],
        )
        # Each door moves tasks of its own, and each lane one: the lock is taken, and nobody waits for it.
        for door, moved in (("grpc", numbers[:lanes]), ("rest", numbers[-lanes:]))
        for rpc, asked in (
            ("GetTask", [[({"task": str(number)}, _task(number))] for number in numbers[:lanes]]),
            ("ListTasks", [[({"pageSize": PAGE}, first_page)]] * lanes),
            (
                "TransitionTask",
                [
                    [
                        ({"task": str(number), "status": status}, _task(number) | {"status": status})
                        for status in ("IN_PROGRESS", "TODO")
                    ]
                    for number in moved
                ],
            ),
        )
    ]


async def _new_task(ada: Person, number: int) -> int:
    task = await ada.call("CreateTask", project=SLUG, task={"title": f"Task {number}"})
    return int(task["number"])


def _task(number: int) -> Json:
    return {"number": number, "title": f"Task {number}"}


def case(door: str, rpc: str, system: System, token: str, lanes: Iterable[Iterable[tuple[Json, Json]]]) -> Case:
    """Requests of an RPC, lane by lane, each with what its answer says."""
    known = RPCS[rpc]
    written = _rest if door == "rest" else _grpc
    answer = known.answer if door == "grpc" else ""
    return Case(
        door=door,
        rpc=rpc,
        address=system.gateway if door == "rest" else system.work,
        path=f"/{known.method.containing_service.full_name}/{known.method.name}",
        token=token,
        lanes=[
            [
                Ask(written(rpc, request, token), {answer: expected} if answer else expected)
                for request, expected in lane
            ]
            for lane in lanes
        ],
    )


def _grpc(rpc: str, request: Json, _token: str) -> bytes:
    message = message_factory.GetMessageClass(RPCS[rpc].method.input_type)()
    return json_format.ParseDict(request, message).SerializeToString()


def _rest(rpc: str, request: Json, token: str) -> bytes:
    known, rest = RPCS[rpc], dict(request)
    path = known.path if "project" in request else known.without_project or known.path
    for name in [name for name in request if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", quote(rest.pop(name), safe=""))
    body = json.dumps(rest).encode() if known.body else b""
    query = f"?{urlencode(rest)}" if rest and not known.body else ""
    headers = {"Host": "localhost", "Authorization": f"Bearer {token}", "Accept": "application/json"}
    if known.body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{known.verb} {path}{query} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read(case: Case, answer: bytes) -> Json:
    """An answer as JSON, whichever door it came through."""
    if case.door == "rest":
        body: Json = json.loads(answer)
        return body
    message = message_factory.GetMessageClass(RPCS[case.rpc].method.output_type).FromString(answer)
    tree: Json = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return tree


def holds(said: Any, expected: Any) -> bool:
    """Whether all that was expected was said; what else was said does not matter."""
    match expected:
        case Mapping():
            return isinstance(said, Mapping) and all(holds(said.get(key), value) for key, value in expected.items())
        case list():
            return isinstance(said, list) and len(said) == len(expected) and all(map(holds, said, expected))
        case _:
            return bool(said == expected)
