"""The whole schema of work on one page."""

from sqlalchemy import (
    BigInteger,
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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.tables import INSTANT, new_metadata

metadata = new_metadata()


projects = Table(
    "projects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
Index("projects_slug_key", projects.c.slug, unique=True, postgresql_where=projects.c.delete_time.is_(None))

# For what was deleted: its slug may have been used again.
Index("projects_slug_idx", projects.c.slug)

members = Table(
    "members",
    metadata,
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("project_id", "user_id"),
    CheckConstraint("role IN ('VIEWER', 'DEVELOPER', 'MAINTAINER', 'OWNER')", name="role"),
)
Index("members_user_id_idx", members.c.user_id, members.c.project_id)
Index("members_joined_idx", members.c.project_id, members.c.create_time, members.c.user_id)

# Numbers are given out here, apart from the project, so that nothing waits for the row that everybody reads.
task_counters = Table(
    "task_counters",
    metadata,
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("last_number", Integer, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("creator_id", Uuid, nullable=False),
    Column("assignee_id", Uuid),
    Column("due_time", INSTANT),
    Column("complete_time", INSTANT),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("project_id", "number"),
    CheckConstraint("status IN ('TODO', 'IN_PROGRESS', 'IN_REVIEW', 'DONE', 'CANCELLED')", name="status"),
    CheckConstraint("priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')", name="priority"),
    CheckConstraint("(status = 'DONE') = (complete_time IS NOT NULL)", name="complete_time"),
)
Index("tasks_live_idx", tasks.c.project_id, tasks.c.number, postgresql_where=tasks.c.delete_time.is_(None))

# What changes were answered that may be tried again: kept for a day.
attempts = Table(
    "attempts",
    metadata,
    Column("caller_id", Uuid, nullable=False),
    Column("method", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", JSONB),
    Column("create_time", INSTANT, nullable=False),
    PrimaryKeyConstraint("caller_id", "method", "key"),
)
Index("attempts_create_time_idx", attempts.c.create_time)

# What happened.
activities = Table(
    "activities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("task_id", Uuid, ForeignKey("tasks.id", ondelete="CASCADE")),
    Column("actor_id", Uuid, nullable=False),
    Column("verb", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
)
Index("activities_project_id_idx", activities.c.project_id, activities.c.id)
Index("activities_task_id_idx", activities.c.task_id, activities.c.id)

# What is still to be told of it: read in the order (transaction, id) below the oldest transaction that is still open,
# because ids are given out before commits.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("transaction", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Column("activity_id", Uuid, ForeignKey("activities.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", Uuid, nullable=False),
    Column("create_time", INSTANT, nullable=False),
)
Index("outbox_transaction_idx", outbox.c.transaction, outbox.c.id)
