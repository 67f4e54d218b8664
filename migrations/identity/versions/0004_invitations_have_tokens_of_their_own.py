"""Invitations have tokens of their own, which nobody takes away by asking for a reset."""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CHECK = "mail_tokens_purpose_check"


def upgrade() -> None:
    op.drop_constraint(CHECK, "mail_tokens", type_="check")
    op.create_check_constraint(
        CHECK, "mail_tokens", "purpose IN ('VERIFY_EMAIL', 'CHANGE_EMAIL', 'RESET_PASSWORD', 'INVITATION')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM mail_tokens WHERE purpose = 'INVITATION'")
    op.drop_constraint(CHECK, "mail_tokens", type_="check")
    op.create_check_constraint(CHECK, "mail_tokens", "purpose IN ('VERIFY_EMAIL', 'CHANGE_EMAIL', 'RESET_PASSWORD')")
