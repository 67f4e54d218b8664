"""Outcomes as gRPC says them: one code per category, and `google.rpc` details (AIP-193)."""

from collections.abc import Iterator, Mapping

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from chassis import errors
from chassis.errors import DomainError

CODES: Mapping[type[DomainError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Internal: grpc.StatusCode.INTERNAL,
}

DETAILS_KEY = "grpc-status-details-bin"

# A status travels in trailers, of which clients take 8 KiB: beyond that they learn nothing at all. The message is there
# twice, and once of it each byte that is not ASCII is three. All in bytes.
_LONGEST_MESSAGE = 512
_LONGEST_PART = 160
_MOST_VIOLATIONS = 10


def code_of(outcome: type[DomainError]) -> grpc.StatusCode | None:
    """The code of an outcome's category, or None for an outcome that belongs to none."""
    return next((CODES[category] for category in outcome.__mro__ if category in CODES), None)


def status_of(outcome: DomainError, *, domain: str, request_id: str) -> Status:
    """The whole status: code, message, exactly one ErrorInfo, and whatever else the outcome knows."""
    code = code_of(type(outcome)) or grpc.StatusCode.INTERNAL
    status = Status(code=code.value[0], message=_shortened(str(outcome), _LONGEST_MESSAGE))
    for detail in _details(outcome, domain=domain, request_id=request_id):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _shortened(text: str, longest: int) -> str:
    """Up to so many bytes of UTF-8."""
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= longest else f"{encoded[: longest - 3].decode(errors='ignore')}…"


def _details(outcome: DomainError, *, domain: str, request_id: str) -> Iterator[Message]:
    yield ErrorInfo(reason=outcome.reason, domain=domain, metadata=outcome.metadata)
    if isinstance(outcome, errors.InvalidArgument) and outcome.violations:
        bad_request = BadRequest()
        for violation in outcome.violations[:_MOST_VIOLATIONS]:
            bad_request.field_violations.add(
                field=_shortened(violation.field, _LONGEST_PART),
                description=_shortened(violation.description, _LONGEST_PART),
                reason=violation.reason,
            )
        yield bad_request
    if isinstance(outcome, errors.FailedPrecondition | errors.Aborted) and outcome.preconditions:
        failure = PreconditionFailure()
        for unmet in outcome.preconditions:
            failure.violations.add(type=unmet.kind, subject=unmet.subject, description=unmet.description)
        yield failure
    if outcome.retry_after is not None:
        retry = RetryInfo()
        retry.retry_delay.FromTimedelta(outcome.retry_after)
        yield retry
    if request_id:
        yield RequestInfo(request_id=request_id)
