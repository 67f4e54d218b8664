"""Invitations are mailed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "invitation_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="invitation_mails_project_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="invitation_mails_pkey"),
        sa.UniqueConstraint("email", "project_id", name="invitation_mails_email_project_id_key"),
    )
    op.create_index("invitation_mails_create_time_idx", "invitation_mails", ["create_time"], unique=False)
    op.create_index("invitation_mails_project_id_idx", "invitation_mails", ["project_id"], unique=False)
    op.create_index(
        "invitation_mails_due_idx",
        "invitation_mails",
        ["next_attempt_time"],
        unique=False,
        postgresql_where=sa.text("next_attempt_time IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("invitation_mails")
