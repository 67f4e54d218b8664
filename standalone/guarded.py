"""Programs that end with us: each runs below a guardian of its own."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, Self

from standalone import guardian

Identity = Literal["self", "namespace", "nobody"]
Patience = Sequence[tuple[signal.Signals, float]]


class Guarded:
    """One running program. It ends when asked to, and at the latest with this process."""

    def __init__(self, guard: "subprocess.Popen[bytes]", control: socket.socket, patience: Patience) -> None:
        """Take over a guardian that was just started; `started` does both."""
        self._guard = guard
        self._control = control
        self._limit = sum(seconds for _, seconds in patience) + 10  # for SIGKILL, the guardian's own last step
        with control.makefile("rb") as lines:
            self.pid = int(lines.readline() or 0)

    @classmethod
    def started(
        cls,
        argv: Sequence[str],
        *,
        stop: Patience,
        output: int | IO[bytes],
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        identity: Identity = "self",
        reach: Sequence[Path] = (),
        hold: Sequence[int] = (),
    ) -> Self:
        """Start `argv` with its output and errors going to `output`.

        `stop` is what asking it to stop means. `identity` is who it runs as; it must be able to enter the folders of
        `reach` as such. `hold` are file descriptors whose locks last until it has ended.
        """
        job = {
            "argv": list(argv),
            "stop": [(number.name, seconds) for number, seconds in stop],
            "as": identity,
            "reach": [str(path) for path in reach],
            "hold": list(hold),
        }
        ours, theirs = socket.socketpair()
        with theirs:
            guard = subprocess.Popen(  # noqa: S603  our own file, under our own interpreter
                [sys.executable, "-I", "-S", guardian.__file__, json.dumps(job)],
                stdin=theirs.fileno(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=folder,
                pass_fds=hold,
                start_new_session=True,
            )
        return cls(guard, ours, stop)

    @property
    def output(self) -> IO[bytes] | None:
        """What it prints, when it was started with a pipe."""
        return self._guard.stdout

    @property
    def code(self) -> int | None:
        """Its exit code, or 128 and the signal that ended it; None while it runs."""
        return self._guard.poll()

    def ask(self, order: Literal["stop", "kill"] = "stop") -> None:
        """Have it stopped, and do not wait. Asking twice changes nothing."""
        try:
            self._control.sendall(order.encode())
        except OSError:
            return  # it has ended already

    def wait(self, limit: float | None = None) -> int:
        """Wait for its end; its exit code."""
        code = self._guard.wait(limit)
        self._control.close()
        return code

    def stop(self) -> int:
        """Ask, and wait no longer than its guardian does."""
        self.ask()
        return self.wait(self._limit)

    @property
    def patience_s(self) -> float:
        """How long stopping can take."""
        return self._limit


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals):
        return f"was ended by {signal.Signals(number).name}"
    return f"ended with exit code {code}"
