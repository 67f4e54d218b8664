"""Tasks are found by their parent, by what other systems call them, and the most urgent first, wherever they are."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PARENT, EXTERNAL_ID, URGENCY = "tasks_parent_id_idx", "tasks_external_id_key", "tasks_urgency_anywhere_idx"
IS_PART = sa.text("parent_id IS NOT NULL")


def upgrade() -> None:
    op.drop_index(PARENT, "tasks")
    op.create_index(PARENT, "tasks", ["parent_id", "project_id"], postgresql_where=IS_PART)
    op.drop_index(EXTERNAL_ID, "tasks")
    op.create_index(
        EXTERNAL_ID,
        "tasks",
        ["external_id", "project_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL AND delete_time IS NULL"),
    )
    op.create_index(
        URGENCY,
        "tasks",
        [sa.text("(- priority_place)"), sa.text("coalesce(due_time, 'infinity'::timestamptz)"), "id"],
        postgresql_where=sa.text("number > 0"),
    )


def downgrade() -> None:
    op.drop_index(URGENCY, "tasks")
    op.drop_index(EXTERNAL_ID, "tasks")
    live = sa.text("delete_time IS NULL")
    op.create_index(EXTERNAL_ID, "tasks", ["project_id", "external_id"], unique=True, postgresql_where=live)
    op.drop_index(PARENT, "tasks")
    op.create_index(PARENT, "tasks", ["parent_id"], postgresql_where=IS_PART)
