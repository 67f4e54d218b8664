"""`make bench`, and with options `python -m tests.bench`.

Ends with 1 when a single request failed or was answered wrongly: a fast error is no result.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from tests.bench.cases import TASKS, prepared
from tests.bench.clients import Clients, Measured
from tests.bench.system import SystemFailed, running

COLUMNS = ("gateway", "work", "identity", "postgres", "standalone", "client")
LONGEST_S = 60.0  # all cases together stay below the ten minutes of an access token
MOST_LANES = TASKS // 2  # each door moves tasks of its own
SMOKE = {"requests": 40, "concurrency": 4, "seconds": 5.0, "clients": 1}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every answer was right."""
    options = _options(arguments)
    try:
        with running() as system, Clients.started(options.clients) as clients:
            cases = asyncio.run(prepared(system, lanes=options.concurrency))
            _heading(options)
            errors = 0
            for case in cases:
                if options.only in case.name:
                    done = clients.measured(system, case, requests=options.requests, seconds=options.seconds)
                    _say(_line(case.name, done))
                    for complaint in done.complaints:
                        _say(f"  {complaint}")
                    errors += done.errors
    except SystemFailed as failure:
        sys.stderr.write(f"bench: {failure}\n")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 1 if errors else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=3000, help="per case, not counting the warm-up (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="the longest that a case may take (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=16, help="requests under way at a time (%(default)s)")
    parser.add_argument("--clients", type=int, default=1, help="client processes that share them (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help='cases with this in their name, as in "rest Get"')
    parser.add_argument("--smoke", action="store_true", help="a few requests, to see that it works")
    options = parser.parse_args(arguments)
    if options.smoke:
        vars(options).update(SMOKE)
    if not 0 < options.seconds <= LONGEST_S:
        parser.error(f"--seconds must be above 0, and not above {LONGEST_S:g}")
    if not 1 <= options.clients <= options.concurrency <= MOST_LANES:
        parser.error(f"1 <= --clients <= --concurrency <= {MOST_LANES} must hold")
    if options.requests < options.clients:
        parser.error("--requests must be enough for every client")
    return options


def _heading(options: argparse.Namespace) -> None:
    _say(
        f"{os.cpu_count()} CPUs; {options.concurrency} requests at a time from {options.clients} client process"
        f"{'es' if options.clients > 1 else ''}\n\n{'':20}{'':>9}{'':>8}{'':>8}   CPU microseconds per request\n"
        f"{'case':20}{'requests':>9}{'per s':>8}{'errors':>8}   " + "".join(f"{name:>12}" for name in COLUMNS)
    )


def _line(name: str, done: Measured) -> str:
    per_s = done.requests / done.elapsed_s
    cpu = "".join(f"{done.cpu_us[column]:12.0f}" for column in COLUMNS)
    return f"{name:20}{done.requests:9}{per_s:8.0f}{done.errors:8}   {cpu}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
