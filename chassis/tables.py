"""What all tables have in common."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid

INSTANT = DateTime(timezone=True)


def new_metadata() -> MetaData:
    """Tables whose constraints are named by one rule: a violated one becomes an outcome by its name."""
    return MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )


def leases_table(metadata: MetaData) -> Table:
    """Who of several processes does what only one should do: a row for each such thing. See `chassis.leases`."""
    return Table(
        "leases",
        metadata,
        Column("name", Text, primary_key=True),
        Column("holder", Uuid, nullable=False),
        Column("expire_time", INSTANT, nullable=False),
    )
