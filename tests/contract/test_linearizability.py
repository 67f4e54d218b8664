"""Whatever clients do with one task at once, it is as if they had come one after the other.

Clients with connections of their own call two processes of work, by gRPC and by REST; one of the processes has no
patience with locks, and some answers get lost. What clients got is held against the rules of a task.
"""

import asyncio
import gc
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

import work_service.app
from tests.support.doors import Door, GrpcDoor, Refused, RestDoor
from tests.support.histories import LOCKED, MOVES, Answer, Call, check
from tests.support.machines import provisioned
from tests.support.people import Person, known, signed_up
from tests.support.stack import ISSUER, Stack, new_secret
from work_service.config import WorkSettings

SHORT_LOCK_TIMEOUT_MS = 2
SOON_S = 0.01  # some have been answered by then, and the others leave
LOST = 12  # answers in a history: what may have happened or not, is tried both ways


@pytest.fixture(scope="module")
async def hasty(stack: Stack) -> AsyncIterator[str]:
    """Another process of work on the same database, which hardly waits for locks; its address."""
    secret = await provisioned(stack.identity_url, "hasty", scopes=["identity.read"], audiences=["identity"])
    settings = WorkSettings(
        listen="127.0.0.1:0",
        database_url=stack.work_url,
        secret_key=new_secret(),
        identity_address=stack.identity_address,
        client_id="hasty",
        client_secret=secret,
        token_issuer=ISSUER,
        grace_s=5,
        lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS,
    )
    async with work_service.app.running(settings, clock=stack.clock, telemetry=stack.work.telemetry) as server:
        yield f"127.0.0.1:{server.port}"


@asynccontextmanager
async def doors_of_their_own(stack: Stack, hasty: str, how_many: int) -> AsyncIterator[Sequence[Door]]:
    """As many doors, each with a connection that nobody else has: in turn to each process by gRPC, and by REST."""
    rest = stack.doors["rest"]
    assert isinstance(rest, RestDoor)
    async with AsyncExitStack() as opened:
        doors: list[Door] = []
        for kind in itertools.islice(itertools.cycle([stack.work_address, "rest", hasty]), how_many):
            if kind == "rest":
                client = httpx.AsyncClient(base_url=rest.client.base_url, timeout=30)
                doors.append(RestDoor(await opened.enter_async_context(client)))
            else:
                channel = grpc.aio.insecure_channel(kind, options=[("grpc.use_local_subchannel_pool", 1)])
                doors.append(GrpcDoor({"tandem.work.v1": await opened.enter_async_context(channel)}))
        yield doors


@dataclass
class Client:
    """Somebody who calls again and again, and writes down what came of it."""

    number: int
    person: Person
    task: dict[str, Any]
    instants: Iterator[int]
    chance: random.Random
    history: list[Call]
    lost: float
    """How likely it is that an answer gets lost."""
    leaves: bool
    """Whether it does because the client leaves."""
    seen: list[str] = field(default_factory=list)

    async def call(self) -> None:
        status = self.chance.choice(["", "", *MOVES])
        etags = ["", self.seen[-1], self.seen[-1], self.chance.choice(self.seen)] if status else [""]
        etag = self.chance.choice(etags)
        is_lost = self.chance.random() < self.lost
        invoked_at = next(self.instants)
        try:
            async with asyncio.timeout(SOON_S if is_lost and self.leaves else 30):
                answer: Answer | None = await self._answer(status, etag)
        except TimeoutError:
            answer = None
        if is_lost and not self.leaves:
            answer = None
        self.history.append(
            Call(
                process=self.number,
                invoked_at=invoked_at,
                answered_at=next(self.instants) if answer else None,
                status=status,
                etag=etag,
                answer=answer,
            )
        )
        if answer and answer.etag:
            self.seen.append(answer.etag)

    async def _answer(self, status: str, etag: str) -> Answer | None:
        name = {"project": self.task["project"]}
        one, ref = {**name, "task": self.task["id"]}, {**name, "taskRef": self.task["id"]}
        if not status:
            asking = self.person.call("GetTask", **one)
        elif self.chance.random() < 0.5:
            asking = self.person.call("TransitionTask", **one, status=status, etag=etag)
        else:
            asking = self.person.call("UpdateTask", **ref, task={"status": status}, etag=etag)
        try:
            task = await asking
        except Refused as refused:
            if refused.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}:
                return None
            told = refused.metadata
            return Answer(told.get("current", ""), told.get("currentEtag", ""), refused.reason or refused.code)
        return Answer(task["status"], task["etag"])


async def lived(stack: Stack, hasty: str, *, clients: int, calls: int, seed: int, leave: bool = False) -> list[Call]:
    """The history of a new task among so many clients."""
    ada = await known(stack, await signed_up(stack.doors["grpc"], "Ada"))
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    task = await ada.call("CreateTask", project=project["id"], task={"title": "Land"})
    instants, history = itertools.count(1), list[Call]()

    async def live(client: Client) -> None:
        for _ in range(calls):
            await client.call()

    async with doors_of_their_own(stack, hasty, clients) as doors, asyncio.TaskGroup() as group:
        for number, door in enumerate(doors):
            chance = random.Random(f"{seed} {number}")
            lost, seen = LOST / (clients * calls), [task["etag"]]
            client = Client(number, ada.through(door), task, instants, chance, history, lost, leave, seen)
            group.create_task(live(client))
    check(history, Answer(task["status"], task["etag"]))
    return history


async def test_what_many_do_at_once_is_what_one_task_could_have_lived(stack: Stack, hasty: str) -> None:
    history = await lived(stack, hasty, clients=9, calls=25, seed=1)
    met = Counter(call.answer.refusal if call.answer else "no answer" for call in history)
    assert met.keys() <= {"", "no answer", "ETAG_MISMATCH", "ILLEGAL_TRANSITION", LOCKED}
    assert min(met[""], met["ETAG_MISMATCH"], met["ILLEGAL_TRANSITION"]) > 0, met


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the pool may mourn for who left
async def test_a_hundred_long_histories_are_what_one_task_could_have_lived(stack: Stack, hasty: str) -> None:
    met: Counter[str] = Counter()
    for seed in range(100):
        history = await lived(stack, hasty, clients=3 + seed % 22, calls=100, seed=seed, leave=seed % 2 == 1)
        met.update(call.answer.refusal if call.answer else "no answer" for call in history)
    gc.collect()
    assert met.keys() == {"", "no answer", "ETAG_MISMATCH", "ILLEGAL_TRANSITION", LOCKED}, met
