"""MailService."""

from uuid import UUID

from tandem.identity.v1 import mail_pb2

from chassis.call import Context
from identity_service.accounts.domain import UserId, normalized
from identity_service.invitations.commands import InvitationCommands
from identity_service.invitations.domain import Invitation


class InvitationHandlers:
    """Check, call, translate."""

    def __init__(self, commands: InvitationCommands) -> None:
        """Who does the work."""
        self._commands = commands

    async def SendInvitation(
        self, request: mail_pb2.SendInvitationRequest, _context: Context
    ) -> mail_pb2.SendInvitationResponse:
        """Tells an address that it is invited."""
        invitation = Invitation(
            mail_id=UUID(request.mail_id),
            email=normalized(request.email),
            inviter_id=UserId(UUID(request.inviter_id)),
            project_title=request.project_title,
        )
        await self._commands.send_invitation(invitation)
        return mail_pb2.SendInvitationResponse()
