"""What a failed RPC means for the client.

gRPC's own library reports trouble on the way (a refused connection, a passed deadline) with the same codes that servers
use, and puts addresses into the text. Only a status with details certainly comes from a server; where the library might
have spoken, the client reads a sentence of ours.
"""

from collections.abc import Mapping
from typing import Final

import grpc
import grpc.aio

from gateway.errors import Refusal, Statuses, refused, retry_later

_DETAILS: Final = "grpc-status-details-bin"
_RETRY_AFTER_S: Final = 1

_OURS: Mapping[grpc.StatusCode, tuple[int, str, str]] = {
    grpc.StatusCode.UNAVAILABLE: (503, "UPSTREAM_UNAVAILABLE", "the server cannot be reached at the moment"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED", "the server did not answer in time"),
    grpc.StatusCode.CANCELLED: (499, "CANCELLED", "the call was cancelled"),
    grpc.StatusCode.UNKNOWN: (500, "UPSTREAM_FAILED", "the server failed"),
    grpc.StatusCode.INTERNAL: (500, "UPSTREAM_FAILED", "the server failed"),
}
"""HTTP status, reason and message for the codes that the library uses itself."""

_TOO_LARGE: Final = "larger than max"
_REQUEST_TOO_LARGE: Final = (
    "SERVER: Received message larger than max",
    "CLIENT: Sent message larger than max",
    "grpc: received message larger than max",  # a server in Go
)
_METADATA_TOO_LARGE: Final = "received metadata size exceeds"


def failure(statuses: Statuses, error: grpc.aio.AioRpcError) -> Refusal:
    """The refusal that a failed RPC amounts to."""
    code = error.code()
    trailer = next((value for key, value in error.trailing_metadata() or () if key == _DETAILS), None)
    ours = _OURS.get(code)
    if ours is not None and trailer is None:
        http, reason, message = ours
        refusal = refused(http, code.name, reason, message)
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and trailer is None and (bound := _bound(error.details() or "")):
        return bound
    else:
        number: int = code.value[0]
        refusal = statuses.refusal(number, error.details() or "", trailer if isinstance(trailer, bytes) else None)
    if refusal.http == 503 and not refusal.headers:
        detail, header = retry_later(_RETRY_AFTER_S)
        refusal.details = [*refusal.details, detail]
        refusal.headers = (header,)
    return refusal


def _bound(details: str) -> Refusal | None:
    """What it means that the library, here or at the server, found something too large."""
    if details.startswith(_METADATA_TOO_LARGE):  # so the server's; here, there is something before it
        message = "the headers are larger than the server takes"
        return refused(431, "INVALID_ARGUMENT", "HEADERS_TOO_LARGE", message)
    if details.startswith(_REQUEST_TOO_LARGE):
        return refused(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", "the request is larger than the server takes")
    if _METADATA_TOO_LARGE in details:
        message = "the answer's metadata is too large"
    elif _TOO_LARGE in details:
        message = "the answer is too large for one message"
    else:
        return None
    return refused(500, "RESOURCE_EXHAUSTED", "ANSWER_TOO_LARGE", message)
