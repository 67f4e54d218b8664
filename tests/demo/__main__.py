"""`make demo` and `make demo-large`: data for the system that `make run` has started."""

import argparse
import sys
from collections.abc import Sequence
from uuid import UUID

import httpx

from chassis.config import read
from standalone.databases import embedded_url
from standalone.settings import StandaloneSettings, user_environment
from standalone.supervisor import CannotStart
from tests.demo import large, small


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is all there."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--large", action="store_true", help="a million tasks in 10,000 projects, in some minutes")
    options = parser.parse_args(arguments)
    user_environment()
    settings = read(StandaloneSettings)
    try:
        with httpx.Client(base_url=f"http://{settings.gateway_listen}", timeout=60) as client:
            made = small.fill(client)
            _say(f"{made} tasks made in {', '.join(small.PROJECTS)}" if made else "all of it is there already")
            if options.large:
                ada = UUID(small.signed_in(client, "ada").id)
                url = settings.work_database_url
                large.fill(
                    embedded_url(settings, "work") if url is None else url.get_secret_value(),
                    ada,
                    large.MILLION,
                    prefix="demo",
                    progress=_progress,
                )
    except (CannotStart, small.DemoRefused, httpx.TransportError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    _say(f"sign in as {', '.join(f'{name}@example.com' for name in small.PEOPLE)}, password: {small.PASSWORD}")
    return 0


def _progress(done: int) -> None:
    if done % 50_000 < large.BATCH:
        _say(f"{done:,} of {large.MILLION.tasks:,} tasks")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
