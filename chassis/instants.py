"""Instants of the contract as Python knows them."""

from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgument


def instant(message: Message, field: str, *, path: str) -> datetime | None:
    """The instant in a field, in UTC, or None when it is not set.

    Raises:
        InvalidArgument: It is outside of the years 1 to 9999, naming the field as `path`.
    """
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(FieldViolation(path, "must be between the years 1 and 9999")) from None
