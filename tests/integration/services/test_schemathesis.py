"""schemathesis reads our OpenAPI document, and tries to prove it wrong against the running system.

All its checks, a few examples for every operation. What it still finds is explained here; anything else fails.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.support.people import signed_up_as
from tests.support.stack import Stack, running_stack

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

ENDS_SESSIONS = (
    "DELETE /api/v1/auth/me",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/me/sessions:revokeAll",
    "POST /api/v1/auth/me:changePassword",
    "POST /api/v1/auth/me:changeEmail",
    "DELETE /api/v1/auth/me/sessions/{session_id}",
)
"""These have a caller of their own, who is gone afterwards."""


@dataclass(frozen=True)
class Explained:
    """A finding that is none, and why."""

    check: str
    operation: str
    response: str
    why: str


VALID_REFUSED, INVALID_ACCEPTED, UNDECLARED_METHOD, ALLOW = "ST202", "ST201", "ST204", "ST205"
EXPLAINED = (
    Explained(
        f"{UNDECLARED_METHOD}|{ALLOW}",
        r"\w+ /\S+/\{\w+\}:\w+",
        r"",
        "ids may hold colons, so a path with a verb is also that of a resource, which has other methods",
    ),
    Explained(
        VALID_REFUSED,
        r"POST /api/v1/auth:(resetPassword|verifyEmail)|POST /api/v1/auth/refresh",
        r"TOKEN|NUL",
        "a random token is not one that was sent to anybody",
    ),
    Explained(VALID_REFUSED, r"POST /api/v1/auth/me:change\w+", r"WRONG_PASSWORD", "nor a random password anybody's"),
    Explained(VALID_REFUSED, r"POST /api/v1/auth/register", r"WEAK_PASSWORD", "what is weak is no matter of a schema"),
    Explained(VALID_REFUSED, r"POST /oauth2/.*", r'"error":', "the RFCs leave their members as strings, and so do we"),
    Explained(
        VALID_REFUSED,
        r"(POST|PUT|PATCH) .*",
        r"UNKNOWN_FIELD|there is no field",
        "messages within a body are described once for requests and answers, and answers may grow",
    ),
    Explained(
        VALID_REFUSED,
        r"\w+ /api/v1/.*",
        r"FAILED_PRECONDITION|ETAG_MISMATCH|must be in the future|is not a member of the project"
        r"|REFERENCE_NOT_FOUND|PERMISSION_UNKNOWN",
        "it depends on what is there, and on the time of day",
    ),
    Explained(INVALID_ACCEPTED, r"(POST|PUT|PATCH) .*", r"", "null stands for a field that is not sent, in ProtoJSON"),
)


@pytest.fixture
async def stack(databases: Databases) -> AsyncIterator[Stack]:
    """Of its own: what it is called with deletes and revokes."""
    async with running_stack(databases) as running:
        yield running


async def configured(stack: Stack, folder: Path) -> Path:
    """An administrator's token for everything, and tokens of others for what ends sessions."""
    door = stack.doors["rest"]

    async def token() -> str:
        return (await signed_up_as(door, stack.identity_url, "ADMIN")).token

    lines = [f'headers = {{ Authorization = "Bearer {await token()}" }}']
    for operation in ENDS_SESSIONS:
        lines.append(f'[[operations]]\ninclude-name = "{operation}"')
        lines.append(f'headers = {{ Authorization = "Bearer {await token()}" }}')
    config = folder / "schemathesis.toml"
    config.write_text("\n".join(lines))
    return config


async def said(stack: Stack, folder: Path) -> str:
    """What it prints in the end."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(await configured(stack, folder))),
        *("run", f"http://{stack.gateway_address}/openapi.json", "--checks", "all", "--seed", "1"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "2", "--generation-database", "none"),
        *("--continue-on-failure", "--no-shrink", "--no-color", "--output-truncate", "false"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode in (0, 1), output.decode()
    return output.decode()


def findings(output: str) -> Iterator[tuple[str, str, str]]:
    """The code of a check, the operation, and everything that is said about it."""
    for block in re.split(r"\n(?=_{2,} \w+ /)", output)[1:]:
        operation = block.partition("\n")[0].strip("_ ")
        for finding in re.split(r"\n(?=- ST[0-9]+ )", block)[1:]:
            yield finding[2:].split()[0], operation, finding


def explained(code: str, operation: str, finding: str) -> bool:
    return any(
        re.fullmatch(known.check, code)
        and re.fullmatch(known.operation, operation)
        and re.search(known.response, finding)
        for known in EXPLAINED
    )


async def test_it_finds_nothing_that_is_not_explained(stack: Stack, tmp_path: Path) -> None:
    output = await said(stack, tmp_path)
    assert re.search(r"Tested: [0-9]{2,}", output), output
    unexplained = [each for each in findings(output) if not explained(*each)]
    assert not unexplained, "\n".join(f"{operation}: {finding}" for _, operation, finding in unexplained)
