"""TokenService, as far as it is about the tokens of machines."""

from tandem.identity.v1 import token_pb2

from chassis.call import Context
from chassis.secret import Secret
from identity_service.oauth import translate
from identity_service.oauth.commands import OAuthCommands
from identity_service.oauth.domain import Metadata


class OAuthHandlers:
    """Check, call, translate."""

    def __init__(self, commands: OAuthCommands, metadata: Metadata) -> None:
        """Who does the work."""
        self._commands = commands
        self._metadata = metadata

    async def IssueToken(self, request: token_pb2.IssueTokenRequest, _context: Context) -> token_pb2.IssueTokenResponse:
        """Issues a token by client credentials."""
        token = await self._commands.issue(
            translate.credentials(request), request.grant_type, request.scope, request.audience
        )
        return translate.token_response(token)

    async def IntrospectToken(
        self, request: token_pb2.IntrospectTokenRequest, _context: Context
    ) -> token_pb2.IntrospectTokenResponse:
        """Says whether a token is good."""
        found = await self._commands.introspect(translate.credentials(request), Secret(request.token))
        return translate.introspection(found)

    async def RevokeToken(
        self, request: token_pb2.RevokeTokenRequest, _context: Context
    ) -> token_pb2.RevokeTokenResponse:
        """Lets a token work no more."""
        await self._commands.revoke(translate.credentials(request), Secret(request.token))
        return token_pb2.RevokeTokenResponse()

    async def GetServerMetadata(
        self, _request: token_pb2.GetServerMetadataRequest, _context: Context
    ) -> token_pb2.GetServerMetadataResponse:
        """Says where everything is."""
        return translate.metadata(self._metadata)
