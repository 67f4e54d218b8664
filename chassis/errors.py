"""Outcomes: what may come of a call instead of an answer, in the words of the domain.

Each service derives its own from these categories. An outcome's docstring is its message, its `reason` is what clients
branch on. Nothing here knows a protocol: `chassis.status` turns outcomes into gRPC.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request.

    `field` is the path in the request as the contract spells it: `task.title`.
    """

    field: str
    description: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnmetPrecondition:
    """One thing that would have had to be so: its `kind`, what it is about, and a sentence."""

    kind: str
    subject: str
    description: str


class DomainError(Exception):
    """Something came of this call that is not its answer."""

    reason: ClassVar[str]
    """UPPER_SNAKE_CASE, unique among the outcomes of a service: what clients branch on."""

    def __init__(
        self,
        message: str | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        """Without a message, the outcome's docstring speaks."""
        super().__init__(message or inspect.getdoc(type(self)) or type(self).__name__)
        self.metadata: Mapping[str, str] = metadata or {}
        self.retry_after = retry_after

    def within(self, place: str) -> None:
        """Say of which part of a request this came: `requests[3]`."""
        self.args = (f"{place}: {self}",)
        self.metadata = {**self.metadata, "request": place}


class InvalidArgument(DomainError):
    """The request holds a value that it must not hold."""

    reason = "VALIDATION_FAILED"

    def __init__(self, *violations: FieldViolation, message: str | None = None) -> None:
        """Every violation that is known, so that the caller mends them in one go."""
        super().__init__(message or "; ".join(f"{v.field}: {v.description}" for v in violations) or None)
        self.violations: Sequence[FieldViolation] = violations

    def within(self, place: str) -> None:
        """The fields are those of that part."""
        super().within(place)
        self.violations = [replace(each, field=f"{place}.{each.field}") for each in self.violations]


class Unauthenticated(DomainError):
    """The caller is not known."""


class PermissionDenied(DomainError):
    """The caller may see this, but not do it."""


class NotFound(DomainError):
    """There is nothing of that name that the caller may see."""


class AlreadyExists(DomainError):
    """That name is taken."""


class FailedPrecondition(DomainError):
    """Things are not in a state that allows it."""

    preconditions: Sequence[UnmetPrecondition] = ()


class Aborted(DomainError):
    """Somebody else was first. It may work when it is tried again."""

    preconditions: Sequence[UnmetPrecondition] = ()


class ResourceExhausted(DomainError):
    """There is too much of it. It may work later."""


class Unavailable(DomainError):
    """Something that is needed to answer cannot be reached. It may work when it is tried again."""


class Internal(DomainError):
    """This is our mistake."""


@contextmanager
def part(place: str) -> Iterator[None]:
    """Whatever comes of this block is about one part of a request."""
    try:
        yield
    except DomainError as outcome:
        outcome.within(place)
        raise


def leaves(root: type[DomainError]) -> set[type[DomainError]]:
    """Every outcome below `root` that can be raised: those with a reason of their own."""
    below = {leaf for child in root.__subclasses__() for leaf in leaves(child)}
    return below | ({root} if "reason" in vars(root) else set())
