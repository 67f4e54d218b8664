"""`python -m identity_service provision-service-account`: how work gets its account."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from identity_service.tables import service_account_secrets, service_accounts
from standalone.ports import free_port
from tests.support.databases import Databases
from tests.support.machines import new_client_secret
from tests.support.sql import change, rows

ROOT = Path(__file__).parents[3]
WORDS = ("provision-service-account", "work", "--scope", "identity.read", "--audience", "identity")


async def run(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    """Exit code, stdout, and the last line of stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IDENTITY_")}  # noqa: TID251 - handed on
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "identity_service",
        *arguments,
        env=inherited | environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), (err.decode().splitlines() or [""])[-1]


async def test_it_can_be_run_again_and_again(databases: Databases, tmp_path: Path) -> None:
    url, secret = databases.clone("identity"), new_client_secret()
    told = {"IDENTITY_DATABASE_URL": url, "IDENTITY_SERVICE_ACCOUNT_SECRET": secret}
    assert await run(*WORDS, **told) == (0, "service account work: created\n", "")
    (tmp_path / "secret").write_text(f"{secret}\n")
    told = {"IDENTITY_DATABASE_URL": url, "IDENTITY_SERVICE_ACCOUNT_SECRET_FILE": str(tmp_path / "secret")}
    assert await run(*WORDS, **told) == (0, "service account work: unchanged\n", "")
    (tmp_path / "secret").write_text(new_client_secret())
    assert await run(*WORDS, **told) == (0, "service account work: changed\n", "")
    (account,) = await rows(url, select(service_accounts))
    assert (account.name, account.scopes, account.audiences) == ("work", ["identity.read"], ["identity"])
    kept = await rows(url, select(service_account_secrets))
    assert len(kept) == 2
    assert not any(secret.encode() in row.digest for row in kept)


async def test_a_secret_that_was_revoked_does_not_come_back(databases: Databases) -> None:
    url, secret = databases.clone("identity"), new_client_secret()
    told = {"IDENTITY_DATABASE_URL": url, "IDENTITY_SERVICE_ACCOUNT_SECRET": secret}
    await run(*WORDS, **told)
    await change(url, update(service_account_secrets).values(revoke_time=func.now()))
    assert await run(*WORDS, **told) == (2, "", "error: This secret was revoked: make another one.")
    (kept,) = await rows(url, select(service_account_secrets))
    assert kept.revoke_time is not None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "error: missing IDENTITY_DATABASE_URL, IDENTITY_SERVICE_ACCOUNT_SECRET"),
        (
            {"IDENTITY_DATABASE_URL": "postgresql://u:p@127.0.0.1/x", "IDENTITY_SERVICE_ACCOUNT_SECRET": "hunter2"},
            "error: IDENTITY_SERVICE_ACCOUNT_SECRET: must be tds_ and at least 32 random bytes in base64url",
        ),
        (
            {
                "IDENTITY_DATABASE_URL": "postgresql://u:p@127.0.0.1:{port}/x",
                "IDENTITY_SERVICE_ACCOUNT_SECRET": "{secret}",
            },
            "error: the identity database cannot be reached",
        ),
    ],
)
async def test_what_is_wrong_is_one_line(settings: dict[str, str], complaint: str) -> None:
    told = {name: value.format(port=free_port(), secret=new_client_secret()) for name, value in settings.items()}
    assert await run(*WORDS, **told) == (2, "", complaint)


async def test_a_schema_that_is_behind_is_refused(databases: Databases) -> None:
    told = {"IDENTITY_DATABASE_URL": databases.empty(), "IDENTITY_SERVICE_ACCOUNT_SECRET": new_client_secret()}
    assert await run(*WORDS, **told) == (
        2,
        "",
        "error: the schema of the identity database is behind (found nothing): run `python -m migrations`",
    )
