"""People who use the system."""

import itertools
from dataclasses import dataclass
from typing import Any

from tests.support.doors import Door, Json

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
