"""AuthService, as far as it is about sessions."""

from uuid import UUID

from tandem.identity.v1 import auth_pb2

from chassis.auth import TokenMissing
from chassis.call import Context, caller, find_caller
from chassis.secret import Secret
from identity_service.accounts.domain import UserId
from identity_service.sessions import translate
from identity_service.sessions.commands import SessionCommands
from identity_service.sessions.domain import SessionId
from identity_service.sessions.queries import SessionQueries


class SessionHandlers:
    """Check, call, translate."""

    def __init__(self, commands: SessionCommands, queries: SessionQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def Login(self, request: auth_pb2.LoginRequest, _context: Context) -> auth_pb2.LoginResponse:
        """Opens a session."""
        tokens = await self._commands.login(request.email, Secret(request.password))
        return translate.login_response(tokens)

    async def Refresh(self, request: auth_pb2.RefreshRequest, _context: Context) -> auth_pb2.RefreshResponse:
        """Trades a refresh token for the next tokens."""
        tokens = await self._commands.refresh(Secret(request.refresh_token), request.idempotency_key)
        return translate.refresh_response(tokens)

    async def Logout(self, request: auth_pb2.LogoutRequest, _context: Context) -> auth_pb2.LogoutResponse:
        """Ends the session of the refresh token, or else the caller's."""
        if request.refresh_token:
            await self._commands.logout_by_token(Secret(request.refresh_token))
        else:
            await self._commands.logout(_session_of_the_caller())
        return auth_pb2.LogoutResponse()

    async def ListSessions(
        self, request: auth_pb2.ListSessionsRequest, _context: Context
    ) -> auth_pb2.ListSessionsResponse:
        """Lists the caller's sessions."""
        found, next_page_token = await self._queries.list_sessions(
            UserId(caller().subject), page_size=request.page_size, page_token=request.page_token
        )
        current = caller().session
        return auth_pb2.ListSessionsResponse(
            sessions=[translate.session(session, current=current) for session in found],
            next_page_token=next_page_token,
        )

    async def RevokeSession(
        self, request: auth_pb2.RevokeSessionRequest, _context: Context
    ) -> auth_pb2.RevokeSessionResponse:
        """Ends one of the caller's sessions."""
        await self._commands.revoke(UserId(caller().subject), SessionId(UUID(request.session_id)))
        return auth_pb2.RevokeSessionResponse()

    async def RevokeAllSessions(
        self, request: auth_pb2.RevokeAllSessionsRequest, _context: Context
    ) -> auth_pb2.RevokeAllSessionsResponse:
        """Ends the caller's sessions."""
        keep = _session_of_the_caller() if request.keep_current else None
        count = await self._commands.revoke_all(UserId(caller().subject), keep=keep)
        return auth_pb2.RevokeAllSessionsResponse(revoked_count=count)


def _session_of_the_caller() -> SessionId:
    known = find_caller()
    if known is None or known.session is None:
        raise TokenMissing  # nothing says which session is meant
    return SessionId(known.session)
