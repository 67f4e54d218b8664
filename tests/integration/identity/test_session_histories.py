"""Whatever happens to sessions, in whatever order: it comes out as a small model of them says.

Every example is a history of one person, played with the real commands on a real database, on a clock that stands
still between its steps. Now and then, and in the end, every access token that was ever issued is shown once more.
"""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from tandem.identity.v1 import auth_pb2

from chassis import call
from chassis.auth import LEEWAY, Principal, TokenVerifier
from chassis.config import read
from chassis.database import Database, DatabaseSettings
from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.pages import PageTokens
from chassis.policy import methods_of
from chassis.revocations import Revocations
from chassis.secret import Secret
from chassis.telemetry import Telemetry, TelemetrySettings
from identity_service.access_tokens import CLIENT, AccessTokens
from identity_service.accounts import store as accounts
from identity_service.accounts.domain import Registration, Role, UserId
from identity_service.feed import store as feed
from identity_service.feed.domain import tell
from identity_service.keys.domain import PURPOSE
from identity_service.keys.ring import KeyRing
from identity_service.passwords import Passwords
from identity_service.sealing import Sealer
from identity_service.sessions.commands import SessionCommands, Tokens
from identity_service.sessions.domain import LoginPaces, PresentedToken, SessionId, Terms
from identity_service.sessions.queries import SessionQueries
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Delay, Pace
from identity_service.users.commands import UserCommands
from tests.support.databases import Databases
from tests.support.people import PASSWORD
from tests.support.stack import CHEAP_PASSWORDS, ISSUER

T = TypeVar("T")

GRACE, IDLE, LIFETIME, ACCESS = timedelta(seconds=30), timedelta(days=14), timedelta(days=30), timedelta(minutes=10)
MANY = 1_000_000
TERMS = Terms(
    logins=LoginPaces(
        per_address=Pace("logins", MANY, timedelta(minutes=5)),
        guesses=Delay(
            "guesses",
            free=MANY,
            first=timedelta(seconds=1),
            longest=timedelta(minutes=1),
            most=MANY,
            forgotten_after=timedelta(days=1),
        ),
    ),
    idle=IDLE,
    lifetime=LIFETIME,
    grace=GRACE,
    refreshes_per_minute=MANY,
    most=100,
)
OLD_KEY, KEY, NEW_KEY = b"o" * 32, b"k" * 32, b"n" * 32
ADMINISTRATOR = Principal(
    subject=new_id(),
    client_id=CLIENT,
    session=new_id(),
    roles=frozenset({Role.ADMIN.value}),
    token_id="1",
    expires_at=datetime.max.replace(tzinfo=UTC),
)


class StillClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True)
class Ground:
    """What all histories share."""

    db: Database
    passwords: Passwords
    password_hash: str
    ring: KeyRing


@pytest.fixture(scope="module")
async def ground(databases: Databases) -> AsyncIterator[Ground]:
    with (
        Telemetry.started("identity", read(TelemetrySettings)) as telemetry,
        Passwords.opened(
            hashers=1, memory_kib=CHEAP_PASSWORDS["argon2_memory_kib"], passes=CHEAP_PASSWORDS["argon2_passes"]
        ) as passwords,
    ):
        url = DatabaseSettings(database_url=SecretStr(databases.clone("identity")))
        async with Database.opened(url, telemetry) as db:
            clock = StillClock()
            ring = KeyRing(db, clock, Sealer([KEY], PURPOSE), Revocations(clock))
            await ring.prepare()
            yield Ground(db, passwords, await passwords.hash(PASSWORD), ring)


@dataclass
class Opened:
    """A session as the model knows it."""

    id: SessionId
    tokens: list[str]
    """Every refresh token that it ever had, the newest last."""
    stepped_at: datetime
    idle_until: datetime
    ends_at: datetime
    attempt: str = ""
    """The name of the attempt that the last step was taken with."""
    ended: bool = False
    access: list[tuple[str, int, datetime]] = field(default_factory=list)
    """Every access token that it ever had, under which version it was issued, and until when it is good."""

    def is_over(self, now: datetime) -> bool:
        return self.ended or now >= min(self.idle_until, self.ends_at)


