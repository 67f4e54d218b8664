"""`python -m gateway`: serve a contract until SIGTERM or Ctrl-C.

Exit code 0 after a signal, 2 with one line on stderr when the gateway cannot be configured.
"""

import argparse
import sys
from typing import Any, NoReturn

from chassis import config as settings
from chassis import logs
from chassis.config import ConfigError
from chassis.process import run
from gateway import app
from gateway.config import GatewayConfig


class _Arguments(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _given(arguments: list[str]) -> dict[str, Any]:
    """The settings on the command line; they win over the environment."""
    parser = _Arguments(prog="python -m gateway", description="A JSON door in front of gRPC servers.")
    parser.add_argument("--descriptors", metavar="FILE", help="a FileDescriptorSet (GATEWAY_DESCRIPTORS)")
    parser.add_argument(
        "--upstream",
        dest="upstreams",
        action="append",
        metavar="NAME=HOST:PORT",
        help="a service or package, and who answers for it; repeatable (GATEWAY_UPSTREAMS, separated by commas)",
    )
    parser.add_argument(
        "--reflect",
        action="append",
        metavar="HOST:PORT",
        help="a server that says itself what it serves, instead of the two above; repeatable (GATEWAY_REFLECT)",
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="127.0.0.1:8080 if not given (GATEWAY_LISTEN)")
    given = vars(parser.parse_args(arguments))
    for name in ("upstreams", "reflect"):
        if given[name]:
            given[name] = ",".join(given[name])
    return {name: value for name, value in given.items() if value is not None}


if __name__ == "__main__":
    logs.configure(app.SERVICE_NAME)
    run(lambda: app.running(settings.read(GatewayConfig, **_given(sys.argv[1:]))))
