"""The whole schema of identity on one page."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.tables import INSTANT, new_metadata

metadata = new_metadata()

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_verify_time", INSTANT),
    Column("username", Text),
    Column("full_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("password_hash", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("role IN ('USER', 'MANAGER', 'ADMIN')", name="role"),
)
Index("users_email_key", func.lower(users.c.email), unique=True, postgresql_where=users.c.delete_time.is_(None))
Index("users_username_key", func.lower(users.c.username), unique=True, postgresql_where=users.c.delete_time.is_(None))

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # Half of what it takes to make the session's refresh tokens; the other half is the service's secret key.
    Column("refresh_secret", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False, server_default=text("1")),
    Column("rotate_time", INSTANT, nullable=False),
    # The name of the attempt that made the generation of today, when it had one: it gets the same answer again.
    Column("rotate_idempotency_key", Text),
    # Until when the session has borrowed from the refreshes of the future; in the past, it has not.
    Column("pace_time", INSTANT),
    Column("create_time", INSTANT, nullable=False),
    Column("idle_expire_time", INSTANT, nullable=False),
    Column("expire_time", INSTANT, nullable=False),
    Column("revoke_time", INSTANT),
    Column("revoke_reason", Text),
)
Index("sessions_user_id_idx", sessions.c.user_id, postgresql_where=sessions.c.revoke_time.is_(None))
Index("sessions_expire_time_idx", sessions.c.expire_time)

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("audiences", ARRAY(Text), nullable=False),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
)

service_account_secrets = Table(
    "service_account_secrets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("service_account_id", Uuid, ForeignKey("service_accounts.id", ondelete="CASCADE"), nullable=False),
    # SHA-256: of 256 random bits, so that there is nothing to guess.
    Column("digest", LargeBinary, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("expire_time", INSTANT),
    Column("revoke_time", INSTANT),
)
Index(
    "service_account_secrets_live_key",
    service_account_secrets.c.service_account_id,
    service_account_secrets.c.digest,
    unique=True,
    postgresql_where=service_account_secrets.c.revoke_time.is_(None),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("activate_time", INSTANT),
    CheckConstraint("algorithm IN ('ES256', 'RS256')", name="algorithm"),
    CheckConstraint("state IN ('PENDING', 'ACTIVE', 'RETIRING', 'RETIRED', 'REVOKED')", name="state"),
)
Index(
    "signing_keys_one_active_key",
    signing_keys.c.algorithm,
    unique=True,
    postgresql_where=signing_keys.c.state == "ACTIVE",
)
