"""Of MemberService, invitations."""

from uuid import UUID

from tandem.work.v1 import member_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.invitations import translate
from work_service.invitations.commands import InvitationCommands
from work_service.invitations.domain import InvitationId
from work_service.invitations.queries import InvitationQueries
from work_service.projects.domain import ProjectRef
from work_service.projects.translate import in_project, role


class InvitationHandlers:
    """Check, call, translate."""

    def __init__(self, commands: InvitationCommands, queries: InvitationQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def InviteMember(
        self, request: member_pb2.InviteMemberRequest, _context: Context
    ) -> member_pb2.InviteMemberResponse:
        """Invites whoever has an address."""
        who, project = in_project(request)
        invitation = await self._commands.invite_member(who, project, request.email, role(request.role))
        return member_pb2.InviteMemberResponse(invitation=translate.invitation(invitation))

    async def ListInvitations(
        self, request: member_pb2.ListInvitationsRequest, _context: Context
    ) -> member_pb2.ListInvitationsResponse:
        """Lists the invitations to a project."""
        invitations, next_page_token = await self._queries.list_invitations(
            caller(), ProjectRef.read(request.project), page_size=request.page_size, page_token=request.page_token
        )
        return member_pb2.ListInvitationsResponse(
            invitations=map(translate.invitation, invitations), next_page_token=next_page_token
        )

    async def RevokeInvitation(
        self, request: member_pb2.RevokeInvitationRequest, _context: Context
    ) -> member_pb2.RevokeInvitationResponse:
        """Takes an invitation back."""
        who, project = in_project(request)
        await self._commands.revoke_invitation(who, project, InvitationId(UUID(request.invitation_id)))
        return member_pb2.RevokeInvitationResponse()
