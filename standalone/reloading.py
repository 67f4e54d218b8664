"""`make dev`: notice when a source file is saved."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

from standalone.settings import PROJECT
from standalone.supervisor import CannotStart, Changed, Event

SOURCES = ("chassis", "identity_service", "work_service", "gateway", "migrations", "protos")
SUFFIXES = (".py", ".binpb")


@contextlib.contextmanager
def watching(events: "SimpleQueue[Event]", project: Path = PROJECT) -> Iterator[None]:
    """Put what changes into `events`.

    Raises:
        CannotStart: What watches is not installed.
    """
    try:
        import watchfiles  # noqa: PLC0415  a tool of developers, not in the environment of `make run`
    except ImportError:
        raise CannotStart("--reload needs the package watchfiles: use `make dev`") from None
    ended = threading.Event()

    def watch() -> None:
        folders = [project / name for name in SOURCES]
        changes = watchfiles.watch(
            *folders,
            watch_filter=lambda _, path: path.endswith(SUFFIXES),
            stop_event=ended,
            debounce=400,
            rust_timeout=500,
            raise_interrupt=False,
        )
        for change in changes:
            events.put(Changed(sorted({Path(path) for _, path in change})))

    thread = threading.Thread(target=watch, name="source files", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
