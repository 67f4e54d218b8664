"""HEALTHCHECK of the image: asks the process of this container whether it is ready.

Which of the three it is, process 1 knows; where it listens, the same settings say.
"""

import http.client
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from chassis.config import Settings, read

# ruff: noqa: INP001  a script, in no package

TIMEOUT_S = 3


class Listening(Settings):
    """Where the three listen."""

    identity_listen: str = "127.0.0.1:50051"
    work_listen: str = "127.0.0.1:50052"
    gateway_listen: str = "127.0.0.1:8080"


def main() -> int:
    """0 when it is ready; the migrations and other commands always are."""
    settings = read(Listening)
    words = Path("/proc/1/cmdline").read_text().split("\0")
    if "identity_service" in words:
        return answers_grpc(settings.identity_listen)
    if "work_service" in words:
        return answers_grpc(settings.work_listen)
    if "gateway" in words:
        return answers_http(settings.gateway_listen)
    return 0


def answers_grpc(listen: str) -> int:
    """0 when `grpc.health.v1` says SERVING of `readiness`."""
    with grpc.insecure_channel(f"127.0.0.1:{port(listen)}", options=(("grpc.enable_http_proxy", 0),)) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service="readiness"), timeout=TIMEOUT_S)
        except grpc.RpcError:
            return 1
        return int(answer.status != health_pb2.HealthCheckResponse.SERVING)


def answers_http(listen: str) -> int:
    """0 when GET /readyz is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port(listen), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return int(connection.getresponse().status != http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


def port(listen: str) -> int:
    """Of HOST:PORT."""
    return int(listen.rpartition(":")[2])


if __name__ == "__main__":
    sys.exit(main())
