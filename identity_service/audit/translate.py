"""Messages of the contract, to and from values of the domain."""

from uuid import UUID

from tandem.identity.v1 import user_pb2

from chassis.instants import instant
from identity_service.audit.domain import KeptEvent, Outcome, Wanted


def wanted(request: user_pb2.ListAuditEventsRequest) -> Wanted:
    """Which events to list.

    Raises:
        InvalidArgument: A time is beyond the calendar.
    """
    return Wanted(
        subject=UUID(request.user_id) if request.user_id else None,
        action=request.action,
        outcome=Outcome(user_pb2.AuditEvent.Outcome.Name(request.outcome)) if request.outcome else None,
        after=instant(request, "after", path="after"),
        before=instant(request, "before", path="before"),
    )


def event(event: KeptEvent) -> user_pb2.AuditEvent:
    """Something that has happened."""
    message = user_pb2.AuditEvent(
        id=str(event.id),
        actor_type=event.actor_type,
        actor_id=str(event.actor_id) if event.actor_id is not None else "",
        action=event.action,
        target_type=event.target_type,
        target_id=event.target_id,
        outcome=user_pb2.AuditEvent.Outcome.Value(event.outcome.value),
        reason=event.reason,
        request_id=event.request_id,
        address=event.address,
        user_agent=event.user_agent,
        metadata=event.metadata,
    )
    message.event_time.FromDatetime(event.event_time)
    return message
