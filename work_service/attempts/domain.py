"""What may come of trying again."""

from datetime import timedelta

from chassis.errors import InvalidArgument

KEPT_FOR = timedelta(days=1)


class AttemptReused(InvalidArgument):
    """This idempotency key was used for another request."""

    reason = "IDEMPOTENCY_KEY_REUSED"
