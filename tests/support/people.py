"""People who use the system."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from identity_service.tables import users
from tests.support.doors import Door, Json
from tests.support.mailbox import token_to
from tests.support.sql import change, rows
from tests.support.stack import Stack
from work_service.tables import profiles

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@dataclass
class Person:
    """Somebody who has signed in."""

    id: str
    email: str
    token: str
    door: Door

    async def call(self, rpc: str, **request: Any) -> Json:
        return await self.door.call(rpc, token=self.token, **request)

    async def stream(self, rpc: str, **request: Any) -> list[Json]:
        return await self.door.stream(rpc, token=self.token, **request)

    async def upload(self, rpc: str, bodies: Sequence[Json], **request: Any) -> Json:
        return await self.door.upload(rpc, bodies, token=self.token, **request)

    def through(self, door: Door) -> "Person":
        """The same person at another door."""
        return Person(self.id, self.email, self.token, door)


async def signed_up(door: Door, name: str = "Ada") -> Person:
    """Somebody new, signed in."""
    email = f"{name.lower()}.{next(_numbers)}@example.com"
    await door.call("Register", email=email, password=PASSWORD, fullName=name)
    return await signed_in(door, email)


async def signed_in(door: Door, email: str, password: str = PASSWORD) -> Person:
    """Somebody who has an account."""
    tokens = await door.call("Login", email=email, password=password)
    me = await door.call("GetMe", token=tokens["accessToken"])
    return Person(me["id"], email, tokens["accessToken"], door)


async def verified(stack: Stack, person: Person) -> Person:
    """The same person, whose address is known to be theirs."""
    await person.door.call("VerifyEmail", token_=await token_to(stack, person.email, "VERIFY_EMAIL"))
    return person


async def signed_up_as(door: Door, identity_url: str, role: str) -> Person:
    """Somebody new who is a manager, or an administrator."""
    somebody = await signed_up(door, role)
    await change(
        identity_url,
        users.update().values(role=role, email_verify_time=users.c.create_time).where(users.c.id == somebody.id),
    )
    return await signed_in(door, somebody.email)


async def known(stack: Stack, person: Person, full_name: str | None = None) -> Person:
    """The person, once work knows them, by that name if one is given."""
    statement = select(profiles.c.full_name).where(profiles.c.user_id == person.id)
    async with asyncio.timeout(20):
        while True:
            names = [row.full_name for row in await rows(stack.work_url, statement)]
            if names and full_name in {None, *names}:
                return person
            await asyncio.sleep(0.02)
