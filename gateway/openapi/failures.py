"""Which errors an operation may answer with: the table that the gateway itself goes by, in the words of OpenAPI."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.descriptors import Binding, Method
from gateway.errors import CODES, WRITERS, Refusal, Violation, refused, retry_later
from gateway.openapi.rules import Schema
from gateway.rates.classes import only_reads
from gateway.templates import Template

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": {
        "type": "object",
        "title": "Error",
        "description": "What went wrong. Branch on `details[].reason`, never on the message.",
        "properties": {
            "code": {"type": "integer", "description": "The HTTP status."},
            "message": {"type": "string", "description": "For people."},
            "status": {"type": "string", "enum": [name for name, _ in CODES.values() if name != "OK"]},
            "details": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            "requestId": {"type": "string"},
        },
        "required": ["code", "message", "status", "details", "requestId"],
    },
    "OAuthError": {
        "type": "object",
        "title": "OAuthError",
        "description": "What went wrong, as RFC 6749 (section 5.2) has it.",
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        "required": ["error"],
    },
}
"""What errors look like, by style."""

_REQUEST_ID: Final = "01980000-0000-7000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class _Failure:
    """One row of the table."""

    name: str
    description: str
    example: Refusal
    headers: Sequence[str] = ()


def _unavailable() -> Refusal:
    detail, _ = retry_later(1)
    return refused(503, "UNAVAILABLE", "OVERLOADED", "too much is under way at the moment", details=[detail])


def _rate_limited() -> Refusal:
    detail, _ = retry_later(7)
    message = "more than 1200 calls a minute (read)"
    return refused(429, "RESOURCE_EXHAUSTED", "RATE_LIMITED", message, details=[detail])


_TABLE: Final[Mapping[int, _Failure]] = {
    400: _Failure(
        "BadRequest",
        "The request is not what the contract wants. `fieldViolations` name the fields.",
        Violation("title", "must not be empty").refusal(),
    ),
    401: _Failure(
        "Unauthenticated",
        "Nobody has signed in, or the credentials are not, or no longer, good.",
        Refusal(401, "UNAUTHENTICATED", "the token is not valid"),
        ("WWW-Authenticate",),
    ),
    403: _Failure(
        "PermissionDenied",
        "The caller is known, and may not do this.",
        Refusal(403, "PERMISSION_DENIED", "the caller may not do this"),
    ),
    404: _Failure(
        "NotFound",
        "What the path names does not exist, or not for this caller.",
        Refusal(404, "NOT_FOUND", "there is no such resource"),
    ),
    406: _Failure(
        "NotAcceptable",
        "There is no answer of a media type that `Accept` allows.",
        refused(406, "INVALID_ARGUMENT", "NOT_ACCEPTABLE", "answers are application/json"),
    ),
    409: _Failure(
        "Conflict",
        "Something else stands against it: it exists already, or was changed at the same time.",
        Refusal(409, "ABORTED", "it was changed at the same time"),
    ),
    412: _Failure(
        "PreconditionFailed",
        "The version that `If-Match` names is no longer the current one.",
        refused(412, "ABORTED", "ETAG_MISMATCH", "the entity tag is no longer current"),
    ),
    413: _Failure(
        "BodyTooLarge",
        "The body is larger than what is taken.",
        refused(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", "the body is larger than 4194304 bytes"),
    ),
    415: _Failure(
        "UnsupportedMediaType",
        "The body is of a media type, or in an encoding, that is not taken.",
        refused(
            415,
            "INVALID_ARGUMENT",
            "UNSUPPORTED_MEDIA_TYPE",
            "expected a body of content type application/json, in UTF-8",
        ),
    ),
    429: _Failure(
        "TooManyRequests",
        "The budget of calls a minute is used up: the caller's for this `x-rate-class`, or that of the address.",
        _rate_limited(),
        ("Retry-After", "RateLimit", "RateLimit-Policy"),
    ),
    503: _Failure("Unavailable", "It cannot be answered at the moment. Try again.", _unavailable(), ("Retry-After",)),
    504: _Failure(
        "DeadlineExceeded",
        "It took longer than `Grpc-Timeout`, or what is allowed, and may have been done all the same.",
        refused(504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "the server did not answer in time"),
    ),
}
_OTHERWISE: Final = _Failure("Failed", "What went wrong.", Refusal(500, "INTERNAL", "internal error"))


class Failures:
    """Collects the responses that operations refer to."""

    def __init__(self) -> None:
        """None, so far."""
        self.components: dict[str, Schema] = {}

    def of(self, method: Method, binding: Binding, template: Template, *, raw: bool) -> Schema:
        """How an operation may fail; `raw` is an answer of any media type at all."""
        statuses = _statuses(method, binding, template, raw=raw)
        style = int(method.rest.error_style)
        return {
            **{str(status): self._reference(_TABLE[status], style) for status in statuses},
            "default": self._reference(_OTHERWISE, style),
        }

    def _reference(self, failure: _Failure, style: int) -> Schema:
        prefix = "OAuth" if style else ""
        name = f"{prefix}{failure.name}"
        if name not in self.components:
            written = json.loads(WRITERS[style](failure.example, _REQUEST_ID))
            schema = {"$ref": f"#/components/schemas/{prefix}Error"}
            self.components[name] = {
                "description": failure.description,
                **(
                    {"headers": {one: {"schema": {"type": "string"}} for one in failure.headers}}
                    if failure.headers
                    else {}
                ),
                "content": {"application/json": {"schema": schema, "example": written}},
            }
        return {"$ref": f"#/components/responses/{name}"}


def _statuses(method: Method, binding: Binding, template: Template, *, raw: bool) -> Iterator[int]:
    known = method.access != "ANYONE"
    reads = only_reads(method, binding)
    yield 400
    if known or method.rest.basic_username:
        yield 401
    if known:
        yield 403
    if template.variables:
        yield 404
    if not raw:
        yield 406
    if not reads:
        yield 409
    if method.rest.if_match or (method.rest.has_etag and reads):
        yield 412
    if binding.body:
        yield from (413, 415)
    yield from (429, 503, 504)
