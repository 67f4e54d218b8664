"""Passwords: a bounded queue, and the same work for everybody."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from identity_service.passwords import Passwords, TooManySignIns


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
