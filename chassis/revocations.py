"""What was revoked before its time, as one process knows it.

Whoever revokes something says until when it matters: when the last token that it speaks of has expired by itself. After
that it is forgotten here, so this grows with what is revoked in the lifetime of a token, and not with time. There is no
other bound: to forget a revocation early is to let a token work again.
"""

import heapq
from datetime import datetime
from uuid import UUID

from chassis.auth import Principal
from chassis.clock import Clock

_What = tuple[str, UUID | str]  # the kind, and the name among its kind


class Revocations:
    """Knows which tokens are no longer good. To be told something twice changes nothing."""

    def __init__(self, clock: Clock) -> None:
        """Forget by the time of `clock`."""
        self._clock = clock
        self._until: dict[_What, datetime] = {}
        self._lowest_version: dict[_What, int] = {}
        self._next_to_go: list[tuple[datetime, _What]] = []  # a heap

    def __len__(self) -> int:
        """How much is kept."""
        return len(self._until)

    def session_ended(self, session: UUID, until: datetime) -> None:
        """Refuse the tokens of a session."""
        self._keep(("session", session), until)

    def tokens_invalidated(self, subject: UUID, token_version: int, until: datetime) -> None:
        """Refuse a subject's tokens of a lower version: of all that were told, the highest counts."""
        what = ("subject", subject)
        self._keep(what, until)
        if what in self._until:
            self._lowest_version[what] = max(token_version, self._lowest_version.get(what, 0))

    def token_revoked(self, token_id: str, until: datetime) -> None:
        """Refuse one token, by its `jti`."""
        self._keep(("token", token_id), until)

    def key_revoked(self, kid: str, until: datetime) -> None:
        """Refuse whatever was signed with a key."""
        self._keep(("key", kid), until)

    def refuses(self, principal: Principal, kid: str) -> bool:
        """Whether a token that was signed with the key `kid` is no longer good."""
        return (
            principal.token_version < self._lowest_version.get(("subject", principal.subject), 0)
            or (principal.session is not None and ("session", principal.session) in self._until)
            or ("token", principal.token_id) in self._until
            or ("key", kid) in self._until
        )

    def is_key_revoked(self, kid: str) -> bool:
        """Whether whatever was signed with a key is refused."""
        return ("key", kid) in self._until

    def _keep(self, what: _What, until: datetime) -> None:
        """Keep what still matters. What no longer does makes room for it."""
        now = self._clock.now()
        while self._next_to_go and self._next_to_go[0][0] <= now:
            self._forget(heapq.heappop(self._next_to_go)[1], now)
        if until > self._until.get(what, now):
            self._until[what] = until
            heapq.heappush(self._next_to_go, (until, what))

    def _forget(self, what: _What, now: datetime) -> None:
        """Unless it was told again since, and matters for longer."""
        if what in self._until and self._until[what] <= now:
            del self._until[what]
            self._lowest_version.pop(what, None)
