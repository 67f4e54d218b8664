"""What refreshing a session leaves behind; service accounts and their secrets."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Without values: the version before this one goes on opening sessions while it is being replaced.
    op.add_column("sessions", sa.Column("rotate_idempotency_key", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("pace_time", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("audiences", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="service_accounts_pkey"),
        sa.UniqueConstraint("name", name="service_accounts_name_key"),
    )
    op.create_table(
        "service_account_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_account_id"],
            ["service_accounts.id"],
            name="service_account_secrets_service_account_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="service_account_secrets_pkey"),
    )
    op.create_index(
        "service_account_secrets_live_key",
        "service_account_secrets",
        ["service_account_id", "digest"],
        unique=True,
        postgresql_where=sa.text("revoke_time IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "service_account_secrets_live_key",
        table_name="service_account_secrets",
        postgresql_where=sa.text("revoke_time IS NULL"),
    )
    op.drop_table("service_account_secrets")
    op.drop_table("service_accounts")
    op.drop_column("sessions", "pace_time")
    op.drop_column("sessions", "rotate_idempotency_key")
