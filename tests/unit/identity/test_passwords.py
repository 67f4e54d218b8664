"""Passwords: a bounded queue, and the same work for everybody."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from identity_service import hashes
from identity_service.passwords import Passwords, TooManySignIns, WeakPassword
from tests.support.imported import bcrypted, pbkdf2
from tests.support.people import PASSWORD


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    with Passwords.opened(hashers=1, memory_kib=8, passes=1) as opened:
        yield opened


async def test_a_password_matches_its_own_hash_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "Correct horse")
    assert not await passwords.matches(None, "correct horse")
    assert not await passwords.matches("not a hash", "correct horse")


async def test_nobodys_password_costs_a_verification(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    def verify(_: PasswordHasher, stored: str, __: str) -> bool:
        verified.append(stored)
        raise VerifyMismatchError

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    await passwords.matches(None, "x")
    await passwords.matches("$argon2id$known", "x")
    assert len(verified) == 2
    assert verified[0].startswith("$argon2id$")


async def test_a_full_queue_refuses_and_recovers(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(PasswordHasher, "hash", lambda *_: str(go_on.wait(30)))
    waiting = [asyncio.create_task(passwords.hash("x")) for _ in range(9)]
    await asyncio.sleep(0)
    with pytest.raises(TooManySignIns) as caught:
        await passwords.hash("x")
    assert caught.value.retry_after is not None
    for task in waiting[5:]:
        task.cancel()  # who leaves the queue makes room
    await asyncio.gather(*waiting[5:], return_exceptions=True)
    late = asyncio.create_task(passwords.hash("x"))
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*waiting[:5], late) == ["True"] * 6


async def test_room_is_taken_until_the_work_ends(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def slow(*_: object) -> str:
        begun.set()
        go_on.wait(30)
        return "done"

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    running = asyncio.create_task(passwords.hash("x"))
    await asyncio.to_thread(begun.wait, 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert passwords._room == 8, "it still runs"
    go_on.set()
    assert await passwords.hash("y") == "done"
    while passwords._room < 9:
        await asyncio.sleep(0.001)


async def test_for_a_caller_who_has_gone_nothing_is_hashed(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, begun, hashed = threading.Event(), threading.Event(), []

    def slow(_: PasswordHasher, password: str) -> str:
        hashed.append(password)
        begun.set()
        go_on.wait(30)
        return "done"

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    first, gone = asyncio.create_task(passwords.hash("first")), asyncio.create_task(passwords.hash("gone"))
    await asyncio.to_thread(begun.wait, 30)
    gone.cancel()  # as when a deadline has passed
    last = asyncio.create_task(passwords.hash("last"))
    await asyncio.gather(gone, return_exceptions=True)
    go_on.set()
    await asyncio.gather(first, last)
    assert hashed == ["first", "last"]


@pytest.mark.parametrize("hashed", [pbkdf2, bcrypted])
async def test_passwords_of_other_systems_match_and_are_to_be_hashed_anew(
    passwords: Passwords, hashed: Callable[[str], str]
) -> None:
    stored = hashed("correct horse")
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "Correct horse")
    assert passwords.is_outdated(stored)


async def test_what_we_have_hashed_is_outdated_once_the_cost_changes(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert not passwords.is_outdated(stored)
    with Passwords.opened(hashers=1, memory_kib=16, passes=2) as dearer:
        assert await dearer.matches(stored, "correct horse")
        assert dearer.is_outdated(stored)


async def test_bcrypt_does_not_cut_a_password_off(passwords: Passwords) -> None:
    longest = "a" * 72
    stored = bcrypted(longest)
    assert await passwords.matches(stored, longest)
    assert not await passwords.matches(stored, longest + "b")


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",  # 4 GiB
        "$argon2id$v=19$m=8,t=100000,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=512,t=1,p=64$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=-8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=8,t=1,p=1$" + "A" * 10_000 + "$aGFzaGhhc2hoYXNoaGFzaA",
        "$2b$31$" + "a" * 53,
        "$2b$15$" + "a" * 53,
        "pbkdf2_sha256$99999999$salt$" + "A" * 43 + "=",
        "pbkdf2_sha256$1000$salt$short",
        "",
        "plain text",
    ],
)
async def test_hostile_hashes_are_never_computed(
    passwords: Passwords, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []

    def verify(_: PasswordHasher, known: str, __: str) -> bool:
        verified.append(known)
        return True

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *_: pytest.fail("computed"))
    assert not hashes.is_affordable(stored)
    assert await passwords.matches(stored, "x") is False
    assert verified == [passwords._nobodys], "the same work as for nobody's"


async def test_a_password_that_is_too_short_or_weak_is_refused_where_it_was_sent(passwords: Passwords) -> None:
    for password in ("short", "passwordpassword"):
        with pytest.raises(WeakPassword) as caught:
            await passwords.expect_strong(password, field="new_password", about=())
        assert caught.value.violations[0].field == "new_password"
    await passwords.expect_strong(PASSWORD, field="password", about=())


class BreachedPasswords(BaseHTTPRequestHandler):
    """Answers as the range API does, padding included."""

    known: dict[str, str]
    asked: list[tuple[str, str | None]]
    status = HTTPStatus.OK

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Add-Padding"]))
        endings = [f"{digest[5:]}:{count}" for digest, count in self.known.items() if self.path.endswith(digest[:5])]
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write("\r\n".join(["0" * 35 + ":0", *endings]).encode())

    def log_message(self, *_: object) -> None:
        """Nothing: it would be in the way of the test's own words."""


@pytest.fixture
def breaches() -> Iterator[tuple[str, type[BreachedPasswords]]]:
    class Handler(BreachedPasswords):
        known: dict[str, str] = {}  # noqa: RUF012 - each test has a class of its own
        asked: list[tuple[str, str | None]] = []  # noqa: RUF012

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/range", Handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


async def test_a_breached_password_is_refused_and_not_told_to_anybody(
    breaches: tuple[str, type[BreachedPasswords]],
) -> None:
    url, service = breaches
    service.known |= {sha1(PASSWORD): "17", sha1(f"{PASSWORD} padding"): "0"}
    with Passwords.opened(hashers=1, memory_kib=8, passes=1, breaches_url=url) as passwords:
        with pytest.raises(WeakPassword, match="breach"):
            await passwords.expect_unbreached(PASSWORD, field="password")
        for good in (f"{PASSWORD} padding", f"another {PASSWORD}"):
            await passwords.expect_unbreached(good, field="password")
    assert service.asked[0] == (f"/range/{sha1(PASSWORD)[:5]}", "true")


async def test_people_can_choose_passwords_while_breaches_cannot_be_looked_up(
    breaches: tuple[str, type[BreachedPasswords]],
) -> None:
    url, service = breaches
    service.known[sha1(PASSWORD)] = "17"
    service.status = HTTPStatus.SERVICE_UNAVAILABLE
    for where in (url, "http://127.0.0.1:1/range"):
        with Passwords.opened(hashers=1, memory_kib=8, passes=1, breaches_url=where) as passwords:
            await passwords.expect_unbreached(PASSWORD, field="password")


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nABC",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xff",
    ],
    ids=["no HTTP", "cut off", "too long a line", "no text"],
)
async def test_people_can_choose_passwords_whatever_breaches_are_answered_with(answer: bytes) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        where = f"http://127.0.0.1:{port}/range"
        with Passwords.opened(hashers=1, memory_kib=8, passes=1, breaches_url=where) as passwords:
            await passwords.expect_unbreached(PASSWORD, field="password")
