import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chassis.logs import Lines


class Stream(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def lines(stream: Stream) -> Iterator[Lines]:
    lines = Lines(stream)
    yield lines
    lines.flush()


async def test_what_informs_is_written_together_after_a_moment(stream: Stream, lines: Lines) -> None:
    for word in ("one", "two"):
        lines.info(word)
    lines.debug("three")
    assert stream.getvalue() == ""
    while not stream.getvalue():
        await asyncio.sleep(0.01)
    assert (stream.getvalue(), stream.writes) == ("one\ntwo\nthree\n", 1)
    lines.info("four")
    while stream.writes == 1:
        await asyncio.sleep(0.01)
    assert stream.getvalue() == "one\ntwo\nthree\nfour\n"


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
async def test_what_is_worse_is_written_at_once_behind_what_waits(stream: Stream, lines: Lines, level: str) -> None:
    lines.info("one")
    getattr(lines, level)("two")
    assert stream.getvalue() == "one\ntwo\n"


def test_without_an_event_loop_nothing_waits(stream: Stream, lines: Lines) -> None:
    lines.info("one")
    assert stream.getvalue() == "one\n"


def test_a_loop_that_has_ended_keeps_nothing(stream: Stream, lines: Lines) -> None:
    async def say(word: str) -> None:
        lines.info(word)

    asyncio.run(say("one"))
    assert stream.getvalue() == ""
    asyncio.run(say("two"))
    lines.info("three")
    assert stream.getvalue() == "one\ntwo\nthree\n"


SAYS = """
import asyncio, logging, structlog
from chassis import logs

logs.configure("shoes")
log = structlog.get_logger()

async def main():
    log.info("one", size=42)
    log.info("two", name="half \\udc80", sole=object)
    logging.getLogger("library").warning("three")
    try:
        raise ValueError("sole")
    except ValueError:
        log.exception("four")
    log.info("five")

asyncio.run(main())
"""


def test_every_line_is_an_object_and_none_is_lost_at_the_end() -> None:
    said = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, check=True, text=True).stderr
    told = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in told] == ["one", "two", "three", "four", "five"]
    assert {line["service"] for line in told} == {"shoes"}
    assert told[0]["size"] == 42
    assert told[1]["sole"] == "<class 'object'>"
    assert told[2]["logger"] == "library"
    assert "ValueError: sole" in told[3]["exception"]
    assert [line["level"] for line in told] == ["info", "info", "warning", "error", "info"]


@pytest.mark.parametrize("fault", [BrokenPipeError, OSError, ValueError])
def test_a_log_that_cannot_be_written_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, stream: Stream, lines: Lines, fault: type[Exception]
) -> None:
    def broken(_: str) -> int:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(stream, "write", broken)
        lines.warning("lost")
        lines.info("lost as well")
        lines.flush()
    lines.warning("back")
    assert stream.getvalue() == "back\n"
