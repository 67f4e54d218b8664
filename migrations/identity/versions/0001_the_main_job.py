"""Users, sessions and signing keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Requests that hang must not hold what others wait for. Each transition sets a tighter lock_timeout of its own.
ROLE_DEFAULTS = {"statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}


def upgrade() -> None:
    for name, value in ROLE_DEFAULTS.items():
        op.execute(f"ALTER ROLE CURRENT_USER SET {name} = '{value}'")
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("public_jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activate_time", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("algorithm IN ('ES256', 'RS256')", name="signing_keys_algorithm_check"),
        sa.CheckConstraint(
            "state IN ('PENDING', 'ACTIVE', 'RETIRING', 'RETIRED', 'REVOKED')", name="signing_keys_state_check"
        ),
        sa.PrimaryKeyConstraint("kid", name="signing_keys_pkey"),
    )
    op.create_index(
        "signing_keys_one_active_key",
        "signing_keys",
        ["algorithm"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_verify_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("role IN ('USER', 'MANAGER', 'ADMIN')", name="users_role_check"),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
    )
    op.create_index(
        "users_email_key",
        "users",
        [sa.literal_column("lower(email)")],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "users_username_key",
        "users",
        [sa.literal_column("lower(username)")],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_secret", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("rotate_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idle_expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoke_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="sessions_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
    )
    op.create_index("sessions_expire_time_idx", "sessions", ["expire_time"], unique=False)
    op.create_index(
        "sessions_user_id_idx", "sessions", ["user_id"], unique=False, postgresql_where=sa.text("revoke_time IS NULL")
    )


def downgrade() -> None:
    for name in ROLE_DEFAULTS:
        op.execute(f"ALTER ROLE CURRENT_USER RESET {name}")
    op.drop_index("sessions_user_id_idx", table_name="sessions", postgresql_where=sa.text("revoke_time IS NULL"))
    op.drop_index("sessions_expire_time_idx", table_name="sessions")
    op.drop_table("sessions")
    op.drop_index("users_username_key", table_name="users", postgresql_where=sa.text("delete_time IS NULL"))
    op.drop_index("users_email_key", table_name="users", postgresql_where=sa.text("delete_time IS NULL"))
    op.drop_table("users")
    op.drop_index(
        "signing_keys_one_active_key", table_name="signing_keys", postgresql_where=sa.text("state = 'ACTIVE'")
    )
    op.drop_table("signing_keys")
