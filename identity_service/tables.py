"""The whole schema of identity on one page."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.tables import INSTANT, leases_table, new_metadata

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
    # Nobody's password matches none: an invited user has to set one first.
    Column("password_hash", Text),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    # Goes up when the password or the address changes: what came by mail before works no more.
    Column("credential_version", Integer, nullable=False, server_default=text("1")),
    # Goes up when access tokens that were issued so far are no longer good; each carries the one it was issued under.
    Column("token_version", Integer, nullable=False, server_default=text("1")),
    Column("last_login_time", INSTANT),
    CheckConstraint("role IN ('USER', 'MANAGER', 'ADMIN')", name="role"),
)
Index("users_email_key", func.lower(users.c.email), unique=True, postgresql_where=users.c.delete_time.is_(None))
Index("users_username_key", func.lower(users.c.username), unique=True, postgresql_where=users.c.delete_time.is_(None))
# How administrators list users. What begins with something is found by the bytes, whatever the locale.
_BY_BYTES = {"key": "text_pattern_ops"}
Index("users_email_prefix_idx", func.lower(users.c.email).label("key"), postgresql_ops=_BY_BYTES)
Index("users_username_prefix_idx", func.lower(users.c.username).label("key"), postgresql_ops=_BY_BYTES)
Index("users_full_name_prefix_idx", func.lower(users.c.full_name).label("key"), postgresql_ops=_BY_BYTES)
Index("users_email_idx", func.lower(users.c.email), users.c.id)
Index("users_create_time_idx", users.c.create_time, users.c.id)
Index("users_role_idx", users.c.role, users.c.create_time, users.c.id)
Index("users_disabled_idx", users.c.create_time, users.c.id, postgresql_where=users.c.disabled)
# Who is still to be forgotten: an empty address is what is left of those who were.
Index(
    "users_delete_time_idx",
    users.c.delete_time,
    postgresql_where=and_(users.c.delete_time.is_not(None), users.c.email != ""),
)

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
    # Where it was last used from, and with what.
    Column("address", Text, nullable=False, server_default=text("''")),
    Column("user_agent", Text, nullable=False, server_default=text("''")),
)
Index("sessions_user_id_idx", sessions.c.user_id, postgresql_where=sessions.c.revoke_time.is_(None))
Index("sessions_expire_time_idx", sessions.c.expire_time)
Index("sessions_end_time_idx", func.least(sessions.c.revoke_time, sessions.c.idle_expire_time, sessions.c.expire_time))

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("audiences", ARRAY(Text), nullable=False),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    # As for users.
    Column("token_version", Integer, nullable=False, server_default=text("1")),
)
Index(
    "service_accounts_name_key",
    service_accounts.c.name,
    unique=True,
    postgresql_where=service_accounts.c.delete_time.is_(None),
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
    Column("last_use_time", INSTANT),
)
Index(
    "service_account_secrets_live_key",
    service_account_secrets.c.service_account_id,
    service_account_secrets.c.digest,
    unique=True,
    postgresql_where=service_account_secrets.c.revoke_time.is_(None),
)

service_account_public_keys = Table(
    "service_account_public_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("service_account_id", Uuid, ForeignKey("service_accounts.id", ondelete="CASCADE"), nullable=False),
    # The SHA-256 thumbprint (RFC 7638).
    Column("kid", Text, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("expire_time", INSTANT),
    Column("revoke_time", INSTANT),
    Column("last_use_time", INSTANT),
)
Index(
    "service_account_public_keys_live_key",
    service_account_public_keys.c.service_account_id,
    service_account_public_keys.c.kid,
    unique=True,
    postgresql_where=service_account_public_keys.c.revoke_time.is_(None),
)

# Assertions that service accounts have signed in with (RFC 7523): each works once.
client_assertions = Table(
    "client_assertions",
    metadata,
    Column("service_account_id", Uuid, ForeignKey("service_accounts.id", ondelete="CASCADE"), nullable=False),
    # SHA-256 of the `jti`, which can be of any length.
    Column("digest", LargeBinary, nullable=False),
    Column("expire_time", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_account_id", "digest"),
)
Index("client_assertions_expire_time_idx", client_assertions.c.expire_time)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    # Empty once it has signed for the last time.
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("activate_time", INSTANT),
    # When it stopped signing, when it stopped being published, and when it was withdrawn.
    Column("retire_time", INSTANT),
    Column("remove_time", INSTANT),
    Column("revoke_time", INSTANT),
    CheckConstraint("algorithm IN ('ES256', 'RS256')", name="algorithm"),
    CheckConstraint("state IN ('PENDING', 'ACTIVE', 'RETIRING', 'RETIRED', 'REVOKED')", name="state"),
)
Index(
    "signing_keys_one_active_key",
    signing_keys.c.algorithm,
    unique=True,
    postgresql_where=signing_keys.c.state == "ACTIVE",
)

# What was sent by mail to be shown again: one of each purpose per user, used by deleting it.
mail_tokens = Table(
    "mail_tokens",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    # SHA-256: of 256 random bits, so that there is nothing to guess.
    Column("digest", LargeBinary, nullable=False, unique=True),
    # What it was made for: it works for this address and these credentials only.
    Column("email", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("expire_time", INSTANT, nullable=False),
    PrimaryKeyConstraint("user_id", "purpose"),
    CheckConstraint("purpose IN ('VERIFY_EMAIL', 'CHANGE_EMAIL', 'RESET_PASSWORD', 'INVITATION')", name="purpose"),
)

# Mail that is to be sent, or was.
mails = Table(
    "mails",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    # What the text is made of, tokens included: sealed, and gone once it is sent.
    Column("sealed_content", LargeBinary),
    Column("create_time", INSTANT, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_time", INSTANT, nullable=False),
    Column("send_time", INSTANT),
    # When it was given up.
    Column("fail_time", INSTANT),
)
Index(
    "mails_due_idx",
    mails.c.next_attempt_time,
    postgresql_where=and_(mails.c.send_time.is_(None), mails.c.fail_time.is_(None)),
)
Index("mails_create_time_idx", mails.c.create_time)

# What other services have to know at once. Of each subject only the newest event of a kind is kept, so that whoever
# begins at the beginning reads no more than there is. Ids are given out under a lock that is held to the commit: they
# are in the order of commits.
feed = Table(
    "feed",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    # When nobody needs to know any more.
    Column("expire_time", INSTANT),
    UniqueConstraint("kind", "subject"),
)
Index("feed_expire_time_idx", feed.c.expire_time)

# How much was asked for. Nothing is lost with it but a little patience, so it is not written twice.
throttles = Table(
    "throttles",
    metadata,
    Column("bucket", Text, nullable=False),
    # SHA-256 of the address or the account's name.
    Column("digest", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it may be tried again; for paces, how far the future is used up.
    Column("pace_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    PrimaryKeyConstraint("bucket", "digest"),
    prefixes=["UNLOGGED"],
)
Index("throttles_update_time_idx", throttles.c.update_time)

# What has happened that matters for security. Rows are only ever added: a trigger refuses everything else.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("event_time", INSTANT, nullable=False),
    Column("actor_type", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("action", Text, nullable=False),
    Column("target_type", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    CheckConstraint("outcome IN ('SUCCEEDED', 'REFUSED')", name="outcome"),
)
Index("audit_events_target_id_idx", audit_events.c.target_id, audit_events.c.id)
Index("audit_events_actor_id_idx", audit_events.c.actor_id, audit_events.c.id)
Index("audit_events_action_idx", audit_events.c.action, audit_events.c.id)

leases = leases_table(metadata)
