"""UserService, as far as it is about what has happened."""

from tandem.identity.v1 import user_pb2

from chassis.call import Context
from identity_service.audit import translate
from identity_service.audit.queries import AuditQueries


class AuditHandlers:
    """Check, call, translate."""

    def __init__(self, queries: AuditQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def ListAuditEvents(
        self, request: user_pb2.ListAuditEventsRequest, _context: Context
    ) -> user_pb2.ListAuditEventsResponse:
        """Lists what has happened."""
        events, next_page_token = await self._queries.list_events(
            translate.wanted(request), page_size=request.page_size, page_token=request.page_token
        )
        return user_pb2.ListAuditEventsResponse(
            audit_events=map(translate.event, events), next_page_token=next_page_token
        )
