"""AuthService, as far as it is about accounts, and ProfileService."""

from uuid import UUID

from tandem.identity.v1 import auth_pb2, profile_pb2

from chassis.call import Context, caller
from identity_service.accounts import translate
from identity_service.accounts.commands import AccountCommands
from identity_service.accounts.domain import UserId
from identity_service.accounts.queries import AccountQueries


class AccountHandlers:
    """Check, call, translate."""

    def __init__(self, commands: AccountCommands, queries: AccountQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def Register(self, request: auth_pb2.RegisterRequest, _context: Context) -> auth_pb2.RegisterResponse:
        """Answers with the caller's own words, known address or not."""
        await self._commands.register(translate.registration(request))
        return auth_pb2.RegisterResponse(email=request.email, full_name=request.full_name, username=request.username)

    async def GetMe(self, _request: auth_pb2.GetMeRequest, _context: Context) -> auth_pb2.GetMeResponse:
        """Who the caller is."""
        user = await self._queries.get_user(UserId(caller().subject))
        return auth_pb2.GetMeResponse(user=translate.user(user))

    async def UpdateMe(self, request: auth_pb2.UpdateMeRequest, _context: Context) -> auth_pb2.UpdateMeResponse:
        """Changes what the caller is called."""
        edit = translate.profile_edit(request)
        user = await self._commands.update_me(UserId(caller().subject), edit, request.etag)
        return auth_pb2.UpdateMeResponse(user=translate.user(user))

    async def BatchGetProfiles(
        self, request: profile_pb2.BatchGetProfilesRequest, _context: Context
    ) -> profile_pb2.BatchGetProfilesResponse:
        """Says what people are called."""
        user_ids = [UserId(UUID(user_id)) for user_id in request.user_ids]
        profiles = await self._queries.batch_get_profiles(user_ids)
        return profile_pb2.BatchGetProfilesResponse(profiles=map(translate.profile, profiles))

    async def LookupProfile(
        self, request: profile_pb2.LookupProfileRequest, _context: Context
    ) -> profile_pb2.LookupProfileResponse:
        """Finds a person for another service."""
        profile = await self._queries.get_profile(*translate.name(request))
        return profile_pb2.LookupProfileResponse(profile=translate.profile(profile))
