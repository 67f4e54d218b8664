"""Invitations by e-mail."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("inviter_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('VIEWER', 'DEVELOPER', 'MAINTAINER', 'OWNER')", name="invitations_role_check"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="invitations_project_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="invitations_pkey"),
        sa.UniqueConstraint("email", "project_id", name="invitations_email_project_id_key"),
    )
    op.create_index("invitations_listed_idx", "invitations", ["project_id", "id"], unique=False)
    op.create_index(
        "profiles_email_idx",
        "profiles",
        [sa.text("lower(verified_email)")],
        unique=False,
        postgresql_where=sa.text("verified_email <> ''"),
    )


def downgrade() -> None:
    op.drop_index("profiles_email_idx", table_name="profiles")
    op.drop_table("invitations")
