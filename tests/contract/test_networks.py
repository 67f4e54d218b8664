"""What is paced by network address is counted for the network that one customer gets of IPv6. Through both doors."""

import itertools
from typing import Any

import pytest
from sqlalchemy import select

from chassis import interceptors
from chassis.ids import new_id
from identity_service.tables import audit_events
from tests.contract.test_bad_input import ISSUE
from tests.support.databases import Databases
from tests.support.doors import Door, Refused
from tests.support.people import PASSWORD
from tests.support.sql import rows
from tests.support.stack import running_stack

TWO = dict.fromkeys(
    [
        "registrations_per_hour",
        "logins_per_five_minutes",
        "mail_requests_per_hour",
        "mail_tokens_per_hour",
        "refused_clients_per_five_minutes",
    ],
    2,
)
PACED = {"RATE_LIMITED", "TEMPORARILY_UNAVAILABLE"}  # the latter is what OAuth clients understand
TOKEN = {"token_": "tdm_nonsense"}


def called(rpc: str) -> dict[str, Any]:
    email = f"{new_id()}@example.com"
    return {
        "Register": {"email": email, "password": PASSWORD, "fullName": "Ada"},
        "Login": {"email": email, "password": PASSWORD},
        "RequestPasswordReset": {"email": email},
        "VerifyEmail": TOKEN,
        "ResetPassword": TOKEN | {"newPassword": PASSWORD},
        "IssueToken": ISSUE,
    }[rpc]


async def reason(door: Door, rpc: str) -> str:
    try:
        await door.call(rpc, **called(rpc))
    except Refused as refusal:
        return refusal.reason
    return ""


async def test_whoever_has_a_network_of_addresses_has_no_more_than_others(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count(1)
    where = ""
    monkeypatch.setattr(interceptors, "client_address", lambda *_: f"2001:db8:{where}::{next(numbers):x}")
    async with running_stack(databases, identity_settings=TWO) as stack:
        for number, (door, rpc) in enumerate(
            itertools.product(
                stack.doors.values(),
                ("Register", "Login", "RequestPasswordReset", "VerifyEmail", "ResetPassword", "IssueToken"),
            )
        ):
            where = f"{number:x}:1"
            said = [await reason(door, rpc) for _ in range(3)]
            assert [each in PACED for each in said] == [False, False, True], rpc
            where = f"{number:x}:2"
            assert await reason(door, rpc) not in PACED, "another customer"
        kept = {row.address for row in await rows(stack.identity_url, select(audit_events.c.address))}
    first = [address for address in kept if address.startswith("2001:db8:0:1::")]
    assert len(first) == 2, "what is kept for an incident is the whole address"
