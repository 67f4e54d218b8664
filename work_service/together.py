"""Tasks that change together, in one statement."""

from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, select, update

from work_service.tables import tasks


def changing(which: ColumnElement[bool], **values: Any) -> Update:
    """New values for some columns of these tasks, each of which is one version on, as of `now`.

    Rows are locked in the order of ids, so that two who change the same ones do not wait for each other.
    """
    those = select(tasks.c.id).where(which).order_by(tasks.c.id).with_for_update().cte("those")
    return (
        update(tasks)
        .where(tasks.c.id.in_(select(those.c.id)))
        .values(**values, update_time=bindparam("now"), version=tasks.c.version + 1)
    )
