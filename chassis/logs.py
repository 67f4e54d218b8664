"""Logs: one JSON object per line on stderr, with the trace and the request that it belongs to.

Whatever logs through the standard library (uvicorn, grpc, alembic, asyncio) comes out the same way. Tokens, passwords
and metadata are never handed to a log call; this module does not try to find and hide them afterwards.
"""

import asyncio
import atexit
import json
import logging
import sys
from collections import deque
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

import structlog
from opentelemetry import trace
from pydantic_core import to_json

_MOMENT_S: Final = 0.05


class Lines:
    """Writes lines of several loggers in the order in which they come.

    What only informs waits for a moment, so that many lines are one system call; a warning, or worse, is written at
    once, behind everything that waits. Who is killed takes the lines of that moment along.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._watching: asyncio.AbstractEventLoop | None = None
        """The loop that writes what waits when the moment is over."""

    def info(self, line: str) -> None:
        """Write a line soon; at once where no event loop runs."""
        self._waiting.append(f"{line}\n")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._watching is not loop:
            self._watching = loop
            loop.call_later(_MOMENT_S, self._moment_is_over)

    debug = info

    def warning(self, line: str) -> None:
        """Write a line at once."""
        self._waiting.append(f"{line}\n")
        self.flush()

    error = critical = warning

    def write(self, text: str) -> None:
        """Take what the standard library has put in lines; it flushes behind each."""
        self._waiting.append(text)

    def flush(self) -> None:
        """Write what waits. That nobody reads it, or a disk is full, is no reason to stop what it tells of."""
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        if taken and not self._stream.closed:
            with suppress(OSError, ValueError):
                self._stream.write("".join(taken))
                self._stream.flush()

    def _moment_is_over(self) -> None:
        self._watching = None
        self.flush()


def configure(service: str, *, level: int = logging.INFO) -> None:
    """Send everything that this process logs to stderr as JSON lines under the name of `service`."""

    def named(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    lines = Lines(sys.stderr)
    atexit.register(lines.flush)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        _traced,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    foreign = logging.StreamHandler(lines)
    foreign.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _rendered,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [foreign]
    root.setLevel(max(level, logging.WARNING))  # libraries speak when something is wrong


def _rendered(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    try:
        return to_json(event, fallback=repr).decode()
    except ValueError:  # half a character, as names of files may have
        return json.dumps(event, default=repr)


def _traced(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the span that is current."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
