"""One process: run until it is told to stop, and ended with the right exit code."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from chassis.config import ConfigError


def run(running: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
    """Run a process until SIGTERM or Ctrl-C, and end it with the right exit code.

    0 after a signal, 2 with one line on stderr when the process cannot be configured.
    """
    try:
        asyncio.run(_until_stopped(running))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line that the person who started it reads
        sys.exit(2)


async def _until_stopped(running: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    stopped, started = asyncio.Event(), False

    def stop() -> None:
        stopped.set()
        if not started:  # whatever it waits for, a database perhaps
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        async with running():
            started = True
            await stopped.wait()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)  # a second signal ends the process at once
    except asyncio.CancelledError:
        if started or not stopped.is_set():
            raise
