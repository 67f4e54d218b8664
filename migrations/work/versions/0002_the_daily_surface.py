"""Members have versions, tasks have assignees, changes can be tried again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("members", sa.Column("update_time", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE members SET update_time = create_time")
    op.alter_column("members", "update_time", nullable=False)
    op.add_column("members", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_index("members_joined_idx", "members", ["project_id", "create_time", "user_id"], unique=False)
    op.create_index("projects_slug_idx", "projects", ["slug"], unique=False)
    op.add_column("tasks", sa.Column("assignee_id", sa.Uuid(), nullable=True))
    op.create_table(
        "attempts",
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "method", "key", name="attempts_pkey"),
    )
    op.create_index("attempts_create_time_idx", "attempts", ["create_time"], unique=False)


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_column("tasks", "assignee_id")
    op.drop_index("projects_slug_idx", table_name="projects")
    op.drop_index("members_joined_idx", table_name="members")
    op.drop_column("members", "version")
    op.drop_column("members", "update_time")
