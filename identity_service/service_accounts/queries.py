"""What is asked about service accounts."""

from collections.abc import Sequence

from chassis.database import Database
from chassis.pages import BadPageToken, PageTokens, size_of_page
from identity_service.service_accounts import store
from identity_service.service_accounts.domain import AccountKey, ServiceAccount, ServiceAccountId

_QUESTION = ("service accounts",)


class ServiceAccountQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_account(self, ref: ServiceAccountId | str) -> ServiceAccount:
        """The account of that id or name, or ServiceAccountNotFound."""
        return await store.get(self._db, ref)

    async def list_accounts(self, *, page_size: int, page_token: str) -> tuple[Sequence[ServiceAccount], str]:
        """A page of accounts by name, and the token of the next page.

        Raises:
            BadPageToken: The token was not made for this question.
        """
        after = _name(self._pages.read(_QUESTION, page_token)) if page_token else ""
        size = size_of_page(page_size)
        found = await store.list_accounts(self._db, after=after, limit=size + 1)
        page = found[:size]
        return page, self._pages.issue(_QUESTION, [page[-1].name]) if len(found) > size else ""

    async def list_keys(self, ref: ServiceAccountId | str) -> Sequence[AccountKey]:
        """The keys of an account that were not revoked, the newest first."""
        account = await store.get(self._db, ref)
        return await store.list_keys(self._db, account.id)


def _name(cursor: Sequence[str | int]) -> str:
    match cursor:
        case [str(name)]:
            return name
        case _:
            raise BadPageToken
