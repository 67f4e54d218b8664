"""Comments are where their task is, which may move."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.drop_column("comments", "project_id")


def downgrade() -> None:
    op.add_column("comments", sa.Column("project_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE comments SET project_id = tasks.project_id FROM tasks WHERE tasks.id = comments.task_id")
    op.alter_column("comments", "project_id", nullable=False)
    op.create_foreign_key(
        "comments_project_id_fkey", "comments", "projects", ["project_id"], ["id"], ondelete="CASCADE"
    )
