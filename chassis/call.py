"""The call that is being answered, for those who answer it."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message

from chassis.auth import Principal
from chassis.policy import Method

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class Requests(Protocol):
    """The requests of a client's stream, each of which is parsed and held against the contract when it is read.

    One that is not valid raises InvalidRequest; whoever wants to know what is wrong with the others reads on.
    """

    async def __anext__(self) -> Any:
        """The next one; StopAsyncIteration when the client has said all."""
        ...

    def digest(self) -> bytes:
        """SHA-256 of those that were read, the same for the same content."""
        ...


@dataclass(slots=True)
class Call:
    """One call, from its first byte to its status. Interceptors fill it in on the way to the handler."""

    method: Method
    context: Context
    metadata: Mapping[str, str] = field(repr=False)
    payload: bytes | AsyncIterator[bytes] = field(repr=False)
    """The request as it came, or as they come."""
    request: Message | Requests | None = field(default=None, repr=False)
    """The request once it is parsed and valid."""
    request_id: str = ""
    address: str = ""
    """Where the call comes from: the client behind proxies that are trusted. Empty when it is not known."""
    user_agent: str = ""
    """What the client says it is."""
    principal: Principal | None = None
    permitted: bool = False
    """Whether somebody has asked for the permission that the contract declares."""
    code: grpc.StatusCode = grpc.StatusCode.OK

    def digest(self) -> bytes:
        """SHA-256 of the request, the same for the same content."""
        assert self.request is not None, "the request is parsed before its handler runs"
        if not isinstance(self.request, Message):
            return self.request.digest()
        return hashlib.sha256(self.request.SerializeToString(deterministic=True)).digest()


Proceed = Callable[[Call], Awaitable[Message | None]]
"""What is further in: the next interceptor, or the handler. None is what comes of a stream."""

_current: ContextVar[Call] = ContextVar("call")


def enter(call: Call) -> None:
    """Make `call` the current one of this task."""
    _current.set(call)


def current() -> Call:
    """The call that this task answers."""
    return _current.get()


def caller() -> Principal:
    """Who is calling. Only for methods that the contract keeps to callers with a token."""
    principal = find_caller()
    if principal is None:
        raise LookupError("the contract lets anyone call this method; it has no caller")
    return principal


def find_caller() -> Principal | None:
    """Who is calling, or None. For methods that may be called with a token, and without one."""
    return _current.get().principal
