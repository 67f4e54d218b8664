"""A client's stream on its way to a server: each line of the body is a message.

One line is in hand at a time: the next is read when the server has taken the last, so that a slow server slows the
client down, and fills nobody's memory. How many there may be, the server decides.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc.aio

from gateway.asgi import encodings, headers
from gateway.asgi.exchange import Exchange, too_slow
from gateway.asgi.headers import Accepted
from gateway.errors import Refusal, Violation, refused

Encode = Callable[[bytes], bytes]
"""A line to a message."""


async def messages(
    exchange: Exchange, accepted: Accepted, first: Encode, following: Encode, *, largest: int, patience_s: float
) -> AsyncGenerator[bytes, None]:
    """The messages that the lines of a body are, and one without anything of a body if it has no lines.

    Raises:
        Refusal: A line is too large or does not come, or nothing but blank ones do, or the body is something else by
            its own word.
        Violation: A line is not such a message; it is named.
        Gone: The client left before it had sent all.
    """
    encode = first
    if exchange.has_body:
        headers.body_type(exchange.headers, accepted)
        pieces = encodings.unpacked_bit_by_bit(exchange.headers, exchange.pieces(patience_s=patience_s))
        async for number, line in _lines(exchange, pieces, largest):
            try:
                message = encode(line)
            except Violation as violation:
                complaint = f"line {number}: {violation.description}"
                raise Violation(violation.field, complaint, reason=violation.reason) from None
            yield message
            encode = following
    if encode is first:
        yield first(b"")


async def begun(messages: AsyncGenerator[bytes, None], *, patience_s: float) -> bytes:
    """The first of the messages. Until it is there no call has begun, whose deadline would end this.

    Raises:
        Refusal: It is not there in time; and what `messages` raises.
    """
    try:
        async with asyncio.timeout(patience_s):
            return await anext(messages)
    except TimeoutError:
        raise too_slow() from None


async def _lines(
    exchange: Exchange, pieces: AsyncIterator[bytes], largest: int
) -> AsyncGenerator[tuple[int, bytes], None]:
    """The lines that are not blank, with their numbers. The last one may do without its end."""
    number, begun, held, blank = 0, b"", 0, 0
    async for piece in pieces:
        *lines, begun = (begun + piece).split(b"\n")
        for line in lines:
            number += 1
            if len(line) > largest:
                raise _too_large(number, largest)
            if line.strip():
                blank = 0
                yield number, line
                continue
            blank += len(line) + 1
            if blank > largest:
                raise _too_blank(largest)
        if len(begun) > largest:
            raise _too_large(number + 1, largest)
        if len(begun) > held:
            exchange.hold(len(begun) - held)
            held = len(begun)
    if begun.strip():
        yield number + 1, begun


def _too_blank(largest: int) -> Refusal:
    return refused(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", f"more than {largest} bytes of blank lines")


def _too_large(number: int, largest: int) -> Refusal:
    message = f"line {number} is larger than {largest} bytes"
    return refused(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", message)


async def answer(
    exchange: Exchange, call: Any, first: bytes, rest: AsyncGenerator[bytes, None], *, patience_s: float
) -> bytes:
    """What the server answers to the messages. It may do so before it has heard all of them.

    Raises:
        AioRpcError: It refused.
        Refusal: It does not take a message for `patience_s`.
        Gone: The client left.
    """
    is_late = False

    def give_up() -> None:
        nonlocal is_late
        is_late = True
        call.cancel()

    def watch() -> asyncio.TimerHandle:
        # Whether the client is there still is not seen as long as nothing is read from it.
        return asyncio.get_running_loop().call_later(patience_s, give_up)

    sending = asyncio.ensure_future(_sent(call, first, rest, watch))
    call.add_done_callback(lambda _: sending.cancel())
    try:
        await asyncio.wait({sending})
        if not is_late:
            if not sending.cancelled():
                sending.result()
            return await exchange.leaving(call).answer()
    except BaseException:
        sending.cancel()
        call.cancel()  # of no effect once it has ended
        raise
    raise refused(504, "DEADLINE_EXCEEDED", "UPSTREAM_TOO_SLOW", "the server takes no more of it")


async def _sent(
    call: Any, first: bytes, rest: AsyncGenerator[bytes, None], watch: Callable[[], asyncio.TimerHandle]
) -> None:
    async def write(message: bytes) -> None:
        timer = watch()
        try:
            await call.write(message)
        finally:
            timer.cancel()

    async with aclosing(rest):
        try:
            await write(first)
            async for message in rest:
                await write(message)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # it has ended already; how, its answer says
