"""TokenService, as far as it is about service accounts."""

from tandem.identity.v1 import token_pb2

from chassis.call import Context
from identity_service.accounts.domain import Secret
from identity_service.service_accounts import translate
from identity_service.service_accounts.queries import ServiceAccountQueries


class ServiceAccountHandlers:
    """Check, call, translate."""

    def __init__(self, queries: ServiceAccountQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def IssueToken(self, request: token_pb2.IssueTokenRequest, _context: Context) -> token_pb2.IssueTokenResponse:
        """Issues a token by client credentials: the contract takes no other grant."""
        token = await self._queries.token(request.client_id, Secret(request.client_secret), request.scope)
        return translate.token_response(token)
