"""A few processes that live and die together: started in order, stopped backwards, their lines prefixed."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from signal import SIGTERM
from typing import TextIO

from standalone.guarded import Guarded, how_it_ended

STOP = ((SIGTERM, 30.0),)  # longer than a server takes to drain
READY_S = 60.0
POLL_S = 0.1


class CannotStart(Exception):
    """Something that is needed is not there; the text is one line for a person."""


class Interrupted(Exception):
    """The user wants it all to stop."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and how to know that it is ready."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    folder: Path
    is_ready: Callable[[], bool] = lambda: True


class Died(Exception):
    """A process ended that nobody had asked to."""

    def __init__(self, name: str, code: int) -> None:
        """Say which, and how."""
        super().__init__(f"{name} {how_it_ended(code)}")


class Changed:
    """Source files were saved."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Remember which."""
        self.paths = paths


class Output:
    """One stream for everything that is said, a whole line at a time."""

    def __init__(self, stream: TextIO, width: int = 0) -> None:
        """`width` is the length of the longest name."""
        self._stream = stream
        self._width = width
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Our own words."""
        with self._lock:
            try:
                self._stream.write(f"{text}\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass  # the terminal is gone; what we have started still has to be stopped

    def relay(self, name: str, line: bytes) -> None:
        """A line of one of the processes."""
        self.say(f"{name:{self._width}} | {line.decode(errors='replace').rstrip()}")


class Child:
    """One running process: its lines are relayed, its end becomes an event."""

    def __init__(self, program: Program, guarded: Guarded, output: Output, events: "SimpleQueue[Event]") -> None:
        """Follow a process that was just started."""
        self.program = program
        self.code: int | None = None
        self._guarded = guarded
        self._output = output
        self._events = events
        self._asked = False
        self._relay = threading.Thread(target=self._relay_lines, name=f"{program.name} output", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name=f"{program.name} end", daemon=True)
        self._relay.start()
        self._waiter.start()

    def ask(self) -> None:
        """Have it stop; its end is no surprise any more."""
        self._asked = True
        self._guarded.ask()

    def hurry(self) -> None:
        """Do not wait for it any longer."""
        self._asked = True
        self._guarded.ask("kill")

    def stop(self) -> None:
        """Ask, and wait until it has ended and all it said is relayed."""
        self.ask()
        self._waiter.join(self._guarded.patience_s)

    @property
    def has_died(self) -> bool:
        """Whether it ended without having been asked to."""
        return self.code is not None and not self._asked

    def _relay_lines(self) -> None:
        assert self._guarded.output is not None
        with self._guarded.output as lines:
            for line in lines:
                self._output.relay(self.program.name, line)

    def _wait(self) -> None:
        code = self._guarded.wait()
        self._relay.join(1)  # unless a grandchild holds the pipe
        self.code = code
        self._events.put(self)


Event = Child | Changed | Interrupted


class Supervisor:
    """Runs programs until the first of them ends or the user has had enough."""

    def __init__(self, output: Output, *, hold: Sequence[int] = (), ready_s: float = READY_S) -> None:
        """`hold` are locks that must last until the last process has ended."""
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._output = output
        self._hold = hold
        self._ready_s = ready_s
        self._children: list[Child] = []
        self._interrupted = False
        self._missed: list[Path] = []

    def interrupt(self, *_: object) -> None:
        """A signal handler. The first one stops everything in order, a second one does not wait for requests."""
        if self._interrupted:
            for child in list(self._children):
                child.hurry()
        self._interrupted = True
        self.events.put(Interrupted())

    def run(self, program: Program) -> None:
        """Run something that ends by itself.

        Raises:
            Died: It failed.
            Interrupted: The user did not want to wait.
        """
        child = self._start(program)
        while child.code is None:
            try:
                self._wait(None)
            except Died:
                if child.code is None:
                    raise
        self._children.remove(child)
        if child.code != 0:
            raise Died(program.name, child.code)

    def start(self, programs: Sequence[Program]) -> None:
        """Start them all and wait until all are ready.

        Raises:
            Died: One ended instead.
            CannotStart: One takes too long.
            Interrupted: The user did not want to wait.
        """
        for program in programs:
            self._start(program)
        until = time.monotonic() + self._ready_s
        waiting = list(programs)
        while waiting:
            if time.monotonic() > until:
                names = " and ".join(program.name for program in waiting)
                raise CannotStart(f"{names} not ready after {self._ready_s:.0f} seconds")
            if waiting[0].is_ready():
                waiting.pop(0)
            else:
                self._wait(POLL_S)

    def stop(self) -> None:
        """Stop what runs, the last one first: whoever calls is gone before who is called."""
        while self._children:
            self._children[-1].stop()
            self._children.pop()

    def happening(self, within_s: float | None) -> Changed | None:
        """Wait for something to happen, not for ever when `within_s` is given.

        Raises:
            Died: A process ended.
            Interrupted: The user wants it all to stop.
        """
        if self._missed:
            paths, self._missed = self._missed, []
            return Changed(paths)
        return self._next(within_s)

    def _wait(self, within_s: float | None) -> None:
        """The same while something begins; what is changed meanwhile happens when it has begun."""
        changed = self._next(within_s)
        if changed is not None:
            self._missed += changed.paths

    def _next(self, within_s: float | None) -> Changed | None:
        try:
            event = self.events.get(timeout=within_s)
        except Empty:
            return None
        if isinstance(event, Interrupted):
            raise event
        if isinstance(event, Child):
            if event.has_died and event.code is not None:
                raise Died(event.program.name, event.code)
            return None
        return event

    def _start(self, program: Program) -> Child:
        guarded = Guarded.started(
            program.argv,
            stop=STOP,
            output=subprocess.PIPE,
            env=program.env,
            folder=program.folder,
            hold=self._hold,
        )
        child = Child(program, guarded, self._output, self.events)
        self._children.append(child)
        return child
