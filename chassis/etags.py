"""Etags (AIP-154): a change is made only to what its author has seen."""

from chassis.errors import Aborted, UnmetPrecondition


class EtagMismatch(Aborted):
    """This has changed since you saw it."""

    reason = "ETAG_MISMATCH"

    def __init__(self, *, current: str) -> None:
        """Tells the etag of today, so that the caller need not ask."""
        super().__init__(metadata={"currentEtag": current})
        self.preconditions = (UnmetPrecondition("ETAG", "etag", f"the current etag is {current}"),)


def expect_etag(sent: str, current: str) -> None:
    """Go on only if what was sent is the etag of today, or nothing.

    Raises:
        EtagMismatch: It is another one.
    """
    if sent and sent != current:
        raise EtagMismatch(current=current)
