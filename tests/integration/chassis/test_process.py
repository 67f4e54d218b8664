"""A process that is told to stop before it has started."""

import signal
import subprocess
import sys

import pytest

STARTING = """
import asyncio
from contextlib import asynccontextmanager
from chassis.process import run

@asynccontextmanager
async def running():
    try:
        print("starting", flush=True)
        await asyncio.Event().wait()
        yield
    finally:
        print("cleaned up", flush=True)

run(running)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_whatever_it_waits_for(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "starting\n"
            started.send_signal(number)
            out, err = started.communicate(timeout=60)
        finally:
            started.kill()
    assert (started.returncode, out, err) == (0, "cleaned up\n", "")
