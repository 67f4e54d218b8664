"""AuthService, as far as it is about sessions."""

from tandem.identity.v1 import auth_pb2

from chassis.auth import TokenMissing
from chassis.call import Context, find_caller
from identity_service.accounts.domain import Secret
from identity_service.sessions import translate
from identity_service.sessions.commands import SessionCommands
from identity_service.sessions.domain import SessionId


class SessionHandlers:
    """Check, call, translate."""

    def __init__(self, commands: SessionCommands) -> None:
        """Who does the work."""
        self._commands = commands

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


def _session_of_the_caller() -> SessionId:
    caller = find_caller()
    if caller is None or caller.session is None:
        raise TokenMissing  # nothing says which session is meant
    return SessionId(caller.session)
