"""How to ask a process from outside whether it is ready."""

import http.client
from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2

from standalone.settings import Address

TIMEOUT_S = 1.0
_OPTIONS = (("grpc.enable_http_proxy", 0),)


def by_grpc(address: Address) -> Callable[[], bool]:
    """A service is ready when `grpc.health.v1` says so of `readiness`."""

    def is_ready() -> bool:
        # A new channel each time: a kept one would wait longer and longer between its attempts to connect.
        with grpc.insecure_channel(str(address), options=_OPTIONS) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            try:
                answer = check(health_pb2.HealthCheckRequest(service="readiness"), timeout=TIMEOUT_S)
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return is_ready


def by_http(address: Address, path: str = "/readyz") -> Callable[[], bool]:
    """The gateway is ready when it says so itself."""

    def is_ready() -> bool:
        host, _, port = str(address).rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return is_ready
