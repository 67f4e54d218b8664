"""A server's stream on its way to a client: lines of JSON, server-sent events, or raw.

One message is in hand at a time: the next is read when the client has taken the last, so that a slow client slows the
server down, and fills nobody's memory.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

import grpc.aio

from gateway.asgi.exchange import BrokenOff, Gone, Leaving
from gateway.errors import Refusal, shutting_down
from gateway.transcode.raw import UNKNOWN
from gateway.transcode.response import Answer, Response


class _End(Enum):
    END = "end"


END: Final = _End.END
Step = Answer | None | Literal[_End.END]
"""A message, a silence, or the end."""

_EARLY_S = 1.0
"""How long the status line waits for the first message, so that what is refused at once has a status of its own."""


@dataclass(frozen=True, slots=True)
class Form:
    """How messages follow each other."""

    content_type: bytes
    message: Callable[[Answer], bytes]
    refusal: Callable[[bytes], bytes] | None
    """The last frame of a stream that fails, around the JSON of its error. Without one the connection is broken off."""
    heartbeat: bytes = b""
    end: bytes = b""
    """The last frame of a stream that ends well, for clients that would connect again otherwise."""


def _line(answer: Answer) -> bytes:
    return answer.body + b"\n"


def _event(answer: Answer) -> bytes:
    # JSON holds no line break that is not escaped.
    event = b"data: " + answer.body + b"\n\n"
    return event if answer.event_id is None else b"id: " + answer.event_id.encode() + b"\n" + event


LINES = Form(b"application/x-ndjson", _line, lambda error: b'{"error":' + error + b"}\n")
EVENTS = Form(
    b"text/event-stream",
    _event,
    lambda error: b"event: error\ndata: " + error + b"\n\n",
    heartbeat=b":\n\n",
    end=b"event: end\ndata: {}\n\n",
)
FORMS: Mapping[str, Form] = {"application/x-ndjson": LINES, "text/event-stream": EVENTS}
"""By media type; the first is for clients that take anything."""


def raw(content_type: bytes) -> Form:
    """Nothing but the data of each message: there is no room for an error."""
    return Form(content_type, lambda answer: answer.body, None)


class Relay:
    """One stream between a call and a client."""

    def __init__(
        self,
        call: Any,
        response: Response,
        refusal: Callable[[grpc.aio.AioRpcError], Refusal],
        leaving: Leaving,
        pause_s: float,
    ) -> None:
        """`refusal` tells what a failed RPC amounts to, and `pause_s` is how long the server may be silent."""
        self.status = "CANCELLED"
        """How the call has ended: the name of a gRPC code."""
        self._call = call
        self._response = response
        self._refusal = refusal
        self._leaving = leaving
        self._messages = _messages(call, pause_s)
        self._ending = False

    def end(self) -> None:
        """The gateway is about to go: tell the client, who may connect to another."""
        self._ending = True
        self._call.cancel()

    def close(self) -> None:
        """Nobody wants the rest."""
        self._leaving.stop()
        self._call.cancel()  # of no effect once it has ended

    async def begun(self, form: Form | None) -> tuple[Form, Step]:
        """The first message, if it comes early; `form` is None where the message itself says what it is.

        Raises:
            Refusal: The server refused at once.
            Gone: The client has left.
        """
        step = await self._next()
        if form is not None:
            return form, step
        while step is None:
            step = await self._next()
        return raw(step.content_type if isinstance(step, Answer) else UNKNOWN.encode()), step

    async def frames(self, form: Form, step: Step, written: Callable[[Refusal], bytes]) -> AsyncGenerator[bytes, None]:
        """Everything from the first message on; `written` makes the JSON of an error.

        Raises:
            BrokenOff: The stream failed, and its form has no words for that.
            Gone: The client has left.
        """
        try:
            while step is not END:
                if isinstance(step, Answer):
                    yield form.message(step)
                elif form.heartbeat:
                    yield form.heartbeat
                step = await self._next()
        except Refusal as refusal:
            if form.refusal is None:
                raise BrokenOff from None
            yield form.refusal(written(refusal))
        else:
            if form.end:
                yield form.end

    async def _next(self) -> Step:
        try:
            data = await anext(self._messages, END)
        except grpc.aio.AioRpcError as error:
            refusal = self._refusal(error)
            self.status = refusal.status
            raise refusal from None
        except asyncio.CancelledError:
            if self._leaving.gone:
                raise Gone from None
            if self._ending:
                raise shutting_down() from None
            raise
        if isinstance(data, bytes):
            return self._response.decode(data)
        if data is END:
            self.status = "OK"
        return data


async def _messages(call: Any, pause_s: float) -> AsyncIterator[bytes | None]:
    """The messages of a call, and None whenever nothing has come for a while: soon at first, then every `pause_s`."""
    reading: asyncio.Future[Any] | None = None
    patience = min(_EARLY_S, pause_s)
    while True:
        if reading is None:
            reading = asyncio.ensure_future(call.read())
            reading.add_done_callback(_seen)
        await asyncio.wait({reading}, timeout=patience)
        patience = pause_s
        if not reading.done():
            yield None
            continue
        message = reading.result()
        reading = None
        if message is grpc.aio.EOF:
            return
        yield message


def _seen(reading: "asyncio.Future[Any]") -> None:
    """Nobody may be left to hear how the last reading ended."""
    if not reading.cancelled():
        reading.exception()
