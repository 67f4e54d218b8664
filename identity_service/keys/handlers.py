"""SigningKeyService, and TokenService as far as it is about keys."""

from tandem.identity.v1 import signing_key_pb2, token_pb2

from chassis.call import Context
from identity_service.keys import translate
from identity_service.keys.commands import KeyCommands
from identity_service.keys.queries import KeyQueries
from identity_service.keys.ring import KeyRing


class PublishedKeyHandlers:
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


class SigningKeyHandlers:
    """Check, call, translate."""

    def __init__(self, commands: KeyCommands, queries: KeyQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def ListSigningKeys(
        self, _request: signing_key_pb2.ListSigningKeysRequest, _context: Context
    ) -> signing_key_pb2.ListSigningKeysResponse:
        """Lists the keys."""
        keys = await self._queries.list_keys()
        return signing_key_pb2.ListSigningKeysResponse(signing_keys=map(translate.signing_key, keys))

    async def CreateSigningKey(
        self, request: signing_key_pb2.CreateSigningKeyRequest, _context: Context
    ) -> signing_key_pb2.CreateSigningKeyResponse:
        """Makes a key and publishes it."""
        key = await self._commands.create(request.algorithm)
        return signing_key_pb2.CreateSigningKeyResponse(signing_key=translate.signing_key(key))

    async def ActivateSigningKey(
        self, request: signing_key_pb2.ActivateSigningKeyRequest, _context: Context
    ) -> signing_key_pb2.ActivateSigningKeyResponse:
        """Lets a key sign."""
        key = await self._commands.activate(request.kid)
        return signing_key_pb2.ActivateSigningKeyResponse(signing_key=translate.signing_key(key))

    async def RetireSigningKey(
        self, request: signing_key_pb2.RetireSigningKeyRequest, _context: Context
    ) -> signing_key_pb2.RetireSigningKeyResponse:
        """Publishes a key no more."""
        key = await self._commands.retire(request.kid)
        return signing_key_pb2.RetireSigningKeyResponse(signing_key=translate.signing_key(key))

    async def RevokeSigningKey(
        self, request: signing_key_pb2.RevokeSigningKeyRequest, _context: Context
    ) -> signing_key_pb2.RevokeSigningKeyResponse:
        """Withdraws a key."""
        key = await self._commands.revoke(request.kid)
        return signing_key_pb2.RevokeSigningKeyResponse(signing_key=translate.signing_key(key))
