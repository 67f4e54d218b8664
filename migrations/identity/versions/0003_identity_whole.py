"""Mail, feed, throttles, audit; sessions know where they are used from; service accounts have public keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

REFUSE = """
CREATE FUNCTION audit_events_are_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit events are only added';
END
$$
"""
GUARD = """
CREATE TRIGGER audit_events_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_only_added()
"""
# Whoever begins to read the feed learns of those who were there before it.
PROFILES = """
INSERT INTO feed (kind, subject, content, create_time)
SELECT 'PROFILE_CHANGED', id::text,
  jsonb_build_object(
    'username', coalesce(username, ''), 'full_name', full_name,
    'verified_email', CASE WHEN email_verify_time IS NULL THEN '' ELSE email END,
    'disabled', disabled, 'deleted', delete_time IS NOT NULL),
  update_time
FROM users ORDER BY create_time, id
"""


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_type", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_type", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("outcome IN ('SUCCEEDED', 'REFUSED')", name="audit_events_outcome_check"),
        sa.PrimaryKeyConstraint("id", name="audit_events_pkey"),
    )
    op.create_index("audit_events_action_idx", "audit_events", ["action", "id"], unique=False)
    op.create_index("audit_events_actor_id_idx", "audit_events", ["actor_id", "id"], unique=False)
    op.create_index("audit_events_target_id_idx", "audit_events", ["target_id", "id"], unique=False)
    op.create_table(
        "feed",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="feed_pkey"),
        sa.UniqueConstraint("kind", "subject", name="feed_kind_subject_key"),
    )
    op.create_index("feed_expire_time_idx", "feed", ["expire_time"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="leases_pkey"),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("sealed_content", sa.LargeBinary(), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("send_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fail_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="mails_pkey"),
    )
    op.create_index("mails_create_time_idx", "mails", ["create_time"], unique=False)
    op.create_index(
        "mails_due_idx",
        "mails",
        ["next_attempt_time"],
        unique=False,
        postgresql_where=sa.text("send_time IS NULL AND fail_time IS NULL"),
    )
    op.create_table(
        "throttles",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("pace_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "digest", name="throttles_pkey"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("throttles_update_time_idx", "throttles", ["update_time"], unique=False)
    op.create_table(
        "client_assertions",
        sa.Column("service_account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_account_id"],
            ["service_accounts.id"],
            name="client_assertions_service_account_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_account_id", "digest", name="client_assertions_pkey"),
    )
    op.create_index("client_assertions_expire_time_idx", "client_assertions", ["expire_time"], unique=False)
    op.create_table(
        "mail_tokens",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('VERIFY_EMAIL', 'CHANGE_EMAIL', 'RESET_PASSWORD')", name="mail_tokens_purpose_check"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="mail_tokens_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "purpose", name="mail_tokens_pkey"),
        sa.UniqueConstraint("digest", name="mail_tokens_digest_key"),
    )
    op.create_table(
        "service_account_public_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_account_id", sa.Uuid(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_use_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_account_id"],
            ["service_accounts.id"],
            name="service_account_public_keys_service_account_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="service_account_public_keys_pkey"),
    )
    op.create_index(
        "service_account_public_keys_live_key",
        "service_account_public_keys",
        ["service_account_id", "kid"],
        unique=True,
        postgresql_where=sa.text("revoke_time IS NULL"),
    )
    op.add_column("service_account_secrets", sa.Column("last_use_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("service_accounts", sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "service_accounts", sa.Column("token_version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.drop_constraint("service_accounts_name_key", "service_accounts", type_="unique")
    op.create_index(
        "service_accounts_name_key",
        "service_accounts",
        ["name"],
        unique=True,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.add_column("sessions", sa.Column("address", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("sessions", sa.Column("user_agent", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("signing_keys", sa.Column("retire_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("signing_keys", sa.Column("remove_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("signing_keys", sa.Column("revoke_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("credential_version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("users", sa.Column("token_version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("users", sa.Column("last_login_time", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("users", "password_hash", existing_type=sa.TEXT(), nullable=True)
    for name in ("email", "username", "full_name"):
        op.create_index(
            f"users_{name}_prefix_idx",
            "users",
            [sa.literal_column(f"lower({name})").label("key")],
            unique=False,
            postgresql_ops={"key": "text_pattern_ops"},
        )
    op.create_index("users_email_idx", "users", [sa.literal_column("lower(email)"), "id"], unique=False)
    op.create_index("users_create_time_idx", "users", ["create_time", "id"], unique=False)
    op.create_index("users_role_idx", "users", ["role", "create_time", "id"], unique=False)
    op.create_index(
        "users_disabled_idx", "users", ["create_time", "id"], unique=False, postgresql_where=sa.text("disabled")
    )
    op.create_index(
        "users_delete_time_idx",
        "users",
        ["delete_time"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NOT NULL AND email != ''"),
    )
    op.create_index(
        "sessions_end_time_idx",
        "sessions",
        [sa.literal_column("least(revoke_time, idle_expire_time, expire_time)")],
        unique=False,
    )
    op.execute(REFUSE)
    op.execute(GUARD)
    op.execute(PROFILES)


def downgrade() -> None:
    op.execute("UPDATE users SET password_hash = '' WHERE password_hash IS NULL")  # which nothing matches
    op.alter_column("users", "password_hash", existing_type=sa.TEXT(), nullable=False)
    prefixes = ("full_name_prefix", "username_prefix", "email_prefix")
    for name in ("delete_time", "disabled", "role", "create_time", "email", *prefixes):
        op.drop_index(f"users_{name}_idx", table_name="users")
    op.drop_index("sessions_end_time_idx", table_name="sessions")
    op.drop_column("users", "last_login_time")
    op.drop_column("users", "token_version")
    op.drop_column("users", "credential_version")
    op.drop_column("signing_keys", "revoke_time")
    op.drop_column("signing_keys", "remove_time")
    op.drop_column("signing_keys", "retire_time")
    op.drop_column("sessions", "user_agent")
    op.drop_column("sessions", "address")
    op.drop_index(
        "service_accounts_name_key", table_name="service_accounts", postgresql_where=sa.text("delete_time IS NULL")
    )
    # The version before does not know that they are deleted: their secrets would be good again.
    op.execute("DELETE FROM service_accounts WHERE delete_time IS NOT NULL")
    op.create_unique_constraint("service_accounts_name_key", "service_accounts", ["name"])
    op.drop_column("service_accounts", "token_version")
    op.drop_column("service_accounts", "delete_time")
    op.drop_column("service_account_secrets", "last_use_time")
    op.drop_table("service_account_public_keys")
    op.drop_table("mail_tokens")
    op.drop_table("client_assertions")
    op.drop_table("throttles")
    op.drop_table("mails")
    op.drop_table("leases")
    op.drop_table("feed")
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION audit_events_are_only_added()")
