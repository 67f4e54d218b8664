"""Relations between tasks; what was deleted is found when it is to go for good."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | Sequence[str] | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "relations",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('BLOCKS', 'DUPLICATES', 'RELATES_TO')", name="relations_kind_check"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="relations_task_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["other_id"], ["tasks.id"], name="relations_other_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "kind", "other_id", name="relations_pkey"),
    )
    op.create_index("relations_other_id_idx", "relations", ["other_id"], unique=False)
    op.create_index("outbox_activity_id_idx", "outbox", ["activity_id"], unique=False)
    for table in ("projects", "tags", "tasks"):
        op.create_index(
            f"{table}_delete_time_idx",
            table,
            ["delete_time"],
            unique=False,
            postgresql_where=sa.text("delete_time IS NOT NULL"),
        )


def downgrade() -> None:
    for table in ("projects", "tags", "tasks"):
        op.drop_index(f"{table}_delete_time_idx", table)
    op.drop_index("outbox_activity_id_idx", "outbox")
    op.drop_table("relations")
