"""Messages of identity's contract, to values of the domain; and people, to messages of ours."""

from datetime import UTC, datetime
from uuid import UUID

from tandem.identity.v1 import feed_pb2
from tandem.work.v1 import person_pb2

from work_service.access import UserId
from work_service.profiles.domain import People, Person, Profile

_FOREVER = datetime.max.replace(tzinfo=UTC)


def profile(told: feed_pb2.WatchResponse) -> Profile:
    """The user that an event speaks of. Of those who are gone nothing is kept but that they are."""
    changed = told.profile_changed
    user_id, place = UserId(UUID(changed.profile.id)), int(told.cursor)
    if changed.deleted:
        return Profile(
            user_id=user_id, place=place, username="", full_name="", verified_email="", disabled=False, deleted=True
        )
    return Profile(
        user_id=user_id,
        place=place,
        username=changed.profile.username,
        full_name=changed.profile.full_name,
        verified_email=changed.verified_email,
        disabled=changed.disabled,
        deleted=False,
    )


def until(told: feed_pb2.WatchResponse) -> datetime:
    """When nobody needs to know any more. What has no end always matters."""
    return told.expire_time.ToDatetime(UTC) if told.HasField("expire_time") else _FOREVER


def person(user_id: UserId, people: People) -> person_pb2.Person:
    """Somebody, called what `people` says."""
    known = people.get(user_id, Person(user_id))
    return person_pb2.Person(id=str(known.id), username=known.username, full_name=known.full_name)
