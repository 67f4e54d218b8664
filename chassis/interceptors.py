"""What happens around every handler, in this order, for this reason.

An interceptor takes what is further in and a call, and answers for both. They are composed once per method when the
server is built; unary calls and streams go through the same ones.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import Message
from opentelemetry.trace import Span, SpanKind

from chassis import call as calls
from chassis.auth import KeyGone, Principal, TokenExpired, TokenRevoked, TokenVerifier, bearer
from chassis.call import Call, Proceed
from chassis.errors import DomainError, Internal, PermissionDenied
from chassis.ids import new_id
from chassis.policy import Access, Method
from chassis.proxies import Network, client_address, is_within
from chassis.status import DETAILS_KEY, code_of, status_of
from chassis.telemetry import Telemetry, failed, incoming
from chassis.validation import Stream, Validator

log = structlog.get_logger()

# The codes that are the server's fault (semantic conventions for gRPC, server spans).
SERVER_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_LONGEST_USER_AGENT = 512
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


class Interceptor(Protocol):
    """Something that happens around every handler."""

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Answer `call`, as a rule by letting `proceed` answer it."""
        ...


class UnexpectedFailure(Internal):
    """Something went wrong that nobody foresaw."""

    reason = "INTERNAL"


class MachinesOnly(PermissionDenied):
    """This is for services, and you are a person."""

    reason = "MACHINES_ONLY"


class PeopleOnly(PermissionDenied):
    """This is for people, and you are a service."""

    reason = "PEOPLE_ONLY"


class InsufficientScope(PermissionDenied):
    """This access token does not hold the scope that is needed."""

    reason = "INSUFFICIENT_SCOPE"


class GlobalRoleTooLow(PermissionDenied):
    """Your role does not allow this."""

    reason = "GLOBAL_ROLE_TOO_LOW"


class PermissionNotAsked(Exception):
    """A handler answered without asking for the permission that its contract declares."""


def standard(
    telemetry: Telemetry,
    in_flight: "InFlight",
    verifier: TokenVerifier,
    *,
    domain: str,
    trusted_proxies: Sequence[Network] = (),
) -> tuple[Interceptor, ...]:
    """The chain, outermost first."""
    return (
        in_flight,  # outermost: nothing is closed before the last span has ended
        Telemetered(telemetry),  # refusals are measured too
        RequestId(),  # before anything that logs
        Origin(trusted_proxies),  # before anybody is refused: refusals are remembered by where they came from
        Errors(domain),  # inside telemetry, so that the span carries the final code
        Authentication(verifier),
        Policy(),  # needs the principal
        Validation(),  # last: a stranger learns nothing about our fields
    )


def composed(interceptors: tuple[Interceptor, ...], handler: Proceed) -> Proceed:
    """The handler with every interceptor around it."""
    for interceptor in reversed(interceptors):
        handler = partial(interceptor, handler)
    return handler


class InFlight:
    """Counts the calls that are being answered, because `Server.stop` does not wait for those that abort."""

    def __init__(self) -> None:
        """Nothing is being answered."""
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Count the call until nothing of it is left to do."""
        self._count += 1
        self._idle.clear()
        try:
            return await proceed(call)
        finally:
            self._count -= 1
            if self._count == 0:
                self._idle.set()

    async def ended(self) -> None:
        """Wait until no call is being answered."""
        await self._idle.wait()


class Telemetered:
    """One SERVER span, one measurement and one log line per call."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Names are those of the semantic conventions for RPC."""
        self._tracer = telemetry.tracer
        self._duration = telemetry.meter.create_histogram(
            "rpc.server.call.duration", unit="s", description="How long it took to answer a call."
        )

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Measure the call, whatever comes of it."""
        started = time.perf_counter()
        with self._tracer.start_as_current_span(
            call.method.name,
            context=incoming(call.metadata),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await proceed(call)
            finally:
                self._finish(span, call, time.perf_counter() - started)

    def _finish(self, span: Span, call: Call, seconds: float) -> None:
        attributes = {
            "rpc.system.name": "grpc",
            "rpc.method": call.method.name,
            "rpc.response.status_code": call.code.name,
        }
        if call.code in SERVER_FAULTS:
            attributes["error.type"] = call.code.name
            failed(span, call.code.name)
        if span.is_recording():
            span.set_attributes(attributes)
        self._duration.record(seconds, attributes)
        log.info("call", method=call.method.name, code=call.code.name, duration_ms=round(seconds * 1000, 2))


class Origin:
    """Finds out where the call comes from. Whoever is no trusted proxy speaks for themselves only."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        """Believe `x-forwarded-for` and `x-forwarded-user-agent` of `trusted_proxies`."""
        self._trusted = trusted_proxies

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Note the client's address and what it says it is."""
        peer = _address_of(call.context.peer())
        call.address = client_address(peer, call.metadata.get("x-forwarded-for", ""), self._trusted)
        agent = call.metadata.get("user-agent", "")
        if is_within(peer, self._trusted):
            agent = call.metadata.get("x-forwarded-user-agent", agent)
        call.user_agent = agent[:_LONGEST_USER_AGENT]
        return await proceed(call)


