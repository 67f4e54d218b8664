"""What goes wrong, in the one shape in which REST says it.

    {"code": 404, "message": "…", "status": "NOT_FOUND", "details": [{"@type": …}, …], "requestId": "…"}

or, for methods whose option says so, as RFC 6749 has it: `{"error": "invalid_scope", "error_description": "…"}`.

Owns these shapes, the table from gRPC codes to HTTP, and the reading of `google.rpc.Status` out of a server's trailers.
Whoever refuses a request raises `Refusal`; `asgi` alone writes it.
"""

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2
from protobuf import Registry, message_to_json_value

from gateway.descriptors import registry_of

DOMAIN = "gateway.tandem"

Detail = dict[str, Any]
Header = tuple[bytes, bytes]

CODES: Mapping[int, tuple[str, int]] = {
    0: ("OK", 200),
    1: ("CANCELLED", 499),
    2: ("UNKNOWN", 500),
    3: ("INVALID_ARGUMENT", 400),
    4: ("DEADLINE_EXCEEDED", 504),
    5: ("NOT_FOUND", 404),
    6: ("ALREADY_EXISTS", 409),
    7: ("PERMISSION_DENIED", 403),
    8: ("RESOURCE_EXHAUSTED", 429),
    9: ("FAILED_PRECONDITION", 400),
    10: ("ABORTED", 409),
    11: ("OUT_OF_RANGE", 400),
    12: ("UNIMPLEMENTED", 501),
    13: ("INTERNAL", 500),
    14: ("UNAVAILABLE", 503),
    15: ("DATA_LOSS", 500),
    16: ("UNAUTHENTICATED", 401),
}
"""gRPC code → its name, and the HTTP status that says the same."""

_TYPE_URL = "type.googleapis.com/"
_ERROR_INFO = f"{_TYPE_URL}google.rpc.ErrorInfo"
_BAD_REQUEST = f"{_TYPE_URL}google.rpc.BadRequest"
_RETRY_INFO = f"{_TYPE_URL}google.rpc.RetryInfo"
_PRECONDITION_FAILURE = f"{_TYPE_URL}google.rpc.PreconditionFailure"


class Refusal(Exception):
    """This request gets another answer than the one it asked for."""

    def __init__(
        self,
        http: int,
        status: str,
        message: str,
        *,
        details: Sequence[Detail] = (),
        headers: Iterable[Header] = (),
    ) -> None:
        """`status` is the name of a gRPC code; `details` are ProtoJSON of `Any`."""
        super().__init__(message)
        self.http = http
        self.status = status
        self.message = message
        self.details = details
        self.headers = tuple(headers)

    @property
    def reason(self) -> str:
        """What machines branch on, where it is said."""
        return next((str(info.get("reason", "")) for info in self.details if info.get("@type") == _ERROR_INFO), "")

    @property
    def stale(self) -> bool:
        """Whether a server found that an etag is no longer current."""
        return self.status == "ABORTED" and any(
            violation.get("type") == "ETAG"
            for detail in self.details
            if detail.get("@type") == _PRECONDITION_FAILURE
            for violation in detail.get("violations", ())
        )


Writer = Callable[[Refusal, str], bytes]
"""A refusal and the request's id to the JSON that the client reads."""


def written(refusal: Refusal, request_id: str) -> bytes:
    """The one shape."""
    return _json(
        {
            "code": refusal.http,
            "message": refusal.message,
            "status": refusal.status,
            "details": refusal.details,
            "requestId": request_id,
        }
    )


def written_for_oauth(refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG001 - the RFC has no place for the id
    """As RFC 6749 (section 5.2) has it, which allows some ASCII only."""
    reason = refusal.reason.lower()
    error = reason if reason in _OAUTH_ERRORS else _OAUTH_BY_STATUS.get(refusal.status, "server_error")
    return _json({"error": error, "error_description": _NOT_DESCRIPTIVE.sub("?", refusal.message.replace('"', "'"))})


WRITERS: Mapping[int, Writer] = {0: written, 1: written_for_oauth}
"""By the numbers of `tandem.gateway.v1.RestMethod.ErrorStyle`."""

_OAUTH_ERRORS = frozenset(
    {
        "access_denied",
        "insufficient_scope",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_token_type",
    }
)
_OAUTH_BY_STATUS = {
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "UNAUTHENTICATED": "invalid_client",
    "PERMISSION_DENIED": "unauthorized_client",
    "RESOURCE_EXHAUSTED": "temporarily_unavailable",
    "UNAVAILABLE": "temporarily_unavailable",
    "DEADLINE_EXCEEDED": "temporarily_unavailable",
}
_NOT_DESCRIPTIVE = re.compile(r"[^\x20-\x5b\x5d-\x7e]")


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8",
        "backslashreplace",  # a lone surrogate in a key that is quoted back
    )


