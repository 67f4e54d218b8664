"""What tasks are found by, and the indexes of each order in which they are listed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATUS_PLACE = (
    "CASE status WHEN 'TODO' THEN 1 WHEN 'IN_PROGRESS' THEN 2 WHEN 'IN_REVIEW' THEN 3 WHEN 'DONE' THEN 4"
    " WHEN 'CANCELLED' THEN 5 END"
)
PRIORITY_PLACE = "CASE priority WHEN 'LOW' THEN 1 WHEN 'MEDIUM' THEN 2 WHEN 'HIGH' THEN 3 WHEN 'URGENT' THEN 4 END"
PROJECT = "array_to_tsvector(ARRAY['project ' || project_id::text])"
TASK_DOCUMENT = (
    f"setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', description), 'B') || {PROJECT}"
)
COMMENT_DOCUMENT = "setweight(to_tsvector('english', text), 'C')"
KEYS: dict[str, str] = {
    "status": "status_place",
    "priority": "priority_place",
    "due": "coalesce(due_time, 'infinity'::timestamptz)",
    "due_desc": "coalesce(due_time, '-infinity'::timestamptz)",
    "create": "create_time",
    "update": "update_time",
}


def upgrade() -> None:
    # One statement, so that the table is written anew once and not three times.
    op.execute(
        "ALTER TABLE tasks"
        f" ADD COLUMN status_place smallint GENERATED ALWAYS AS ({STATUS_PLACE}) STORED,"
        f" ADD COLUMN priority_place smallint GENERATED ALWAYS AS ({PRIORITY_PLACE}) STORED,"
        f" ADD COLUMN document tsvector GENERATED ALWAYS AS ({TASK_DOCUMENT}) STORED"
    )
    op.add_column(
        "comments", sa.Column("document", postgresql.TSVECTOR(), sa.Computed(COMMENT_DOCUMENT, persisted=True))
    )
    for name, key in KEYS.items():
        op.create_index(f"tasks_{name}_idx", "tasks", ["project_id", sa.text(key), "id"])
        op.create_index(
            f"tasks_{name}_anywhere_idx", "tasks", [sa.text(key), "id"], postgresql_where=sa.text("number > 0")
        )
    # Plan as if every project had a thousand tasks: who is wrong about a small one has lost little.
    op.execute("ALTER TABLE tasks ALTER COLUMN project_id SET (n_distinct = -0.001)")
    op.create_index("tasks_assignee_id_idx", "tasks", ["assignee_id", "project_id", "id"])
    op.create_index("tasks_creator_id_idx", "tasks", ["creator_id", "project_id", "id"])
    op.create_index("tasks_document_idx", "tasks", ["document"], postgresql_using="gin")
    op.create_index("comments_document_idx", "comments", ["document"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_column("comments", "document")
    op.execute("ALTER TABLE tasks ALTER COLUMN project_id RESET (n_distinct)")
    for name in KEYS:
        op.drop_index(f"tasks_{name}_anywhere_idx", "tasks")
        op.drop_index(f"tasks_{name}_idx", "tasks")
    op.drop_index("tasks_assignee_id_idx", "tasks")
    op.drop_index("tasks_creator_id_idx", "tasks")
    for column in ("document", "priority_place", "status_place"):
        op.drop_column("tasks", column)
