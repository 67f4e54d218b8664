"""`google.api.HttpBody`: bodies that are no JSON, and pass through as they are, with their content type."""

import re
from typing import Any

from protobuf import DescMessage

from gateway.descriptors import ContractUnusable
from gateway.transcode.shapes import Shape, Slot

_HTTP_BODY = "google.api.HttpBody"
_CONTENT_TYPE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
UNKNOWN = "application/octet-stream"


def is_raw(message: object) -> bool:
    """Whether this is the type of such a body."""
    return isinstance(message, DescMessage) and message.type_name == _HTTP_BODY


class RawBody:
    """Where a raw body goes in a request: into one field, or it is the request."""

    def __init__(self, shape: Shape, slot: Slot | None) -> None:
        """`slot` is None when the request itself is an HttpBody.

        Raises:
            ContractUnusable: The field cannot be filled so.
        """
        if slot is not None and (slot.repeated or slot.is_map or slot.alternative):
            raise ContractUnusable(f"the raw body '{slot.field.name}' must be a field on its own")
        self._shape = shape
        self._slot = slot

    def encoded(self, content: bytes, content_type: str) -> bytes:
        """The body as bytes that may be put behind those of the request: concatenated messages merge."""
        body_type: Any = self._shape.message.type if self._slot is None else _message(self._slot).type
        body: Any = body_type(content_type=content_type, data=content)
        if self._slot is None:
            return bytes(body.to_binary())
        request: Any = self._shape.message.type()
        setattr(request, self._slot.field.local_name, body)
        return bytes(request.to_binary())


def content_type(body: Any) -> bytes:
    """What an answer says its data is, if that can be a header."""
    said: str = body.content_type
    return (said if _CONTENT_TYPE.fullmatch(said) else UNKNOWN).encode()


def _message(slot: Slot) -> DescMessage:
    value: Any = slot.field.value
    message: DescMessage = value.message
    return message
