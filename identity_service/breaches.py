"""Whether a password is known from breaches, asked of a service that learns next to nothing by it.

It is told the first five digits of the password's SHA-1, and answers with all endings that it knows of such (the range
API of Have I Been Pwned), padded so that the length of the answer tells nothing. Whatever goes wrong with it, people
can choose passwords.
"""

import asyncio
import hashlib
import urllib.request
from http.client import HTTPException

import structlog

log = structlog.get_logger()

_TIMEOUT_S = 0.5
_LARGEST_ANSWER = 1024 * 1024


class Breaches:
    """Passwords that are known from breaches."""

    def __init__(self, url: str | None) -> None:
        """Ask at `url`, followed by five digits. None asks nobody."""
        self._url = url

    async def know(self, password: str) -> bool:
        """Whether the password is known. False when nobody can say."""
        if self._url is None:
            return False
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            async with asyncio.timeout(2 * _TIMEOUT_S):  # the other one is for each step
                answer = await asyncio.to_thread(_fetched, f"{self._url.rstrip('/')}/{digest[:5]}")
        except (OSError, ValueError, HTTPException) as error:  # TimeoutError and URLError are OSErrors
            log.warning("breached passwords cannot be looked up", error=type(error).__name__)
            return False
        return any(
            ending.strip() == digest[5:] and count.strip() != "0"  # what has occurred 0 times is padding
            for ending, _, count in (line.partition(":") for line in answer.splitlines())
        )


def _fetched(url: str) -> str:
    request = urllib.request.Request(url, headers={"Add-Padding": "true", "User-Agent": "Tandem"})  # noqa: S310 - a setting
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - and http or https
        content: bytes = response.read(_LARGEST_ANSWER)
    return content.decode("ascii")
