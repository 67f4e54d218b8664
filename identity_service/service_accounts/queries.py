"""What service accounts ask for."""

from dataclasses import dataclass, field

from chassis.clock import Clock
from chassis.database import Database
from identity_service.access_tokens import AccessToken, AccessTokens
from identity_service.accounts.domain import Secret
from identity_service.service_accounts import store
from identity_service.service_accounts.domain import InvalidClient, is_one_of


@dataclass(frozen=True, slots=True)
class MachineToken:
    """An access token, and the scopes that it holds."""

    access: AccessToken = field(repr=False)
    scopes: frozenset[str]


class ServiceAccountQueries:
    """One method per question. Nothing is written: a machine's token is all that there is of its sign-in."""

    def __init__(self, db: Database, clock: Clock, tokens: AccessTokens) -> None:
        """Ask `db`."""
        self._db = db
        self._clock = clock
        self._tokens = tokens

    async def token(self, client_id: str, client_secret: Secret, scope: str) -> MachineToken:
        """An access token for a service account.

        Raises:
            InvalidClient: There is no such account, it has another secret, or it is disabled: one answer, and the
                same work is done for it.
            InvalidScope: The account does not have one of the scopes that are asked for.
        """
        account, digests = await store.find_with_secrets(self._db, client_id, self._clock.now())
        has_secret = is_one_of(client_secret, digests)
        if account is None or not has_secret or account.disabled:
            raise InvalidClient
        scopes = account.granted(scope)
        access = await self._tokens.issue_to_machine(
            subject=account.id, client_id=account.name, audiences=account.audiences, scopes=scopes
        )
        return MachineToken(access, scopes)
