"""A contract learned from a running server, by `grpc.reflection`."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection_pb2 as wire

from gateway.descriptors import ContractUnusable

_PATIENCE_S: Final = 10.0
"""Whoever starts both at once lets the gateway wait a little for the server."""
_LARGEST: Final = 64 * 1024 * 1024
# One protocol under two names: the old one is all that Python's servers know.
_METHODS: Final = (
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)
_NOT_SERVED: Final = ("grpc.reflection.", "grpc.health.", "grpc.channelz.")


@dataclass(frozen=True, slots=True)
class Learned:
    """What a server says of itself."""

    services: tuple[str, ...]
    files: tuple[FileDescriptorProto, ...]


async def learned(address: str) -> Learned:
    """The services of the server at `address`, and every file they need.

    Raises:
        ContractUnusable: It cannot be reached, or does not say.
    """
    options = (("grpc.max_receive_message_length", _LARGEST), ("grpc.enable_http_proxy", 0))
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        for method in _METHODS:
            try:
                return await _asked(channel, method)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise ContractUnusable(f"cannot learn the contract from {address}: {error.code().name}") from None
    raise ContractUnusable(f"{address} has no reflection")


def together(servers: Mapping[str, Learned]) -> bytes:
    """All files as one serialised FileDescriptorSet, each after what it imports. `servers` are by address.

    Raises:
        ContractUnusable: A service would be lost: another server has another file of the name of its file.
    """
    files = {file.name: file for server in servers.values() for file in server.files}
    there = {f"{file.package}.{service.name}".lstrip(".") for file in files.values() for service in file.service}
    for address, server in servers.items():
        for service in server.services:
            if service not in there:
                raise ContractUnusable(f"{address} has {service} in a file of which another server has another one")
    return FileDescriptorSet(file=_sorted(files)).SerializeToString()


def _sorted(files: dict[str, FileDescriptorProto]) -> Iterator[FileDescriptorProto]:
    seen: set[str] = set()

    def before(name: str) -> Iterator[FileDescriptorProto]:
        if name in files and name not in seen:
            seen.add(name)
            for imported in files[name].dependency:
                yield from before(imported)
            yield files[name]

    for name in files:
        yield from before(name)


async def _asked(channel: grpc.aio.Channel, method: str) -> Learned:
    ask = _asking(channel, method)
    answer = await ask(wire.ServerReflectionRequest(list_services=""))
    names = (service.name for service in answer.list_services_response.service)
    services = tuple(sorted(name for name in names if not name.startswith(_NOT_SERVED)))
    files: dict[str, FileDescriptorProto] = {}
    for service in services:
        _add(files, await ask(wire.ServerReflectionRequest(file_containing_symbol=service)), service)
    while missing := _missing(files):
        _add(files, await ask(wire.ServerReflectionRequest(file_by_filename=missing)), missing)
    return Learned(services, tuple(files.values()))


def _asking(channel: grpc.aio.Channel, method: str) -> Callable[[Any], Awaitable[Any]]:
    """Asks one question in a stream of its own.

    A stream that the server ends at once, because it does not know the method, fails in a way of its own when somebody
    writes to it: so the question goes out with the call.
    """
    begin = channel.unary_stream(
        method,
        request_serializer=wire.ServerReflectionRequest.SerializeToString,
        response_deserializer=wire.ServerReflectionResponse.FromString,
    )

    async def ask(request: wire.ServerReflectionRequest) -> wire.ServerReflectionResponse:
        call = begin(request, timeout=_PATIENCE_S, wait_for_ready=True)
        try:
            answer = await call.read()
        finally:
            call.cancel()
        if not isinstance(answer, wire.ServerReflectionResponse):
            raise ContractUnusable("the server ends its reflection without an answer")
        return answer

    return ask


def _add(files: dict[str, FileDescriptorProto], answer: wire.ServerReflectionResponse, wanted: str) -> None:
    found = answer.file_descriptor_response.file_descriptor_proto
    if not found:
        raise ContractUnusable(f"the server does not say what {wanted} is")
    for data in found:
        file = FileDescriptorProto.FromString(data)
        files[file.name] = file


def _missing(files: dict[str, FileDescriptorProto]) -> str | None:
    """A file that is imported and not there yet."""
    return next((name for file in files.values() for name in file.dependency if name not in files), None)
