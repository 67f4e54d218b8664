import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from standalone.keeping import is_alive
from standalone.supervisor import CannotStart, Changed, Child, Died, Interrupted, Output, Program, Supervisor

WAIT = """
import signal, sys, time
def stop(*_):
    print("stopping", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(said: io.StringIO) -> Iterator[Supervisor]:
    supervisor = Supervisor(Output(said, width=5))
    yield supervisor
    supervisor.stop()


@pytest.fixture
def program(tmp_path: Path, said: io.StringIO) -> Callable[..., Program]:
    def program(name: str, script: str = WAIT, *, ready: str = "up") -> Program:
        argv = [sys.executable, "-S", "-c", script]
        return Program(name, argv, {"LC_ALL": "C.UTF-8"}, tmp_path, lambda: f"{name:5} | {ready}" in said.getvalue())

    return program


def lines(said: io.StringIO) -> list[str]:
    return said.getvalue().splitlines()


def child(supervisor: Supervisor, name: str) -> Child:
    return next(child for child in supervisor._children if child.program.name == name)


def test_programs_are_ready_together_and_stopped_backwards(
    supervisor: Supervisor, program: Callable[..., Program], said: io.StringIO
) -> None:
    supervisor.start([program("one"), program("two")])
    assert sorted(lines(said)) == ["one   | up", "two   | up"]
    supervisor.stop()
    assert lines(said)[2:] == ["two   | stopping", "one   | stopping"]


def test_lines_that_are_no_text_are_relayed_too(
    supervisor: Supervisor, program: Callable[..., Program], said: io.StringIO
) -> None:
    supervisor.run(program("bytes", r"import os; os.write(1, b'\xff grave \xc3\xa8\r\nno newline')"))
    assert lines(said) == ["bytes | \ufffd grave è", "bytes | no newline"]


def test_a_program_that_dies_instead_of_getting_ready_is_named(
    supervisor: Supervisor, program: Callable[..., Program]
) -> None:
    with pytest.raises(Died, match="two ended with exit code 3"):
        supervisor.start([program("one"), program("two", "raise SystemExit(3)")])


def test_a_program_that_dies_later_is_named(supervisor: Supervisor, program: Callable[..., Program]) -> None:
    supervisor.start([program("one"), program("two")])
    os.kill(child(supervisor, "two")._guarded.pid, signal.SIGKILL)
    with pytest.raises(Died, match="two was ended by SIGKILL"):
        supervisor.happening(10)


def test_a_program_that_never_gets_ready_is_named(program: Callable[..., Program], said: io.StringIO) -> None:
    supervisor = Supervisor(Output(said), ready_s=0.2)
    with pytest.raises(CannotStart, match="one and two not ready after 0 seconds"):
        supervisor.start([program("one", ready="never"), program("two")])
    supervisor.stop()


def test_ctrl_c_while_starting_is_not_waited_for(supervisor: Supervisor, program: Callable[..., Program]) -> None:
    supervisor.interrupt(signal.SIGINT, None)
    with pytest.raises(Interrupted):
        supervisor.start([program("one", ready="never")])


def test_a_second_ctrl_c_does_not_wait_for_requests(
    supervisor: Supervisor, program: Callable[..., Program], said: io.StringIO
) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    supervisor.start([program("deaf", deaf)])
    pid = child(supervisor, "deaf")._guarded.pid
    supervisor.interrupt()
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()
    assert is_alive(pid)
    supervisor.interrupt()
    stopping.join(10)
    assert not is_alive(pid)


def test_something_that_ends_by_itself_is_run_to_its_end(
    supervisor: Supervisor, program: Callable[..., Program], said: io.StringIO
) -> None:
    supervisor.run(program("once", "print('done')"))
    assert lines(said) == ["once  | done"]
    assert supervisor._children == []
    with pytest.raises(Died, match="once ended with exit code 1"):
        supervisor.run(program("once", "raise SystemExit(1)"))


def test_ctrl_c_ends_that_too(supervisor: Supervisor, program: Callable[..., Program]) -> None:
    threading.Timer(0.1, supervisor.interrupt).start()
    with pytest.raises(Interrupted):
        supervisor.run(program("long"))


def test_a_saved_file_is_something_that_happens(supervisor: Supervisor) -> None:
    changed = Changed([Path("a.py")])
    supervisor.events.put(changed)
    assert supervisor.happening(1) is changed
    assert supervisor.happening(0.01) is None


def test_what_is_saved_while_something_begins_happens_when_it_has_begun(
    supervisor: Supervisor, program: Callable[..., Program]
) -> None:
    supervisor.events.put(Changed([Path("a.py")]))
    supervisor.run(program("once", "print('done')"))
    supervisor.events.put(Changed([Path("b.py")]))
    supervisor.start([program("one")])
    seen: list[Path] = []
    while (event := supervisor.happening(0.01)) is not None:
        seen += event.paths
    assert seen == [Path("a.py"), Path("b.py")]


def test_a_terminal_that_is_gone_does_not_keep_us_from_stopping(program: Callable[..., Program]) -> None:
    closed = io.StringIO()
    closed.close()
    supervisor = Supervisor(Output(closed))
    one = program("one")
    supervisor.start([Program(one.name, one.argv, one.env, one.folder)])
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 20
