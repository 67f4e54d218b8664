"""AuthService, as far as it is about sessions."""

from tandem.identity.v1 import auth_pb2

from chassis.call import Context
from identity_service.accounts.domain import Secret
from identity_service.sessions import translate
from identity_service.sessions.commands import SessionCommands


class SessionHandlers:
    """Check, call, translate."""

    def __init__(self, commands: SessionCommands) -> None:
        """Who does the work."""
        self._commands = commands

    async def Login(self, request: auth_pb2.LoginRequest, _context: Context) -> auth_pb2.LoginResponse:
        """Opens a session."""
        tokens = await self._commands.login(request.email, Secret(request.password))
        return translate.login_response(tokens)