class History:
    """One person's sessions, in the system and in the model: each step is taken in both, and compared."""

    def __init__(self, ground: Ground, user_id: UserId, email: str, place: int) -> None:
        self.db, self.ring, self.passwords = ground.db, ground.ring, ground.passwords
        self.user_id, self.email = user_id, email
        self.begun_at = place  # in the feed
        self.clock = StillClock()
        self.sessions: list[Opened] = []
        self.version = 1
        self.disabled = False
        self.restart()

    @classmethod
    async def begun(cls, ground: Ground) -> "History":
        """Somebody new, at home where nobody else is: every history begins at the same time."""
        user_id, email = UserId(new_id()), f"{new_id()}@example.com"
        _, method = next(methods_of(auth_pb2.DESCRIPTOR.services_by_name["AuthService"]))
        context: Any = None  # commands do not look at it
        call.enter(call.Call(method, context, {}, b"", address=f"home of {user_id}"))
        somebody = Registration(email=email, password=Secret(PASSWORD), full_name="Ada", username="")
        async with ground.db.transaction() as tx:
            await accounts.add(tx, user_id, somebody, ground.password_hash, StillClock().now())
        _, given_out = await feed.ends(ground.db)
        return cls(ground, user_id, email, given_out)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def restart(self, secrets: tuple[bytes, ...] = (KEY,)) -> None:
        """A new process: what it knows, it knows from the database."""
        mails = Sealer(secrets, "mail")
        tokens = AccessTokens(self.ring, self.clock, issuer=ISSUER, lifetime=ACCESS, service_lifetime=ACCESS)
        throttles = Throttles(self.db, self.clock)
        self.commands = SessionCommands(
            self.db, self.clock, self.passwords, throttles, tokens, mails, secrets=secrets, terms=TERMS
        )
        self.administration = UserCommands(self.db, self.clock, mails)
        self.queries = SessionQueries(self.db, self.clock, PageTokens(KEY))
        self.revocations = Revocations(self.clock)
        self.place = self.begun_at
        self.verifier = TokenVerifier(
            self.ring, self.clock, issuer=ISSUER, audience="work", revocations=self.revocations
        )

    def chosen(self, which: int) -> Opened:
        return self.sessions[which % len(self.sessions)]

    async def log_in(self, password: str = PASSWORD) -> None:
        outcome, tokens = await tried(self.commands.login(self.email, Secret(password)))
        if self.disabled or password != PASSWORD:
            assert outcome == "INVALID_CREDENTIALS"
            return
        assert tokens is not None, outcome
        presented = PresentedToken.read(tokens.refresh)
        assert presented is not None
        opened = Opened(presented.session, [tokens.refresh], self.now, self.now + IDLE, self.now + LIFETIME)
        self.sessions.append(opened)
        self.issued(opened, tokens)

    def issued(self, session: Opened, tokens: Tokens) -> None:
        session.access.append((tokens.access.token, self.version, min(self.now + ACCESS, session.ends_at)))

    async def refresh(self, which: int, back: int, attempt: str) -> None:
        """Show the refresh token that was the newest so many steps ago."""
        session = self.chosen(which)
        generation = max(len(session.tokens) - 1 - back, 0)
        steps_ago = len(session.tokens) - 1 - generation
        outcome, tokens = await tried(self.commands.refresh(Secret(session.tokens[generation]), attempt))
        is_lost = self.now < session.stepped_at + GRACE or (attempt != "" and attempt == session.attempt)
        if session.is_over(self.now):
            assert outcome == "REFRESH_TOKEN_INVALID"
        elif steps_ago > 1 or (steps_ago == 1 and not is_lost):
            assert outcome == "REFRESH_TOKEN_REUSED"
            session.ended = True
        elif self.disabled:
            assert outcome == "REFRESH_TOKEN_INVALID"
        elif steps_ago == 1:
            assert tokens is not None, outcome
            assert tokens.refresh == session.tokens[-1], "the same answer again"
            self.issued(session, tokens)
        else:
            assert tokens is not None, outcome
            assert tokens.refresh not in session.tokens
            session.tokens.append(tokens.refresh)
            session.stepped_at, session.attempt = self.now, attempt
            session.idle_until = self.now + IDLE
            self.issued(session, tokens)

    async def log_out(self, which: int, back: int) -> None:
        session = self.chosen(which)
        await self.commands.logout_by_token(Secret(session.tokens[max(len(session.tokens) - 1 - back, 0)]))
        session.ended = True

    async def revoke(self, which: int) -> None:
        session = self.chosen(which)
        outcome, _ = await tried(self.commands.revoke(self.user_id, session.id))
        assert outcome == ("SESSION_NOT_FOUND" if session.is_over(self.now) else "OK")
        session.ended = True

    async def revoke_all(self, which: int, *, keep: bool) -> None:
        kept = self.chosen(which) if keep else None
        ended = [session for session in self.sessions if session is not kept and not session.is_over(self.now)]
        keep_id = kept.id if kept is not None else None
        assert await self.commands.revoke_all(self.user_id, keep=keep_id) == len(ended)
        self.all_ended(ended)
        self.version += kept is None

    def all_ended(self, ended: list[Opened]) -> None:
        for session in ended:
            session.ended = True

    async def disable(self) -> None:
        await self.administration.disable_user(ADMINISTRATOR, self.user_id, etag="")
        if not self.disabled:
            self.all_ended(self.sessions)
            self.version += 1
        self.disabled = True

    async def enable(self) -> None:
        await self.administration.enable_user(self.user_id, etag="")
        self.disabled = False

    async def wait(self, seconds: int) -> None:
        self.clock.time += timedelta(seconds=seconds)

    async def look(self) -> None:
        """Every access token, and what its owner sees of the sessions."""
        for told in await feed.read(self.db, after=self.place, now=self.now, limit=MANY):
            assert told.event is not None
            self.place = told.cursor
            tell(self.revocations, told.event)
        for session in self.sessions:
            for token, version, until in session.access:
                outcome, _ = await tried(self.verifier.verify(token))
                if self.now >= until + LEEWAY:
                    assert outcome == "TOKEN_EXPIRED"
                elif session.ended or version < self.version:
                    assert outcome == "TOKEN_REVOKED"
                else:
                    assert outcome == "OK"
        listed, _ = await self.queries.list_sessions(self.user_id, page_size=100, page_token="")
        assert {each.id for each in listed} == {each.id for each in self.sessions if not each.is_over(self.now)}


