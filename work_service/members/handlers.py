"""MemberService; and of ProjectService, how a project changes hands."""

from uuid import UUID

from tandem.work.v1 import member_pb2, project_pb2

from chassis.call import Context
from work_service.access import UserId, caller
from work_service.members import translate
from work_service.members.commands import MemberCommands
from work_service.members.queries import MemberQueries
from work_service.projects.domain import ProjectRef
from work_service.projects.translate import in_project, project, role


class MemberHandlers:
    """Check, call, translate."""

    def __init__(self, commands: MemberCommands, queries: MemberQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def AddMember(self, request: member_pb2.AddMemberRequest, _context: Context) -> member_pb2.AddMemberResponse:
        """Adds a person."""
        who, project = in_project(request)
        member = await self._commands.add_member(who, project, *translate.person(request), role(request.role))
        return member_pb2.AddMemberResponse(member=translate.member(member))

    async def GetMember(self, request: member_pb2.GetMemberRequest, _context: Context) -> member_pb2.GetMemberResponse:
        """Gets a member."""
        project, user_id = ProjectRef.read(request.project), UserId(UUID(request.user_id))
        member = await self._queries.get_member(caller(), project, user_id)
        return member_pb2.GetMemberResponse(member=translate.member(member))

    async def ListMembers(
        self, request: member_pb2.ListMembersRequest, _context: Context
    ) -> member_pb2.ListMembersResponse:
        """Lists the members of a project."""
        members, next_page_token = await self._queries.list_members(
            caller(), ProjectRef.read(request.project), page_size=request.page_size, page_token=request.page_token
        )
        return member_pb2.ListMembersResponse(members=map(translate.member, members), next_page_token=next_page_token)

    async def UpdateMember(
        self, request: member_pb2.UpdateMemberRequest, _context: Context
    ) -> member_pb2.UpdateMemberResponse:
        """Changes a member's role."""
        who, project = in_project(request)
        member = await self._commands.update_member(
            who, project, UserId(UUID(request.user_id)), translate.new_role(request), etag=request.etag
        )
        return member_pb2.UpdateMemberResponse(member=translate.member(member))

    async def RemoveMember(
        self, request: member_pb2.RemoveMemberRequest, _context: Context
    ) -> member_pb2.RemoveMemberResponse:
        """Removes a member."""
        who, project = in_project(request)
        await self._commands.remove_member(who, project, UserId(UUID(request.user_id)), etag=request.etag)
        return member_pb2.RemoveMemberResponse()

    async def LeaveProject(
        self, request: member_pb2.LeaveProjectRequest, _context: Context
    ) -> member_pb2.LeaveProjectResponse:
        """Takes the caller out."""
        who = caller(attempt=request.idempotency_key)
        await self._commands.leave_project(who, ProjectRef.read(request.project))
        return member_pb2.LeaveProjectResponse()

    async def TestPermissions(
        self, request: member_pb2.TestPermissionsRequest, _context: Context
    ) -> member_pb2.TestPermissionsResponse:
        """Says what the caller may do."""
        held = await self._queries.test_permissions(caller(), ProjectRef.read(request.project), request.permissions)
        return member_pb2.TestPermissionsResponse(permissions=held)

    async def TransferProject(
        self, request: project_pb2.TransferProjectRequest, _context: Context
    ) -> project_pb2.TransferProjectResponse:
        """Gives a project to another member."""
        who, ref = in_project(request)
        given = await self._commands.transfer_project(who, ref, UserId(UUID(request.user_id)), etag=request.etag)
        return project_pb2.TransferProjectResponse(project=project(given))
