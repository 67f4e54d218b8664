"""Categories, labels, and what else a task can be told by: its parent, its position, annotations, an external id."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("kind IN ('CATEGORY', 'LABEL')", name="tags_kind_check"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="tags_project_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="tags_pkey"),
    )
    live = sa.text("delete_time IS NULL")
    op.create_index(
        "tags_name_key", "tags", ["project_id", "kind", sa.text("lower(name)")], unique=True, postgresql_where=live
    )
    op.create_index("tags_slug_key", "tags", ["project_id", "kind", "slug"], unique=True, postgresql_where=live)
    op.create_index("tags_listed_idx", "tags", ["project_id", "kind", "id"], unique=False)

    op.add_column("tasks", sa.Column("category_id", sa.Uuid(), nullable=True))
    op.add_column("tasks", sa.Column("labels", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False))
    op.add_column("tasks", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.add_column("tasks", sa.Column("position", sa.Text(collation="C"), nullable=True))
    op.add_column("tasks", sa.Column("annotations", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("tasks", sa.Column("external_id", sa.Text(), nullable=True))
    op.execute("UPDATE tasks SET position = to_hex(2147483648 + number)")
    op.alter_column("tasks", "position", nullable=False)
    op.create_foreign_key("tasks_category_id_fkey", "tasks", "tags", ["category_id"], ["id"])
    op.create_foreign_key("tasks_parent_id_fkey", "tasks", "tasks", ["parent_id"], ["id"], ondelete="SET NULL")
    op.create_unique_constraint("tasks_project_id_position_key", "tasks", ["project_id", "position"])
    op.create_index("tasks_external_id_key", "tasks", ["project_id", "external_id"], unique=True, postgresql_where=live)
    op.create_index(
        "tasks_parent_id_idx", "tasks", ["parent_id"], unique=False, postgresql_where=sa.text("parent_id IS NOT NULL")
    )
    op.create_index(
        "tasks_category_id_idx",
        "tasks",
        ["category_id", "number"],
        unique=False,
        postgresql_where=sa.text("category_id IS NOT NULL"),
    )
    op.create_index("tasks_labels_idx", "tasks", ["labels"], unique=False, postgresql_using="gin")


def downgrade() -> None:
    for column in ("external_id", "annotations", "position", "parent_id", "labels", "category_id"):
        op.drop_column("tasks", column)
    op.drop_table("tags")
