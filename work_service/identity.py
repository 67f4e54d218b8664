"""What work asks of identity."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from tandem.identity.v1 import token_pb2, token_pb2_grpc

from chassis.client import connected
from chassis.telemetry import Telemetry

_TIMEOUT_S = 2.0


class Identity:
    """The identity service, seen from here."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Use `opened`."""
        self._tokens = token_pb2_grpc.TokenServiceStub(channel)

    @classmethod
    @asynccontextmanager
    async def opened(cls, address: str, telemetry: Telemetry) -> AsyncIterator["Identity"]:
        """Identity at `address`, until the block is left."""
        async with connected(address, telemetry) as channel:
            yield cls(channel)

    async def published_keys(self) -> Sequence[Mapping[str, Any]]:
        """The JSON Web Keys that verify identity's tokens."""
        answer = await self._tokens.GetJsonWebKeySet(token_pb2.GetJsonWebKeySetRequest(), timeout=_TIMEOUT_S)
        return [{field.name: value for field, value in key.ListFields()} for key in answer.keys]
