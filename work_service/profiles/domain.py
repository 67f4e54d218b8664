"""People, as far as work knows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from work_service.access import UserId


@dataclass(frozen=True, slots=True)
class Person:
    """What people may know of each other. Names are empty while they are not known here, and of those who are gone."""

    id: UserId
    username: str = ""
    full_name: str = ""


People = Mapping[UserId, Person]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What identity told of a user, and when: the place in its feed says what came after what."""

    user_id: UserId
    place: int
    username: str
    full_name: str
    verified_email: str
    """Empty while nobody has shown that it is theirs."""
    disabled: bool
    deleted: bool