async def tried(attempt: Awaitable[T]) -> tuple[str, T | None]:
    """OK and what came of it, or the reason why not."""
    try:
        return "OK", await attempt
    except DomainError as refusal:
        return refusal.reason, None


WHICH = st.integers(0, 3)
BACK = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
ATTEMPT = st.sampled_from(["", "", "one", "another"])
A_DAY = 24 * 3600
STEPS = st.one_of(
    st.tuples(st.just("log_in"), st.just(())),
    st.tuples(st.just("log_in"), st.just(("a wrong one",))),
    *[st.tuples(st.just("refresh"), st.tuples(WHICH, BACK, ATTEMPT))] * 5,
    st.tuples(st.just("log_out"), st.tuples(WHICH, BACK)),
    st.tuples(st.just("revoke"), st.tuples(WHICH)),
    st.tuples(st.just("revoke_all"), st.tuples(WHICH, st.booleans())),
    st.tuples(st.just("disable"), st.just(())),
    *[st.tuples(st.just("enable"), st.just(()))] * 2,
    st.tuples(st.just("restart"), st.just(())),
    st.tuples(st.just("look"), st.just(())),
    *[st.tuples(st.just("wait"), st.tuples(st.sampled_from([1, 29, 31, 540, 60, A_DAY, 13 * A_DAY])))] * 3,
)


STORIES = st.lists(STEPS, min_size=3, max_size=10)
Story = list[tuple[str, tuple[Any, ...]]]
ANYHOW = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@settings(ANYHOW, max_examples=150)
@given(story=STORIES)
async def test_every_history_of_sessions_comes_out_as_the_model_says(ground: Ground, story: Story) -> None:
    await told(ground, story)


@pytest.mark.engines  # half a minute, and no engine: with those that may take longer
@pytest.mark.timeout(600)
@settings(ANYHOW, max_examples=1000)
@given(story=STORIES)
async def test_a_thousand_histories_of_sessions_come_out_as_the_model_says(ground: Ground, story: Story) -> None:
    await told(ground, story)


async def told(ground: Ground, story: Story) -> None:
    """Live through a history, and look at what came of it."""
    history = await History.begun(ground)
    await history.log_in()
    for name, arguments in story:
        match name:
            case "restart":
                history.restart()
            case "revoke_all":
                await history.revoke_all(arguments[0], keep=arguments[1])
            case _:
                await getattr(history, name)(*arguments)
    await history.look()


async def test_sessions_outlive_the_secret_key_that_their_tokens_were_made_with(ground: Ground) -> None:
    """Replaced as the operator does it: alone, then behind the new one, then gone."""
    history = await History.begun(ground)
    history.restart(secrets=(OLD_KEY,))
    await history.log_in()
    await history.log_in()
    lively, idle = history.sessions
    history.restart(secrets=(NEW_KEY, OLD_KEY))
    await history.refresh(0, 0, "")
    await history.refresh(0, 1, "")  # its answer got lost
    history.restart(secrets=(NEW_KEY,))
    await history.refresh(0, 0, "")
    outcome, _ = await tried(history.commands.refresh(Secret(idle.tokens[-1]), ""))
    assert outcome == "REFRESH_TOKEN_INVALID", "nobody knows any more who made it"
    history.restart(secrets=(OLD_KEY,))
    outcome, _ = await tried(history.commands.refresh(Secret(lively.tokens[-1]), ""))
    assert outcome == "REFRESH_TOKEN_INVALID", "successors are made with the new one alone"
