import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from standalone.guarded import Guarded, Patience, how_it_ended
from standalone.keeping import is_alive

PATIENT: Patience = ((signal.SIGTERM, 20.0),)
LIFETIME = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

STARTER = """
import signal, sys, time
from standalone.guarded import Guarded
argv = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
program = Guarded.started(argv, stop=[(signal.SIGTERM, 20)], output=2)  # stopped when nobody holds it any more
print(program.pid, flush=True)
time.sleep(60)
"""


def python(script: str, stop: Patience = PATIENT) -> Guarded:
    return Guarded.started([sys.executable, "-S", "-c", script], stop=stop, output=subprocess.PIPE)


def said(program: Guarded) -> bytes:
    assert program.output is not None
    with program.output as lines:
        return lines.read()


def gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_its_output_and_its_exit_code_are_the_programs() -> None:
    program = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert sorted(said(program).split()) == [b"err", b"out"]
    assert program.wait() == 3
    assert program.code == 3


def test_it_stops_when_asked() -> None:
    program = python(LIFETIME)
    assert program.code is None
    assert program.stop() == 128 + signal.SIGTERM
    assert said(program) == b""
    assert gone(program.pid)
    program.ask()  # once more changes nothing


def test_what_does_not_listen_is_killed_after_the_patience() -> None:
    program = python(DEAF, stop=((signal.SIGTERM, 0.1),))
    assert program.output is not None
    program.output.readline()
    assert program.stop() == 128 + signal.SIGKILL
    program.output.close()


def test_it_can_be_killed_at_once() -> None:
    program = python(DEAF)
    program.ask("kill")
    assert program.wait() == 128 + signal.SIGKILL
    said(program)


def test_a_program_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    program = Guarded.started([str(tmp_path / "nothing")], stop=PATIENT, output=subprocess.PIPE)
    assert b"No such file" in said(program)
    assert program.wait() == 126


def test_a_program_that_cannot_reach_its_folder_does_not_start(tmp_path: Path) -> None:
    program = Guarded.started(
        [sys.executable, "--version"], stop=PATIENT, output=subprocess.PIPE, reach=[tmp_path / "nothing"]
    )
    assert b"cannot reach" in said(program)
    assert program.wait() == 126


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_whoever_started_it(number: signal.Signals) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    with starter.stdout as lines:
        pid = int(lines.readline())
    assert is_alive(pid)
    starter.send_signal(number)
    starter.wait()
    assert gone(pid)


def test_it_does_not_outlive_its_guardian() -> None:
    program = python(LIFETIME)
    os.kill(program._guard.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert gone(program.pid)
    said(program)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (137, "was ended by SIGKILL"),
        (-15, "was ended by SIGTERM"),
        (255, "ended with exit code 255"),
    ],
)
def test_an_exit_code_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words
