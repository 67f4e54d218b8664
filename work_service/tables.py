"""The whole schema of work on one page."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from chassis.tables import INSTANT, leases_table, new_metadata

metadata = new_metadata()


def _place(column: str, values: str) -> Computed:
    """Where a value stands in the order in which the values are declared."""
    cases = " ".join(f"WHEN '{value}'::text THEN {place}" for place, value in enumerate(values.split(), 1))
    return Computed(f"CASE {column} {cases} ELSE NULL::integer END", persisted=True)


def _document(**weights: str) -> str:
    """The words of some columns, by weight."""
    return " || ".join(
        f"setweight(to_tsvector('english'::regconfig, {column}), '{weight}'::\"char\")"
        for column, weight in weights.items()
    )


# Beside the words of a task stands its project, so that one index finds words in a project. No text has a word with a
# blank in it: nobody can write that one.
_PROJECT = "array_to_tsvector(ARRAY['project '::text || project_id::text])"

projects = Table(
    "projects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'ACTIVE'")),
    # Whose tasks go here that are created without a project.
    Column("personal_user_id", Uuid),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("state IN ('DRAFT', 'ACTIVE', 'ARCHIVED')", name="state"),
)
Index("projects_slug_key", projects.c.slug, unique=True, postgresql_where=projects.c.delete_time.is_(None))
Index(
    "projects_personal_user_id_key",
    projects.c.personal_user_id,
    unique=True,
    postgresql_where=projects.c.delete_time.is_(None),
)

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

# Who is to become a member once the address turns out to be somebody's. In lower case.
invitations = Table(
    "invitations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("inviter_id", Uuid, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    UniqueConstraint("email", "project_id"),
    CheckConstraint("role IN ('VIEWER', 'DEVELOPER', 'MAINTAINER', 'OWNER')", name="role"),
)
Index("invitations_listed_idx", invitations.c.project_id, invitations.c.id)

# Which addresses are told, and were told within a day, that they are invited to a project: whatever becomes of the
# invitation meanwhile, they are not told twice.
invitation_mails = Table(
    "invitation_mails",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # None once they were told, or it was given up.
    Column("next_attempt_time", INSTANT),
    UniqueConstraint("email", "project_id"),
)
Index(
    "invitation_mails_due_idx",
    invitation_mails.c.next_attempt_time,
    postgresql_where=invitation_mails.c.next_attempt_time.is_not(None),
)
Index("invitation_mails_create_time_idx", invitation_mails.c.create_time)
Index("invitation_mails_project_id_idx", invitation_mails.c.project_id)

# Numbers are given out here, apart from the project, so that nothing waits for the row that everybody reads.
task_counters = Table(
    "task_counters",
    metadata,
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("last_number", Integer, nullable=False),
)

# Categories and labels.
tags = Table(
    "tags",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("color", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("kind IN ('CATEGORY', 'LABEL')", name="kind"),
)
_LIVE_TAGS = tags.c.delete_time.is_(None)
Index("tags_name_key", tags.c.project_id, tags.c.kind, text("lower(name)"), unique=True, postgresql_where=_LIVE_TAGS)
Index("tags_slug_key", tags.c.project_id, tags.c.kind, tags.c.slug, unique=True, postgresql_where=_LIVE_TAGS)
Index("tags_listed_idx", tags.c.project_id, tags.c.kind, tags.c.id)

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
    Column("category_id", Uuid, ForeignKey("tags.id")),
    # What it is labelled with. An array, so that a task is one row; labels that are deleted are taken out of it.
    Column("labels", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("parent_id", Uuid, ForeignKey("tasks.id", ondelete="SET NULL")),
    # Where it stands among the others: compared byte by byte, with room between any two.
    Column("position", Text(collation="C"), nullable=False),
    Column("annotations", JSONB, nullable=False, server_default=text("'{}'")),
    # What another system calls it.
    Column("external_id", Text),
    Column("due_time", INSTANT),
    Column("complete_time", INSTANT),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("delete_time", INSTANT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("status_place", SmallInteger, _place("status", "TODO IN_PROGRESS IN_REVIEW DONE CANCELLED")),
    Column("priority_place", SmallInteger, _place("priority", "LOW MEDIUM HIGH URGENT")),
    Column("document", TSVECTOR, Computed(f"{_document(title='A', description='B')} || {_PROJECT}", persisted=True)),
    UniqueConstraint("project_id", "number"),
    UniqueConstraint("project_id", "position"),
    CheckConstraint("status IN ('TODO', 'IN_PROGRESS', 'IN_REVIEW', 'DONE', 'CANCELLED')", name="status"),
    CheckConstraint("priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')", name="priority"),
    CheckConstraint("(status = 'DONE') = (complete_time IS NOT NULL)", name="complete_time"),
)
Index("tasks_live_idx", tasks.c.project_id, tasks.c.number, postgresql_where=tasks.c.delete_time.is_(None))
# Most tasks have no external id, and no entry here. It comes first, so that it is found in whatever project it is.
Index(
    "tasks_external_id_key",
    tasks.c.external_id,
    tasks.c.project_id,
    unique=True,
    postgresql_where=and_(tasks.c.external_id.is_not(None), tasks.c.delete_time.is_(None)),
)
Index("tasks_parent_id_idx", tasks.c.parent_id, tasks.c.project_id, postgresql_where=tasks.c.parent_id.is_not(None))
Index("tasks_category_id_idx", tasks.c.category_id, tasks.c.number, postgresql_where=tasks.c.category_id.is_not(None))
Index("tasks_labels_idx", tasks.c.labels, postgresql_using="gin")

# Tasks that are never due are the last ones, whichever way round it goes.
DUE_OR_NEVER: ColumnElement[datetime] = func.coalesce(tasks.c.due_time, literal_column("'infinity'::timestamptz"))
DUE_OR_BEFORE_ALL: ColumnElement[datetime] = func.coalesce(tasks.c.due_time, literal_column("'-infinity'::timestamptz"))

# The most urgent come first where this goes up.
URGENCY: ColumnElement[int] = -tasks.c.priority_place

# What tasks are ordered by: in a project, and, for those who may see everything, in all of them. The latter are only
# taken for questions that say so: about one project PostgreSQL would take them now and then, because it can only guess
# how many tasks a project has, and read those of all others.
ANYWHERE: ColumnElement[bool] = tasks.c.number > literal_column("0")
for _name, _key in (
    ("status", tasks.c.status_place),
    ("priority", tasks.c.priority_place),
    ("due", DUE_OR_NEVER),
    ("due_desc", DUE_OR_BEFORE_ALL),
    ("create", tasks.c.create_time),
    ("update", tasks.c.update_time),
):
    Index(f"tasks_{_name}_idx", tasks.c.project_id, _key, tasks.c.id)
    Index(f"tasks_{_name}_anywhere_idx", _key, tasks.c.id, postgresql_where=ANYWHERE)
# In a project, those of one priority can be sorted. Everywhere, they are a good part of all that there is.
Index("tasks_urgency_anywhere_idx", URGENCY, DUE_OR_NEVER, tasks.c.id, postgresql_where=ANYWHERE)

# Whose they are, and what they say.
Index("tasks_assignee_id_idx", tasks.c.assignee_id, tasks.c.project_id, tasks.c.id)
Index("tasks_creator_id_idx", tasks.c.creator_id, tasks.c.project_id, tasks.c.id)
Index("tasks_document_idx", tasks.c.document, postgresql_using="gin")

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

comments = Table(
    "comments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("task_id", Uuid, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("author_id", Uuid, nullable=False),
    Column("text", Text, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    Column("update_time", INSTANT, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("document", TSVECTOR, Computed(_document(text="C"), persisted=True)),
)
Index("comments_task_id_idx", comments.c.task_id, comments.c.id)
Index("comments_document_idx", comments.c.document, postgresql_using="gin")

# What tasks have to do with each other: kept once, from the one of which it is said to the other.
relations = Table(
    "relations",
    metadata,
    Column("task_id", Uuid, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("other_id", Uuid, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("creator_id", Uuid, nullable=False),
    Column("create_time", INSTANT, nullable=False),
    PrimaryKeyConstraint("task_id", "kind", "other_id"),
    CheckConstraint("kind IN ('BLOCKS', 'DUPLICATES', 'RELATES_TO')", name="kind"),
)
Index("relations_other_id_idx", relations.c.other_id)

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
Index("outbox_activity_id_idx", outbox.c.activity_id)
Index("outbox_transaction_idx", outbox.c.transaction, outbox.c.id)

# What people are called: identity's words, kept by its feed.
profiles = Table(
    "profiles",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    # Where in the feed it was told: what comes later is newer.
    Column("place", BigInteger, nullable=False),
    Column("username", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    # Empty while nobody has shown that it is theirs. For invitations only.
    Column("verified_email", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    # Whether what they had in projects is still to be given to others, since they are gone.
    Column("leaving", Boolean, nullable=False, server_default=text("false")),
)
Index("profiles_email_idx", func.lower(profiles.c.verified_email), postgresql_where=profiles.c.verified_email != "")
Index("profiles_leaving_idx", profiles.c.user_id, postgresql_where=profiles.c.leaving)

leases = leases_table(metadata)

# What was deleted, until it goes for good.
for _table in (projects, tags, tasks):
    Index(f"{_table.name}_delete_time_idx", _table.c.delete_time, postgresql_where=_table.c.delete_time.is_not(None))
