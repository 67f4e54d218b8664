"""TokenService, as far as it is about keys."""

from tandem.identity.v1 import token_pb2

from chassis.call import Context
from identity_service.keys.ring import KeyRing


class KeyHandlers:
    """Publishes keys."""

    def __init__(self, ring: KeyRing) -> None:
        """The keys of `ring`."""
        self._ring = ring

    async def GetJsonWebKeySet(
        self, _request: token_pb2.GetJsonWebKeySetRequest, _context: Context
    ) -> token_pb2.GetJsonWebKeySetResponse:
        """The public keys."""
        keys = await self._ring.published()
        return token_pb2.GetJsonWebKeySetResponse(keys=[token_pb2.JsonWebKey(**key) for key in keys])
