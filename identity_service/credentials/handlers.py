"""AuthService, as far as it is about passwords, addresses and mail."""

from uuid import UUID

from tandem.identity.v1 import auth_pb2

from chassis.call import Context, caller
from chassis.secret import Secret
from identity_service.accounts.domain import UserId, normalized
from identity_service.credentials.commands import CredentialCommands
from identity_service.sessions.domain import SessionId


class CredentialHandlers:
    """Check, call, translate."""

    def __init__(self, commands: CredentialCommands) -> None:
        """Who does the work."""
        self._commands = commands

    async def ChangePassword(
        self, request: auth_pb2.ChangePasswordRequest, _context: Context
    ) -> auth_pb2.ChangePasswordResponse:
        """Gives the caller another password."""
        await self._commands.change_password(
            _user(), _session(), Secret(request.current_password), Secret(request.new_password)
        )
        return auth_pb2.ChangePasswordResponse()

    async def ChangeEmail(
        self, request: auth_pb2.ChangeEmailRequest, _context: Context
    ) -> auth_pb2.ChangeEmailResponse:
        """Sends mail to the address that the caller wants."""
        await self._commands.change_email(_user(), Secret(request.password), normalized(request.email))
        return auth_pb2.ChangeEmailResponse()

    async def SendVerificationEmail(
        self, _request: auth_pb2.SendVerificationEmailRequest, _context: Context
    ) -> auth_pb2.SendVerificationEmailResponse:
        """Sends mail to the caller's address."""
        await self._commands.send_verification_email(_user())
        return auth_pb2.SendVerificationEmailResponse()

    async def VerifyEmail(
        self, request: auth_pb2.VerifyEmailRequest, _context: Context
    ) -> auth_pb2.VerifyEmailResponse:
        """Takes what came by mail."""
        return auth_pb2.VerifyEmailResponse(email=await self._commands.verify_email(Secret(request.token)))

    async def RequestPasswordReset(
        self, request: auth_pb2.RequestPasswordResetRequest, _context: Context
    ) -> auth_pb2.RequestPasswordResetResponse:
        """Sends mail to the owner of the address, if there is one."""
        await self._commands.request_password_reset(normalized(request.email))
        return auth_pb2.RequestPasswordResetResponse()

    async def ResetPassword(
        self, request: auth_pb2.ResetPasswordRequest, _context: Context
    ) -> auth_pb2.ResetPasswordResponse:
        """Takes what came by mail, and sets a password."""
        await self._commands.reset_password(Secret(request.token), Secret(request.new_password))
        return auth_pb2.ResetPasswordResponse()

    async def DeleteMe(self, request: auth_pb2.DeleteMeRequest, _context: Context) -> auth_pb2.DeleteMeResponse:
        """Deletes the caller."""
        await self._commands.delete_me(_user(), request.etag)
        return auth_pb2.DeleteMeResponse()


def _user() -> UserId:
    return UserId(caller().subject)


def _session() -> SessionId:
    session: UUID | None = caller().session
    assert session is not None, "machines have none, and are kept out by the contract"
    return SessionId(session)
