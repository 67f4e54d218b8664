"""Runs one program and never lets it outlive whoever started this.

A process of its own that imports nothing but the standard library: `python -I -S guardian.py JOB`, where JOB is what
`Guarded` writes. Its standard input is a socket that both ends use:

    guardian -> starter    one line: the program's process id
    starter -> guardian    "stop": the signals of `stop`, each with its patience in seconds, then SIGKILL
                           "kill": SIGKILL at once
                           end of file, because the starter is gone: the same as "stop"

The signals come from the program's parent, so they cannot hit a stranger that was given the same process id later.
The program gets a session of its own: no Ctrl-C of the terminal reaches it.
"""

import contextlib
import ctypes
import itertools
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
UNREACHABLE = 126  # what a shell says of a program that it found and may not run
LINUX = sys.platform.startswith("linux")


def main() -> int:
    """The program's exit code, or 128 and its signal."""
    job = json.loads(sys.argv[1])
    patience = [(signal.Signals[name], float(seconds)) for name, seconds in job["stop"]]
    starter = socket.socket(fileno=os.dup(0))
    for held in job["hold"]:  # locks of the starter: held for as long as the program lives, and not by the program
        os.set_inheritable(held, False)  # noqa: FBT003  positional only
    guardian = os.getpid()  # asked for before the fork: the child may come to ask only when we are gone
    pid = os.fork()
    if pid == 0:
        run(job["argv"], IDENTITIES[job["as"]], reach=job["reach"], last_wish=patience[0][0], guardian=guardian)
    with contextlib.suppress(OSError):  # the starter is gone already; outlast() will see it
        starter.sendall(b"%d\n" % pid)
    return outlast(pid, starter, patience)


def run(
    argv: list[str], become: Callable[[], None], *, reach: list[str], last_wish: signal.Signals, guardian: int
) -> None:
    """Turn this forked process into the program. Does not return."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        become()
        for folder in reach:
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(f"cannot reach {folder}")
        if LINUX:
            # For the case that this guardian is killed. Last, because a change of identity clears it.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_wish.value, 0, 0, 0)
            if os.getppid() != guardian:
                os._exit(1)
        os.execv(argv[0], argv)  # noqa: S606  it replaces this process; there is no shell
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error}\n")
        sys.stderr.flush()
    os._exit(UNREACHABLE)


def outlast(pid: int, starter: socket.socket, patience: list[tuple[signal.Signals, float]]) -> int:
    """Wait for the program's end; bring it about when the starter asks for it or disappears."""
    woken = wake_on_signals()
    remaining = itertools.chain(patience, itertools.repeat((signal.SIGKILL, 1.0)))
    deadline: float | None = None
    with selectors.DefaultSelector() as events:
        events.register(woken, selectors.EVENT_READ)
        events.register(starter, selectors.EVENT_READ)
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
            if deadline is not None and time.monotonic() >= deadline:
                deadline = send_next(pid, remaining)
            ready = events.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
            for key, _ in ready:
                order = read(key.fileobj)
                if key.fileobj is starter and not order:
                    events.unregister(starter)
                if b"kill" in order:  # it may have come right behind a stop
                    kill(pid)
                elif order.strip(CHILD_CHANGED) != b"" or key.fileobj is starter:
                    deadline = deadline or send_next(pid, remaining)


CHILD_CHANGED = bytes([signal.SIGCHLD])  # says only: look again whether it ended


def wake_on_signals() -> socket.socket:
    """A socket on which every signal that we get arrives as a byte."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)  # noqa: FBT003  positional only
    signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return woken


def read(end: object) -> bytes:
    """What arrived; nothing when the other end is closed or gone."""
    assert isinstance(end, socket.socket)
    try:
        return end.recv(64)
    except ConnectionError:
        return b""


def send_next(pid: int, remaining: Iterator[tuple[signal.Signals, float]]) -> float:
    """Send the next signal of the list; until when it may take."""
    number, seconds = next(remaining)
    if number is signal.SIGKILL:
        kill(pid)
    else:
        os.kill(pid, number)
    return time.monotonic() + seconds


def kill(pid: int) -> None:
    """SIGKILL for the program and whatever it started in its session."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # not yet the leader of a group of its own
        os.kill(pid, signal.SIGKILL)


def stay() -> None:
    """Run as whoever started us."""


def enter_user_namespace() -> None:
    """Root outside, nobody inside.

    PostgreSQL refuses to run as root. In here it sees another user id, while to the file system it still is root, so
    that its data may lie below a 0700 home and nobody has to change an owner or a permission.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} 0 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} 0 1")


def drop_to_nobody() -> None:
    """For hosts that refuse user namespaces."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


IDENTITIES: dict[str, Callable[[], None]] = {
    "self": stay,
    "namespace": enter_user_namespace,
    "nobody": drop_to_nobody,
}

if __name__ == "__main__":
    sys.exit(main())
