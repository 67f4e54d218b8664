"""UserService, as far as it is about people."""

from uuid import UUID

from tandem.identity.v1 import user_pb2

from chassis.call import Context, caller
from identity_service.accounts import translate as accounts
from identity_service.accounts.domain import UserId
from identity_service.sessions import translate as sessions
from identity_service.users import translate
from identity_service.users.commands import UserCommands
from identity_service.users.domain import Order
from identity_service.users.queries import UserQueries


class UserHandlers:
    """Check, call, translate."""

    def __init__(self, commands: UserCommands, queries: UserQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateUser(self, request: user_pb2.CreateUserRequest, _context: Context) -> user_pb2.CreateUserResponse:
        """Invites a person."""
        user = await self._commands.create_user(caller(), translate.invitation(request))
        return user_pb2.CreateUserResponse(user=accounts.user(user))

    async def GetUser(self, request: user_pb2.GetUserRequest, _context: Context) -> user_pb2.GetUserResponse:
        """Reads one user."""
        user = await self._queries.get_user(_id(request.user_id), deleted_too=request.show_deleted)
        return user_pb2.GetUserResponse(user=accounts.user(user))

    async def BatchGetUsers(
        self, request: user_pb2.BatchGetUsersRequest, _context: Context
    ) -> user_pb2.BatchGetUsersResponse:
        """Reads several users."""
        users = await self._queries.batch_get_users([_id(user_id) for user_id in request.user_ids])
        return user_pb2.BatchGetUsersResponse(users=map(accounts.user, users))

    async def ListUsers(self, request: user_pb2.ListUsersRequest, _context: Context) -> user_pb2.ListUsersResponse:
        """Lists users."""
        users, next_page_token = await self._queries.list_users(
            translate.wanted(request),
            Order.read(request.order_by),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return user_pb2.ListUsersResponse(users=map(accounts.user, users), next_page_token=next_page_token)

    async def UpdateUser(self, request: user_pb2.UpdateUserRequest, _context: Context) -> user_pb2.UpdateUserResponse:
        """Changes a user."""
        edit = translate.user_edit(request)
        user = await self._commands.update_user(_id(request.user_id), edit, etag=request.etag)
        return user_pb2.UpdateUserResponse(user=accounts.user(user))

    async def DisableUser(
        self, request: user_pb2.DisableUserRequest, _context: Context
    ) -> user_pb2.DisableUserResponse:
        """Keeps a user out."""
        user = await self._commands.disable_user(caller(), _id(request.user_id), etag=request.etag)
        return user_pb2.DisableUserResponse(user=accounts.user(user))

    async def EnableUser(self, request: user_pb2.EnableUserRequest, _context: Context) -> user_pb2.EnableUserResponse:
        """Lets a user in again."""
        user = await self._commands.enable_user(_id(request.user_id), etag=request.etag)
        return user_pb2.EnableUserResponse(user=accounts.user(user))

    async def DeleteUser(self, request: user_pb2.DeleteUserRequest, _context: Context) -> user_pb2.DeleteUserResponse:
        """Deletes a user."""
        await self._commands.delete_user(caller(), _id(request.user_id), etag=request.etag)
        return user_pb2.DeleteUserResponse()

    async def UndeleteUser(
        self, request: user_pb2.UndeleteUserRequest, _context: Context
    ) -> user_pb2.UndeleteUserResponse:
        """Brings a user back."""
        user = await self._commands.undelete_user(_id(request.user_id))
        return user_pb2.UndeleteUserResponse(user=accounts.user(user))

    async def StartPasswordReset(
        self, request: user_pb2.StartPasswordResetRequest, _context: Context
    ) -> user_pb2.StartPasswordResetResponse:
        """Sends what it takes to choose another password."""
        await self._commands.start_password_reset(_id(request.user_id))
        return user_pb2.StartPasswordResetResponse()

    async def ListUserSessions(
        self, request: user_pb2.ListUserSessionsRequest, _context: Context
    ) -> user_pb2.ListUserSessionsResponse:
        """Lists a user's sessions."""
        found, next_page_token = await self._queries.list_sessions(
            _id(request.user_id), page_size=request.page_size, page_token=request.page_token
        )
        current = caller().session
        return user_pb2.ListUserSessionsResponse(
            sessions=[sessions.session(session, current=current) for session in found], next_page_token=next_page_token
        )

    async def RevokeUserSessions(
        self, request: user_pb2.RevokeUserSessionsRequest, _context: Context
    ) -> user_pb2.RevokeUserSessionsResponse:
        """Ends a user's sessions."""
        count = await self._commands.revoke_sessions(_id(request.user_id))
        return user_pb2.RevokeUserSessionsResponse(revoked_count=count)


def _id(text: str) -> UserId:
    return UserId(UUID(text))
