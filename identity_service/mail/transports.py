"""Where mail goes: to a server by SMTP, or into a folder."""

import asyncio
import os
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from chassis.clock import Clock
from identity_service.mail.domain import Letter, TryLater, Undeliverable

log = structlog.get_logger()

_TIMEOUT_S = 20


class Transport(Protocol):
    """Hands letters over."""

    async def deliver(self, letter: Letter) -> None:
        """Hand it over.

        Raises:
            TryLater: It did not work this time.
            Undeliverable: It never will.
        """
        ...


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where a mail server is, and how to speak to it: `smtp://user:password@host:587?starttls` or `smtps://…`."""

    host: str
    port: int
    tls: bool
    """From the first byte."""
    starttls: bool
    """Required. Otherwise it is used when the server offers it."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, url: str) -> "SmtpServer":
        """Read a URL.

        Raises:
            ValueError: It is not such a one, or would send the password in the clear.
        """
        refusal = ValueError("must look like smtp://user:password@host:587?starttls or smtps://user:password@host:465")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # whose words may be a part of the password
            raise refusal from None
        tls, starttls = parts.scheme == "smtps", parts.query == "starttls"
        if (
            parts.scheme not in {"smtp", "smtps"}
            or not parts.hostname
            or parts.path not in {"", "/"}
            or parts.fragment
            or (parts.query and not starttls)
            or (tls and starttls)
        ):
            raise refusal
        if parts.password and not (tls or starttls):
            raise ValueError("would send the password in the clear: say smtps:// or ?starttls")
        return cls(
            parts.hostname,
            port or (465 if tls else 587 if starttls else 25),
            tls,
            starttls,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )


class SmtpTransport:
    """By SMTP, one connection per letter."""

    def __init__(self, server: SmtpServer, sender: str, clock: Clock) -> None:
        """Hand over to `server`, in the name of `sender`: an address, with or without a name before it."""
        self._server = server
        self._sender = sender
        self._clock = clock

    async def deliver(self, letter: Letter) -> None:
        """Hand it over."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await aiosmtplib.send(
                    message(letter, self._sender, self._clock),
                    sender=parseaddr(self._sender)[1],
                    recipients=[letter.recipient],
                    hostname=self._server.host,
                    port=self._server.port,
                    username=self._server.username,
                    password=self._server.password,
                    use_tls=self._server.tls,
                    start_tls=self._server.starttls or (False if self._server.tls else None),
                    timeout=_TIMEOUT_S,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            raise (Undeliverable if refusal.code >= 500 else TryLater)(f"{refusal.code} {refusal.message}") from None
        except aiosmtplib.SMTPDataError as error:
            raise (Undeliverable if error.code >= 500 else TryLater)(f"{error.code} {error.message}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            # That our own name or password is refused is for us to mend: the mail waits.
            raise TryLater(f"{type(error).__name__}: {error}") from None


class FolderTransport:
    """Into a folder, one file per letter: for development."""

    def __init__(self, folder: Path, sender: str, clock: Clock, *, print_links: bool) -> None:
        """Write into `folder`. With `print_links` the log tells what opens accounts: never in production."""
        self._folder = folder
        self._sender = sender
        self._clock = clock
        self._print_links = print_links

    async def deliver(self, letter: Letter) -> None:
        """Write it down."""
        path = self._folder / f"{self._clock.now():%Y%m%dT%H%M%S}-{letter.id}.eml"
        content = message(letter, self._sender, self._clock).as_bytes()
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as error:
            raise TryLater(f"{path}: {error.strerror}") from None
        link = {"link": letter.link} if self._print_links and letter.link is not None else {}
        log.info("mail", recipient=letter.recipient, subject=letter.subject, path=str(path), **link)


def message(letter: Letter, sender: str, clock: Clock) -> EmailMessage:
    """The letter as RFC 5322 wants it."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = letter.recipient
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(clock.now())
    # The same for every attempt, so that a mail that was taken twice can be told.
    mail["Message-ID"] = f"<{letter.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    mail.set_content(letter.text)
    return mail


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    unfinished.rename(path)
