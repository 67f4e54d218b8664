"""Whether a project is a draft, is worked on, or is archived."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("state", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False))
    op.create_check_constraint("projects_state_check", "projects", "state IN ('DRAFT', 'ACTIVE', 'ARCHIVED')")


def downgrade() -> None:
    op.drop_column("projects", "state")
