"""Servers that do not say, or not all, what they serve."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as wire

from gateway.descriptors import ContractUnusable
from gateway.upstream import reflection
from tests.integration.gateway.conftest import Library, serving


@asynccontextmanager
async def answering(*answers: wire.ServerReflectionResponse) -> AsyncIterator[str]:
    """A server whose reflection gives these answers to the first question, and none after; its address."""
    left = list(answers)

    async def answer(questions: AsyncIterator[Any], _: Any) -> AsyncIterator[wire.ServerReflectionResponse]:
        async for _question in questions:
            if not left:
                return
            yield left.pop(0)

    handler = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=wire.ServerReflectionRequest.FromString,
        response_serializer=wire.ServerReflectionResponse.SerializeToString,
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service = "grpc.reflection.v1alpha.ServerReflection"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_a_server_without_reflection_is_told_from_one_that_fails() -> None:
    async with serving(Library()) as address:
        for _ in range(50):  # it hangs up at once, which may be before the question is written
            with pytest.raises(ContractUnusable, match=r"has no reflection$"):
                await reflection.learned(address)


async def test_a_server_that_gives_no_answer_is_refused() -> None:
    async with answering() as address:
        with pytest.raises(ContractUnusable, match="without an answer"):
            await reflection.learned(address)


async def test_a_server_that_names_a_service_and_does_not_know_it_is_refused() -> None:
    services = wire.ListServiceResponse(service=[wire.ServiceResponse(name="my.pkg.Service")])
    unknown = wire.ServerReflectionResponse(error_response=wire.ErrorResponse(error_code=5))
    async with answering(wire.ServerReflectionResponse(list_services_response=services), unknown) as address:
        with pytest.raises(ContractUnusable, match=r"does not say what my\.pkg\.Service is"):
            await reflection.learned(address)


def has(package: str, file: str = "service.proto", service: str = "Things") -> reflection.Learned:
    """A server with one service, in a file of its own."""
    described = FileDescriptorProto(name=file, package=package, service=[ServiceDescriptorProto(name=service)])
    return reflection.Learned((f"{package}.{service}",), (described,))


def test_no_service_is_lost_because_files_have_one_name() -> None:
    servers = {"one:1": has("shop.v1"), "two:2": has("bank.v1")}
    for order in (("one:1", "two:2"), ("two:2", "one:1")):
        with pytest.raises(
            ContractUnusable, match=f"{order[0]} has .* in a file of which another server has another one"
        ):
            reflection.together({address: servers[address] for address in order})
    there = {"one:1": has("shop.v1", "shop.proto"), "two:2": has("bank.v1", "bank.proto")}
    together = FileDescriptorSet.FromString(reflection.together(there))
    assert sorted(file.name for file in together.file) == ["bank.proto", "shop.proto"]
