"""ServiceAccountService."""

from uuid import UUID

from tandem.identity.v1 import service_account_pb2

from chassis.call import Context
from identity_service.service_accounts import translate
from identity_service.service_accounts.commands import ServiceAccountAdministration
from identity_service.service_accounts.queries import ServiceAccountQueries


class ServiceAccountHandlers:
    """Check, call, translate."""

    def __init__(self, commands: ServiceAccountAdministration, queries: ServiceAccountQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateServiceAccount(
        self, request: service_account_pb2.CreateServiceAccountRequest, _context: Context
    ) -> service_account_pb2.CreateServiceAccountResponse:
        """Makes a service account."""
        account = await self._commands.create(translate.new_account(request))
        return service_account_pb2.CreateServiceAccountResponse(service_account=translate.account(account))

    async def GetServiceAccount(
        self, request: service_account_pb2.GetServiceAccountRequest, _context: Context
    ) -> service_account_pb2.GetServiceAccountResponse:
        """Reads one."""
        account = await self._queries.get_account(translate.ref(request.service_account))
        return service_account_pb2.GetServiceAccountResponse(service_account=translate.account(account))

    async def ListServiceAccounts(
        self, request: service_account_pb2.ListServiceAccountsRequest, _context: Context
    ) -> service_account_pb2.ListServiceAccountsResponse:
        """Lists them."""
        accounts, next_page_token = await self._queries.list_accounts(
            page_size=request.page_size, page_token=request.page_token
        )
        return service_account_pb2.ListServiceAccountsResponse(
            service_accounts=map(translate.account, accounts), next_page_token=next_page_token
        )

    async def UpdateServiceAccount(
        self, request: service_account_pb2.UpdateServiceAccountRequest, _context: Context
    ) -> service_account_pb2.UpdateServiceAccountResponse:
        """Changes one."""
        account = await self._commands.update(
            translate.ref(request.service_account_ref), translate.edit(request), etag=request.etag
        )
        return service_account_pb2.UpdateServiceAccountResponse(service_account=translate.account(account))

    async def DeleteServiceAccount(
        self, request: service_account_pb2.DeleteServiceAccountRequest, _context: Context
    ) -> service_account_pb2.DeleteServiceAccountResponse:
        """Deletes one."""
        await self._commands.delete(translate.ref(request.service_account), etag=request.etag)
        return service_account_pb2.DeleteServiceAccountResponse()

    async def DisableServiceAccount(
        self, request: service_account_pb2.DisableServiceAccountRequest, _context: Context
    ) -> service_account_pb2.DisableServiceAccountResponse:
        """Keeps one from signing in."""
        account = await self._commands.disable(translate.ref(request.service_account), etag=request.etag)
        return service_account_pb2.DisableServiceAccountResponse(service_account=translate.account(account))

    async def EnableServiceAccount(
        self, request: service_account_pb2.EnableServiceAccountRequest, _context: Context
    ) -> service_account_pb2.EnableServiceAccountResponse:
        """Lets one sign in again."""
        account = await self._commands.enable(translate.ref(request.service_account), etag=request.etag)
        return service_account_pb2.EnableServiceAccountResponse(service_account=translate.account(account))

    async def CreateServiceAccountKey(
        self, request: service_account_pb2.CreateServiceAccountKeyRequest, _context: Context
    ) -> service_account_pb2.CreateServiceAccountKeyResponse:
        """Gives one another key."""
        key, secret = await self._commands.create_key(
            translate.ref(request.service_account), request.public_jwk, translate.expire_time(request)
        )
        return service_account_pb2.CreateServiceAccountKeyResponse(key=translate.key(key), secret=secret)

    async def ListServiceAccountKeys(
        self, request: service_account_pb2.ListServiceAccountKeysRequest, _context: Context
    ) -> service_account_pb2.ListServiceAccountKeysResponse:
        """Lists the keys of one."""
        keys = await self._queries.list_keys(translate.ref(request.service_account))
        return service_account_pb2.ListServiceAccountKeysResponse(keys=map(translate.key, keys))

    async def RevokeServiceAccountKey(
        self, request: service_account_pb2.RevokeServiceAccountKeyRequest, _context: Context
    ) -> service_account_pb2.RevokeServiceAccountKeyResponse:
        """Lets a key work no more."""
        await self._commands.revoke_key(translate.ref(request.service_account), UUID(request.key_id))
        return service_account_pb2.RevokeServiceAccountKeyResponse()
