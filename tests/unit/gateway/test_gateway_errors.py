"""One shape for everything that goes wrong."""

import json
from base64 import b64encode

import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.errors import CODES, Statuses, Violation, refused, written, written_for_oauth
from tests.unit.gateway import toy

STATUSES = Statuses(toy.library().registry)


def trailer(*details: Message, message: str = "from the details") -> bytes:
    status = status_pb2.Status(code=10, message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status.SerializeToString()


def test_every_grpc_code_has_a_status() -> None:
    assert {number: name for number, (name, _) in CODES.items()} == {
        number: name for name, number in code_pb2.Code.items()
    }


@pytest.mark.parametrize(
    ("code", "http"),
    [
        ("CANCELLED", 499),
        ("UNKNOWN", 500),
        ("INVALID_ARGUMENT", 400),
        ("DEADLINE_EXCEEDED", 504),
        ("NOT_FOUND", 404),
        ("ALREADY_EXISTS", 409),
        ("PERMISSION_DENIED", 403),
        ("RESOURCE_EXHAUSTED", 429),
        ("FAILED_PRECONDITION", 400),
        ("ABORTED", 409),
        ("OUT_OF_RANGE", 400),
        ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500),
        ("UNAVAILABLE", 503),
        ("DATA_LOSS", 500),
        ("UNAUTHENTICATED", 401),
    ],
)
def test_the_table_of_statuses(code: str, http: int) -> None:
    assert dict(CODES.values())[code] == http


def test_the_shape() -> None:
    refusal = STATUSES.refusal(5, "no such book", None)
    assert json.loads(written(refusal, "r1")) == {
        "code": 404,
        "message": "no such book",
        "status": "NOT_FOUND",
        "details": [],
        "requestId": "r1",
    }


def test_details_are_proto_json() -> None:
    refusal = STATUSES.refusal(
        10,
        "ignored",
        trailer(
            error_details_pb2.ErrorInfo(reason="LOCKED", domain="d", metadata={"a_b": "c"}),
            error_details_pb2.BadRequest(
                field_violations=[error_details_pb2.BadRequest.FieldViolation(field="f", description="d")]
            ),
            toy.google_type("Nested")(my_number=3),
        ),
    )
    assert refusal.message == "from the details"
    assert refusal.details == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "LOCKED",
            "domain": "d",
            "metadata": {"a_b": "c"},
        },
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "f", "description": "d"}],
        },
        {"@type": "type.googleapis.com/library.v1.Nested", "myNumber": 3},
    ]


@pytest.mark.parametrize(
    "packed",
    [
        any_pb2.Any(type_url="type.googleapis.com/no.Such", value=b"\x01"),
        any_pb2.Any(type_url="type.googleapis.com/library.v1.Nested", value=b"\xff"),
        any_pb2.Any(type_url="nonsense", value=b""),
        any_pb2.Any(),
    ],
    ids=["unknown type", "broken bytes", "no type", "empty"],
)
def test_a_detail_that_nobody_can_read_is_passed_on_as_it_is(packed: any_pb2.Any) -> None:
    status = status_pb2.Status(code=10, message="m", details=[packed])
    refusal = STATUSES.refusal(10, "", status.SerializeToString())
    assert refusal.details == [{"@type": packed.type_url, "value": b64encode(packed.value).decode()}]
    assert json.loads(written(refusal, "r"))["message"] == "m"


def test_a_status_that_nobody_can_read_leaves_code_and_message() -> None:
    refusal = STATUSES.refusal(7, "no", b"\xff\xff")
    assert (refusal.http, refusal.message, refusal.details) == (403, "no", [])


def test_a_code_from_the_future_is_unknown() -> None:
    assert STATUSES.refusal(99, "?", None).http == 500


@pytest.mark.parametrize(("seconds", "nanos", "header"), [(2, 0, b"2"), (1, 1, b"2"), (0, 1, b"1"), (-1, 0, b"0")])
def test_retry_info_becomes_retry_after_rounded_up(seconds: int, nanos: int, header: bytes) -> None:
    delay = duration_pb2.Duration(seconds=seconds, nanos=nanos)
    refusal = STATUSES.refusal(10, "", trailer(error_details_pb2.RetryInfo(retry_delay=delay)))
    assert refusal.headers == ((b"retry-after", header),)


def test_a_stale_etag_is_recognised() -> None:
    stale = error_details_pb2.PreconditionFailure(
        violations=[error_details_pb2.PreconditionFailure.Violation(type="ETAG", subject="s")]
    )
    other = error_details_pb2.PreconditionFailure(
        violations=[error_details_pb2.PreconditionFailure.Violation(type="TOS", subject="s")]
    )
    assert STATUSES.refusal(10, "", trailer(stale)).stale
    assert not STATUSES.refusal(10, "", trailer(other)).stale
    assert not STATUSES.refusal(9, "", trailer(stale)).stale
    assert not STATUSES.refusal(10, "", None).stale


def test_the_gateways_own_refusals_name_reason_and_field() -> None:
    refusal = Violation("task.title", "expected a string", reason="R").refusal()
    assert refusal.http == 400
    assert refusal.details == [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "domain": "gateway.tandem"},
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "task.title", "description": "expected a string"}],
        },
    ]


def test_any_text_can_be_quoted_back() -> None:
    body = written(refused(400, "INVALID_ARGUMENT", "R", 'é "\ud800\x00'), "r")
    assert json.loads(body)["message"] == 'é "\ud800\x00'


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        ("INVALID_ARGUMENT", "VALIDATION_FAILED", "invalid_request"),
        ("INVALID_ARGUMENT", "INVALID_SCOPE", "invalid_scope"),
        ("INVALID_ARGUMENT", "UNSUPPORTED_GRANT_TYPE", "unsupported_grant_type"),
        ("UNAUTHENTICATED", "TOKEN_MISSING", "invalid_client"),
        ("UNAUTHENTICATED", "INVALID_GRANT", "invalid_grant"),
        ("PERMISSION_DENIED", "ROLE_TOO_LOW", "unauthorized_client"),
        ("RESOURCE_EXHAUSTED", "RATE_LIMITED", "temporarily_unavailable"),
        ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "temporarily_unavailable"),
        ("INTERNAL", "", "server_error"),
    ],
)
def test_the_errors_of_rfc_6749(status: str, reason: str, error: str) -> None:
    body = written_for_oauth(refused(400, status, reason, 'no "é"\\\n'), "r")
    assert json.loads(body) == {"error": error, "error_description": "no '?'??"}


def test_a_refusal_without_details_has_no_reason() -> None:
    assert STATUSES.refusal(5, "no such book", None).reason == ""
    assert refused(400, "INVALID_ARGUMENT", "R", "m").reason == "R"
