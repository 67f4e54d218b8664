"""Profiles in the database: a copy of identity's, which is their truth."""

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, Row, Select, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Database, Transaction
from work_service.access import UserId
from work_service.profiles.domain import People, Person, Profile
from work_service.tables import profiles

KEPT = "profiles"
"""The channel on which this process hears that something about people has been kept."""

_KEPT = tuple(profiles.c[field.name] for field in fields(Profile))
_told = (
    func.unnest(*(bindparam(column.name, type_=ARRAY(column.type)) for column in _KEPT))
    .table_valued(*(column.name for column in _KEPT))
    .render_derived()  # with the names of its columns
)
_adding = insert(profiles).from_select(
    [*(column.name for column in _KEPT), "leaving"], select(*_told.c, _told.c.deleted.label("leaving"))
)
_KEEP = _adding.on_conflict_do_update(
    index_elements=[profiles.c.user_id],
    set_={
        column.name: _adding.excluded[column.name]
        for column in (*_KEPT, profiles.c.leaving)
        if column is not profiles.c.user_id
    },
    where=profiles.c.place < _adding.excluded.place,
)
_CALLED = select(profiles.c.username, profiles.c.full_name).where(profiles.c.user_id == bindparam("user"))


class Named:
    """Somebody whom rows name by id, in `column`: how to read with them what that person is called."""

    def __init__(self, column: Column[Any]) -> None:
        """The id may be null, and the name unknown."""
        self._id = column
        self._profile = profiles.alias(f"{column.name}_profile")

    def beside(self, statement: Select[Any]) -> Select[Any]:
        """The statement, with the names. It gives as many rows as before."""
        username, full_name = self._profile.c.username, self._profile.c.full_name
        return statement.add_columns(
            username.label(f"{self._id.name}_username"), full_name.label(f"{self._id.name}_full_name")
        ).outerjoin(self._profile, self._profile.c.user_id == self._id)

    def people(self, row: Row[Any]) -> People:
        """Who it is in a row of such a statement, if it is anybody."""
        user_id = getattr(row, self._id.name)
        if user_id is None:
            return {}
        username = getattr(row, f"{self._id.name}_username")
        return {user_id: Person(user_id, username or "", getattr(row, f"{self._id.name}_full_name") or "")}


async def person(db: Database | Transaction, user_id: UserId) -> Person:
    """What somebody is called."""
    row = await db.find_one(_CALLED, user=user_id)
    return Person(user_id) if row is None else Person(user_id, row.username, row.full_name)


async def keep(db: Database, told: Iterable[Profile]) -> None:
    """Keep what is newer than what is kept, one profile per user, in one statement.

    Every process that follows the feed does, and whoever lags behind changes nothing. Rows are locked in the order of
    ids, so that two who keep the same people do not wait for each other.
    """
    ordered = sorted(told, key=attrgetter("user_id"))
    async with db.transaction() as tx:
        tx.notify(KEPT)
        await tx.execute(_KEEP, **{column.name: [getattr(each, column.name) for each in ordered] for column in _KEPT})