def _address_of(peer: str) -> str:
    """`127.0.0.1` out of `ipv4:127.0.0.1:50312`, and `::1` out of `ipv6:%5B::1%5D:50312`."""
    kind, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]")
    return host if kind in {"ipv4", "ipv6"} else ""


class RequestId:
    """Gives the call the name by which logs, errors and activity speak of it."""

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Take the caller's `x-request-id` when it is one, or make one."""
        sent = call.metadata.get("x-request-id", "")
        call.request_id = sent if _REQUEST_ID.fullmatch(sent) else str(new_id())
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        return await proceed(call)


class Errors:
    """Turns what is raised into a status. Nobody else aborts: by now every transaction is closed."""

    def __init__(self, domain: str) -> None:
        """`domain` is who speaks in `ErrorInfo`: "work.tandem"."""
        self._domain = domain

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Tell the caller about outcomes; tell the log about bugs, and the caller a number."""
        try:
            return await proceed(call)
        except DomainError as raised:
            outcome = raised
        except asyncio.CancelledError:
            timed_out = call.context.time_remaining() == 0  # None without a deadline
            call.code = grpc.StatusCode.DEADLINE_EXCEEDED if timed_out else grpc.StatusCode.CANCELLED
            raise
        except Exception:
            incident = str(new_id())
            log.exception("unexpected failure", method=call.method.name, incident=incident)
            outcome = UnexpectedFailure(f"internal error, incident {incident}", metadata={"incident": incident})
        call.code = code_of(type(outcome)) or grpc.StatusCode.INTERNAL
        status = status_of(outcome, domain=self._domain, request_id=call.request_id)
        await call.context.abort(call.code, status.message, ((DETAILS_KEY, status.SerializeToString()),))
        return None  # never: abort raises


class Authentication:
    """Finds out who is calling, where the contract wants to know."""

    def __init__(self, verifier: TokenVerifier) -> None:
        """Tokens are verified by `verifier`."""
        self._verifier = verifier

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Refuse callers without a valid token, except where anyone may call."""
        match call.method.access:
            case Access.ANYONE:
                pass
            case Access.TOKEN_OPTIONAL:
                call.principal = await self._find_principal(call)
            case _:
                call.principal = await self._verifier.verify(bearer(call.metadata))
        return await proceed(call)

    async def _find_principal(self, call: Call) -> Principal | None:
        """Whoever sends a token wants to be known by it. One that is over is none: clients send what they have.

        So is one whose key has been replaced since.
        """
        if "authorization" not in call.metadata:
            return None
        try:
            return await self._verifier.verify(bearer(call.metadata))
        except (TokenExpired, TokenRevoked, KeyGone):
            return None


class Policy:
    """Keeps machines to their scopes and people to their roles.

    Lets no answer out of a project unless somebody asked for the permission.
    """

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Make the call current, so that the permission can be asked for where the role is known."""
        _refuse_the_wrong_kind(call.method, call.principal)
        calls.enter(call)
        answer = await proceed(call)
        check_permitted(call)
        return answer


def check_permitted(call: Call) -> None:
    """Let something out only if somebody has asked for the permission that the contract declares.

    Raises:
        PermissionNotAsked: Nobody has.
    """
    if call.method.permission and not call.permitted:
        raise PermissionNotAsked(call.method.name)


def _refuse_the_wrong_kind(method: Method, principal: Principal | None) -> None:
    if principal is None:
        return
    if not principal.is_machine:
        if method.access == Access.SERVICE:
            raise MachinesOnly
        if method.roles and not method.roles & principal.roles:
            raise GlobalRoleTooLow(metadata={"roles": ",".join(sorted(method.roles))})
    elif not method.scope:
        raise PeopleOnly
    elif method.scope not in principal.scopes:
        raise InsufficientScope(metadata={"scope": method.scope})


class Validation:
    """Parses the request and holds it against the contract."""

    def __init__(self) -> None:
        """One validator for all methods."""
        self._validator = Validator()

    async def __call__(self, proceed: Proceed, call: Call) -> Message | None:
        """Let only valid requests through. Those of a stream are looked at when they are read."""
        if isinstance(call.payload, bytes):
            call.request = self._validator.parsed(call.method.request_class, call.payload)
        else:
            call.request = Stream(self._validator, call.method.request_class, call.payload)
        return await proceed(call)