class Violation(Exception):
    """One thing that is wrong with what the client sent: where, and what."""

    def __init__(self, field: str, description: str, *, reason: str = "VALIDATION_FAILED") -> None:
        """`field` is its path in the request, in the client's own spelling; empty for the whole body."""
        super().__init__(description)
        self.field = field
        self.description = description
        self.reason = reason

    def refusal(self) -> Refusal:
        """The answer to it."""
        message = f"{self.field}: {self.description}" if self.field else self.description
        return refused(400, "INVALID_ARGUMENT", self.reason, message, violations=[self])


def refused(
    http: int,
    status: str,
    reason: str,
    message: str,
    *,
    violations: Sequence[Violation] = (),
    headers: Iterable[Header] = (),
    details: Sequence[Detail] = (),
) -> Refusal:
    """A refusal of the gateway's own: it names its reason, and the fields when there are any."""
    own: list[Detail] = [{"@type": _ERROR_INFO, "reason": reason, "domain": DOMAIN}]
    if violations:
        own.append(
            {
                "@type": _BAD_REQUEST,
                "fieldViolations": [{"field": v.field, "description": v.description} for v in violations],
            }
        )
    return Refusal(http, status, message, details=[*own, *details], headers=headers)


def retry_later(seconds: int) -> tuple[Detail, Header]:
    """The same advice for both readers: RetryInfo, and the header."""
    return {"@type": _RETRY_INFO, "retryDelay": f"{seconds}s"}, (b"retry-after", b"%d" % seconds)


def shutting_down() -> Refusal:
    """503: whoever comes again finds somebody else."""
    detail, header = retry_later(1)
    message = "the gateway is shutting down"
    close = (b"connection", b"close")
    return refused(503, "UNAVAILABLE", "SHUTTING_DOWN", message, headers=[header, close], details=[detail])


class Statuses:
    """Reads what a server says about its failure."""

    def __init__(self, contract: Registry) -> None:
        """Details of the contract's own types are understood besides those of `google.rpc`."""
        common = FileDescriptorSet()
        seen: set[str] = set()
        for file in (error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR):
            for known in (*file.dependencies, file):
                if known.name not in seen:
                    seen.add(known.name)
                    known.CopyToProto(common.file.add())
        self._registry = Registry(contract, registry_of(common.SerializeToString()))
        status = self._registry.message("google.rpc.Status")
        assert status is not None  # it was added two lines above
        self._status = status.type

    def refusal(self, code: int, message: str, trailer: bytes | None) -> Refusal:
        """The refusal that a gRPC status amounts to; `trailer` is its `grpc-status-details-bin`."""
        details: list[Detail] = []
        if trailer:
            try:
                status: Any = self._status.from_binary(trailer)
            except (ValueError, RecursionError):
                pass  # the code and the message still stand
            else:
                message = status.message or message
                details = [self._detail(packed) for packed in status.details]
        name, http = CODES.get(code, CODES[2])
        return Refusal(http, name, message, details=details, headers=_retry_after(details))

    def _detail(self, packed: Any) -> Detail:
        """ProtoJSON of an `Any`; of one whose type nobody here knows, its bytes."""
        try:
            value = message_to_json_value(packed, registry=self._registry)
        except (ValueError, TypeError, RecursionError):
            value = None
        if isinstance(value, dict) and "@type" in value:
            return value
        return {"@type": packed.type_url, "value": b64encode(packed.value).decode()}


def _retry_after(details: Iterable[Detail]) -> Iterable[Header]:
    for detail in details:
        if detail["@type"] == _RETRY_INFO:
            seconds = float(str(detail.get("retryDelay", "0s")).removesuffix("s"))
            return ((b"retry-after", b"%d" % max(0, math.ceil(seconds))),)
    return ()
