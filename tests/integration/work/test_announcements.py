"""Who is invited is told once, by one of several processes, however often identity cannot be asked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from chassis.database import Database, DatabaseSettings
from chassis.ids import new_id
from tests.support.clock import TestClock
from tests.support.databases import Databases
from tests.support.recording import Recording, recording
from tests.support.sql import change, rows
from work_service.access import Role, UserId
from work_service.identity import IdentityUnavailable
from work_service.invitations import store
from work_service.invitations.commands import Announcements
from work_service.invitations.domain import TOLD_AGAIN_AFTER, Invitation, InvitationId
from work_service.projects.domain import ProjectId
from work_service.tables import invitation_mails, invitations, profiles, projects

EMAIL = "bob@example.com"
INVITER = UserId(new_id())


class Identity:
    """Takes what is to be told, or cannot be asked."""

    def __init__(self) -> None:
        self.told: list[tuple[UUID, str, UserId, str]] = []
        self.is_down = False
        self.meanwhile: asyncio.Event | None = None

    async def send_invitation(self, mail_id: UUID, email: str, inviter_id: UserId, project_title: str) -> None:
        self.told.append((mail_id, email, inviter_id, project_title))
        await asyncio.sleep(0)
        if self.is_down:
            raise IdentityUnavailable

    @property
    def names(self) -> set[UUID]:
        return {name for name, *_ in self.told}


class Office:
    """A project that invites, and some processes that tell whom."""

    def __init__(self, url: str, databases: list[Database], recorded: Recording) -> None:
        self.url = url
        self.clock = TestClock()
        self.identity = Identity()
        self.recorded = recorded
        self.processes = [Announcements(db, self.clock, self.identity, recorded.telemetry.meter) for db in databases]
        self.db = databases[0]
        self.project = ProjectId(new_id())

    async def opened(self) -> "Office":
        now = self.clock.now()
        made = {"slug": "apollo", "title": "Apollo", "description": "", "owner_id": INVITER}
        await change(self.url, projects.insert().values(id=self.project, **made, create_time=now, update_time=now))
        return self

    async def invite(self, email: str = EMAIL) -> Invitation:
        """As the command does."""
        now = self.clock.now()
        wanted = Invitation(
            id=InvitationId(new_id()),
            project_id=self.project,
            email=email,
            role=Role.VIEWER,
            inviter_id=INVITER,
            create_time=now,
        )
        async with self.db.transaction() as tx:
            invitation, _ = await store.add(tx, wanted, by_owner=False)
            await store.tell(tx, invitation, new_id(), now=now, unless_after=now - TOLD_AGAIN_AFTER)
        return invitation

    async def withdraw(self) -> None:
        await change(self.url, invitations.delete().where(invitations.c.email == EMAIL))

    async def send(self) -> None:
        await self.processes[0].send_due()

    async def next_attempt(self) -> datetime | None:
        (row,) = await rows(self.url, select(invitation_mails))
        found: datetime | None = row.next_attempt_time
        return found

    def counted(self) -> dict[str, int]:
        """How often each outcome was counted."""
        data = self.recorded.metrics.get_metrics_data()
        return {
            str((point.attributes or {})["outcome"]): int(point.value)  # type: ignore[union-attr] # a counter's
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "tandem.work.invitation_mails"
            for point in metric.data.data_points
        }


@pytest.fixture
async def office(databases: Databases) -> AsyncIterator[Office]:
    url = databases.clone("work")
    settings = DatabaseSettings(database_url=SecretStr(url), database_pool_size=2)
    with recording("work") as recorded:
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(Database.opened(settings, recorded.telemetry)) for _ in range(4)]
            yield await Office(url, opened, recorded).opened()


async def test_who_is_invited_is_told_by_whom_and_to_what(office: Office) -> None:
    await office.invite()
    await office.send()
    await office.send()
    ((_, email, inviter_id, title),) = office.identity.told
    assert (email, inviter_id, title) == (EMAIL, INVITER, "Apollo")
    assert office.counted() == {"handed_over": 1}


async def test_nobody_is_told_twice_within_a_day(office: Office) -> None:
    await office.invite()
    await office.send()
    await office.invite()
    await office.send()
    await office.withdraw()
    await office.invite()
    await office.send()
    office.clock.advance(hours=23)
    await office.invite()
    await office.send()
    assert len(office.identity.told) == 1
    office.clock.advance(hours=2)
    await office.send()
    assert len(office.identity.told) == 1, "nobody has invited them again"
    await office.invite()
    await office.send()
    assert len(office.identity.names) == 2


async def test_who_told_long_ago_is_forgotten(office: Office) -> None:
    await office.invite()
    await office.send()
    await office.processes[0].sweep()
    assert len(await rows(office.url, select(invitation_mails))) == 1
    office.clock.advance(hours=25)
    await office.processes[0].sweep()
    assert await rows(office.url, select(invitation_mails)) == []


async def test_what_is_still_to_be_told_is_not_forgotten(office: Office) -> None:
    await office.invite()
    office.clock.advance(hours=25)
    await office.processes[0].sweep()
    await office.send()
    assert len(office.identity.told) == 1


async def test_a_withdrawn_invitation_is_not_told_and_the_next_one_is(office: Office) -> None:
    await office.invite()
    await office.withdraw()
    await office.send()
    assert office.identity.told == []
    assert office.counted() == {"needless": 1}
    await office.invite()
    await office.send()
    assert len(office.identity.told) == 1


async def test_an_invitation_that_comes_while_one_is_found_to_be_gone_is_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.invite()
    await office.withdraw()
    find_news = store.find_news

    async def found_too_early(*args: object) -> object:
        news = await find_news(*args)  # type: ignore[arg-type] # whatever it takes
        await office.invite()
        return news

    monkeypatch.setattr(store, "find_news", found_too_early)
    await office.send()
    monkeypatch.undo()
    await office.send()
    assert len(office.identity.told) == 1


async def test_who_comes_anyway_need_not_be_told(office: Office) -> None:
    bob = {"place": 1, "username": "", "full_name": "Bob", "disabled": False, "deleted": False}
    await change(office.url, profiles.insert().values(user_id=new_id(), verified_email="Bob@Example.com", **bob))
    await office.invite()
    await office.invite("eve@example.com")
    await office.send()
    assert [email for _, email, *_ in office.identity.told] == ["eve@example.com"]


async def test_of_a_deleted_project_nobody_is_told(office: Office) -> None:
    await office.invite()
    await change(office.url, projects.update().values(delete_time=office.clock.now()))
    await office.send()
    assert office.identity.told == []


async def test_identity_is_asked_again_under_the_same_name_after_longer_and_longer_pauses(office: Office) -> None:
    office.identity.is_down = True
    await office.invite()
    pauses = []
    for _ in range(4):
        await office.send()
        again = await office.next_attempt()
        assert again
        pauses.append((again - office.clock.now()).total_seconds())
        await office.send()  # not yet
        office.clock.advance(seconds=pauses[-1] + 0.1)
    assert all(0.7 * 5 * 2**n < pause < 1.3 * 5 * 2**n for n, pause in enumerate(pauses)), pauses
    office.identity.is_down = False
    await office.send()
    await office.send()
    assert len(office.identity.told) == 5
    assert len(office.identity.names) == 1
    assert office.counted() == {"postponed": 4, "handed_over": 1}


async def test_after_a_day_it_is_given_up_and_the_invitation_stays(office: Office) -> None:
    office.identity.is_down = True
    await office.invite()
    await office.send()
    office.clock.advance(hours=25)
    await office.send()
    assert await office.next_attempt() is None
    assert office.counted() == {"postponed": 1, "given_up": 1}
    assert len(await rows(office.url, select(invitations))) == 1


async def test_what_a_process_has_begun_and_died_over_is_done_by_another_one(office: Office) -> None:
    await office.invite()
    now = office.clock.now()
    async with office.db.transaction() as tx:
        (claimed,) = await store.claim_mails(tx, now=now, again=office.clock.now(), most=10)
    office.clock.advance(seconds=1)
    await office.processes[1].send_due()
    assert office.identity.names == {claimed.id}


async def test_of_several_processes_one_tells(office: Office) -> None:
    everybody = [f"{number}@example.com" for number in range(35)]
    for email in everybody:
        await office.invite(email)
    await asyncio.gather(*(process.send_due() for process in office.processes))
    assert Counter(email for _, email, *_ in office.identity.told) == Counter(everybody)
