"""A personal project for everybody who needs one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("personal_user_id", sa.Uuid(), nullable=True))
    op.create_index(
        "projects_personal_user_id_key",
        "projects",
        ["personal_user_id"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )


def downgrade() -> None:
    op.drop_column("projects", "personal_user_id")
