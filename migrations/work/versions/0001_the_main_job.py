"""Projects, members, tasks, and the journal of what happens to them."""

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
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="projects_pkey"),
    )
    op.create_index(
        "projects_slug_key", "projects", ["slug"], unique=True, postgresql_where=sa.text("delete_time IS NULL")
    )
    op.create_table(
        "members",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('VIEWER', 'DEVELOPER', 'MAINTAINER', 'OWNER')", name="members_role_check"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="members_project_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name="members_pkey"),
    )
    op.create_index("members_user_id_idx", "members", ["user_id", "project_id"], unique=False)
    op.create_table(
        "task_counters",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="task_counters_project_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", name="task_counters_pkey"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("(status = 'DONE') = (complete_time IS NOT NULL)", name="tasks_complete_time_check"),
        sa.CheckConstraint("priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')", name="tasks_priority_check"),
        sa.CheckConstraint(
            "status IN ('TODO', 'IN_PROGRESS', 'IN_REVIEW', 'DONE', 'CANCELLED')", name="tasks_status_check"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="tasks_project_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="tasks_pkey"),
        sa.UniqueConstraint("project_id", "number", name="tasks_project_id_number_key"),
    )
    op.create_index(
        "tasks_live_idx",
        "tasks",
        ["project_id", "number"],
        unique=False,
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_table(
        "activities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="activities_project_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="activities_task_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="activities_pkey"),
    )
    op.create_index("activities_project_id_idx", "activities", ["project_id", "id"], unique=False)
    op.create_index("activities_task_id_idx", "activities", ["task_id", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "transaction", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False
        ),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name="outbox_activity_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
    )
    op.create_index("outbox_transaction_idx", "outbox", ["transaction", "id"], unique=False)


def downgrade() -> None:
    for name in ROLE_DEFAULTS:
        op.execute(f"ALTER ROLE CURRENT_USER RESET {name}")
    op.drop_index("outbox_transaction_idx", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("activities_task_id_idx", table_name="activities")
    op.drop_index("activities_project_id_idx", table_name="activities")
    op.drop_table("activities")
    op.drop_index("tasks_live_idx", table_name="tasks", postgresql_where=sa.text("delete_time IS NULL"))
    op.drop_table("tasks")
    op.drop_table("task_counters")
    op.drop_index("members_user_id_idx", table_name="members")
    op.drop_table("members")
    op.drop_index("projects_slug_key", table_name="projects", postgresql_where=sa.text("delete_time IS NULL"))
    op.drop_table("projects")
