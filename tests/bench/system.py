"""A system of its own, as `make run` starts it, and what its processes have cost so far.

Linux only: what a process has cost is read from /proc.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from migrations import SECTIONS
from standalone.databases import embedded_url
from standalone.ports import LOCALHOST, free_port
from standalone.readiness import by_http
from standalone.settings import PROJECT, Address, StandaloneSettings

READY_S = 120.0
STOPPED_S = 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# In /proc/PID/stat, counted behind the name: utime, stime, and the same of children that have ended.
CPU_FIELDS = slice(11, 15)
# Calls are counted, and none is refused.
UNLIMITED = {f"GATEWAY_{name}_PER_MINUTE": "1000000000" for name in ("READS", "WRITES", "ANONYMOUS")}
OURS = ("GATEWAY_", "IDENTITY_", "OTEL_", "TANDEM_", "WORK_")
MODULES = {"gateway": "gateway", "work": "work_service", "identity": "identity_service"}


class SystemFailed(Exception):
    """There is nothing to measure; the text says why."""


@dataclass(frozen=True)
class System:
    """A running system: where its doors are, and which process is which."""

    gateway: str
    identity: str
    work: str
    processes: Mapping[str, int]
    databases: Mapping[str, str]
    """The URLs of what the services keep."""

    def cpu_s(self) -> dict[str, float]:
        """The CPU seconds that each process has used since it was started; PostgreSQL is many, counted as one."""
        return {
            name: sum(map(cpu_s_of, _with_children(pid))) if name == "postgres" else cpu_s_of(pid)
            for name, pid in self.processes.items()
        }


def environment() -> dict[str, str]:
    """What a process that is measured inherits: nothing that is ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}  # noqa: TID251 - handed on


@contextmanager
def running() -> Iterator[System]:
    """`python -m standalone` on free ports and in a folder that is gone afterwards; stopped when the block is left.

    Raises:
        SystemFailed: It did not start; what it said follows.
    """
    listen = {name: Address(f"{name.upper()}_LISTEN", LOCALHOST, free_port()) for name in MODULES}
    postgres = free_port()
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as home:
        log = Path(home, "log")
        settings = {
            "TANDEM_HOME": home,
            "TANDEM_ENV_FILE": os.devnull,
            "TANDEM_POSTGRES_PORT": str(postgres),
            **{address.setting: str(address) for address in listen.values()},
            **UNLIMITED,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "standalone"],
                cwd=PROJECT,
                env=environment() | settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we stop it in order
            )
        try:
            _wait_until_ready(process, listen["gateway"], log)
            yield System(
                **{name: str(address) for name, address in listen.items()},
                processes=_named(process.pid),
                databases={
                    section: embedded_url(
                        StandaloneSettings(tandem_home=Path(home), tandem_postgres_port=postgres), section
                    )
                    for section in SECTIONS
                },
            )
        finally:
            process.terminate()
            process.wait(STOPPED_S)


def _wait_until_ready(process: "subprocess.Popen[bytes]", gateway: Address, log: Path) -> None:
    is_ready, until = by_http(gateway), time.monotonic() + READY_S
    while not is_ready():
        if process.poll() is not None or time.monotonic() > until:
            raise SystemFailed(f"the system did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


def _named(root: int) -> dict[str, int]:
    """The processes that are measured, out of all that `root` has started."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0") for pid in _with_children(root)}
    found = {
        name: pid
        for name, module in MODULES.items()
        for pid, command in commands.items()
        if command[1:3] == ["-m", module]
    }
    # The server comes before its own children: it was started first.
    found["postgres"] = next((pid for pid, command in commands.items() if Path(command[0]).name == "postgres"), 0)
    if missing := {*MODULES, "postgres"} - {name for name, pid in found.items() if pid}:
        raise SystemFailed(f"cannot find the process of {', '.join(sorted(missing))}")
    return found | {"standalone": root}


def _with_children(root: int) -> Iterator[int]:
    """A process, and all that came from it, parents first."""
    yield root
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        for task in Path(f"/proc/{root}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _with_children(int(child))


def cpu_s_of(pid: int) -> float:
    """Its own, and that of its children that have ended."""
    try:
        behind_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # now its parent's
    return sum(map(int, behind_the_name[CPU_FIELDS])) / TICKS_PER_S
