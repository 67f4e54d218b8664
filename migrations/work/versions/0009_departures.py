"""Who is gone, while what they had in projects is still to be given to others."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("profiles", sa.Column("leaving", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute("UPDATE profiles SET leaving = true WHERE deleted")
    op.create_index("profiles_leaving_idx", "profiles", ["user_id"], unique=False, postgresql_where=sa.text("leaving"))


def downgrade() -> None:
    op.drop_column("profiles", "leaving")
