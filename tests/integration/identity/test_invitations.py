"""Invitations are mailed once, not for everybody, and not without end; and what the mail says."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from chassis.database import Database
from chassis.ids import new_id
from identity_service.accounts.domain import UserId
from identity_service.invitations.commands import InvitationCommands
from identity_service.invitations.domain import Invitation, InvitationPaces
from identity_service.mail import store
from identity_service.sealing import Sealer
from identity_service.tables import mails, users
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Pace
from tests.support.clock import TestClock

DAY = timedelta(days=1)


class Post:
    """Identity, as far as it is about invitations, and somebody who invites."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = TestClock()
        self.measured = InMemoryMetricReader()
        meter = MeterProvider([self.measured]).get_meter("tests")
        paces = InvitationPaces(per_inviter=Pace("invitations", 4, DAY), per_recipient=Pace("mails", 2, DAY))
        sealer = Sealer([b"s" * 32], store.PURPOSE)
        self.commands = InvitationCommands(db, self.clock, Throttles(db, self.clock), sealer, meter, paces=paces)

    async def inviter(self, **fields: Any) -> UserId:
        user_id, now = UserId(new_id()), self.clock.now()
        known = {"email": f"{user_id}@example.com", "full_name": "Ada", "role": "USER"}
        async with self.db.transaction() as tx:
            await tx.execute(users.insert().values(id=user_id, **known, create_time=now, update_time=now, **fields))
        return user_id

    async def sent(self) -> list[str]:
        """To whom, in order."""
        return [row.recipient for row in await self.db.fetch_all(mails.select().order_by(mails.c.id))]

    def counted(self) -> dict[str, int]:
        """How often each outcome was counted."""
        data = self.measured.get_metrics_data()
        assert data is not None
        ((metric,),) = [scope.metrics for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {str((point.attributes or {})["outcome"]): int(point.value) for point in metric.data.data_points}  # type: ignore[union-attr] # a counter's


@pytest.fixture
def post(db: Database) -> Post:
    return Post(db)


def to(email: str, inviter_id: UserId) -> Invitation:
    return Invitation(mail_id=new_id(), email=email, inviter_id=inviter_id, project_title="Apollo")


async def test_an_invitation_is_mailed_once_however_often_it_is_asked_for(post: Post) -> None:
    invitation = to("bob@example.com", await post.inviter())
    await asyncio.gather(*(post.commands.send_invitation(invitation) for _ in range(5)))
    for _ in range(5):
        await post.commands.send_invitation(invitation)
    assert await post.sent() == ["bob@example.com"]
    assert post.counted()["enqueued"] == 1


async def test_one_address_is_told_so_often_a_day_whoever_invites(post: Post) -> None:
    for email in ("bob@example.com", "BOB@example.com", "Bob@example.com", "eve@example.com"):
        await post.commands.send_invitation(to(email, await post.inviter()))
    assert await post.sent() == ["bob@example.com", "BOB@example.com", "eve@example.com"]
    assert post.counted() == {"enqueued": 3, "over_pace_of_recipient": 1}
    post.clock.advance(hours=13)
    await post.commands.send_invitation(to("bob@example.com", await post.inviter()))
    assert len(await post.sent()) == 4


async def test_one_user_has_so_many_told_a_day(post: Post) -> None:
    ada = await post.inviter()
    for number in range(7):
        await post.commands.send_invitation(to(f"{number}@example.com", ada))
    assert len(await post.sent()) == 4
    await post.commands.send_invitation(to("6@example.com", await post.inviter()))
    assert len(await post.sent()) == 5, "what was not sent for one user does not count for another"
    assert post.counted() == {"enqueued": 5, "over_pace_of_inviter": 3}


async def test_for_who_may_not_sign_in_nothing_is_sent(post: Post) -> None:
    for inviter in (
        UserId(new_id()),
        await post.inviter(disabled=True),
        await post.inviter(delete_time=post.clock.now()),
    ):
        await post.commands.send_invitation(to("bob@example.com", inviter))
    assert await post.sent() == []
    assert post.counted() == {"from_nobody": 3}
