"""Mail: on its way once the transaction has committed, to a real server, as often as it takes."""

import asyncio
import contextlib
import email
import email.policy
import stat
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr
from sqlalchemy import select
from structlog.testing import capture_logs

from chassis.config import ConfigError
from chassis.database import Database, DatabaseSettings
from chassis.ids import new_id
from identity_service.app import mail_transport
from identity_service.config import IdentitySettings
from identity_service.mail import store
from identity_service.mail.commands import MailSender, MailSweeper
from identity_service.mail.domain import Letter, Mail, MailKind
from identity_service.mail.texts import letter
from identity_service.mail.transports import FolderTransport, SmtpServer, SmtpTransport, Transport
from identity_service.sealing import Sealer
from identity_service.tables import mails
from standalone.ports import free_port
from tests.support.clock import TestClock
from tests.support.databases import Databases
from tests.support.people import PASSWORD
from tests.support.recording import Recording, recording
from tests.support.sql import change, rows
from tests.support.stack import new_secret, running_stack

TOKEN = "tdm_only-for-ada"
VERIFY = Mail(
    kind=MailKind.VERIFY_EMAIL,
    recipient="ada@example.com",
    content={"full_name": "Ada Lövelace\r\nBcc: eve@example.com", "token": TOKEN},
)


class Server:
    """Takes mail, or says what it is told to say instead."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.says_to_recipients: list[str] = []
        self.says_to_content: list[str] = []

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        if self.says_to_recipients:
            return self.says_to_recipients.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        if self.says_to_content:
            return self.says_to_content.pop(0)
        assert isinstance(envelope.content, bytes)
        self.taken.append(_read(envelope.content))
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    """A real one, and its URL."""
    handler, port = Server(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    try:
        yield handler, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


class Post:
    """A database, and what sends the mail in it."""

    def __init__(self, url: str, db: Database, recorded: Recording) -> None:
        self.url = url
        self.db = db
        self.recorded = recorded
        self.clock = TestClock()
        self.sealer = Sealer([b"s" * 32], store.PURPOSE)

    async def enqueue(self, mail: Mail = VERIFY) -> None:
        async with self.db.transaction() as tx:
            await store.enqueue(tx, mail, self.sealer, self.clock.now())

    def sender(self, transport: Transport) -> MailSender:
        return MailSender(
            self.db,
            self.clock,
            self.sealer,
            transport,
            self.recorded.telemetry.meter,
            public_url="https://tandem.example/",
        )

    def by_smtp(self, url: str) -> MailSender:
        return self.sender(SmtpTransport(SmtpServer.read(url), "Tandem <post@tandem.example>", self.clock))

    async def state(self) -> Any:
        (row,) = await rows(self.url, select(mails))
        return row

    def counted(self) -> dict[str, int]:
        """How often each outcome was counted."""
        data = self.recorded.metrics.get_metrics_data()
        points: list[Any] = [
            point
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "tandem.identity.mails"
            for point in metric.data.data_points
        ]
        return {point.attributes["outcome"]: point.value for point in points}


@pytest.fixture
async def post(databases: Databases) -> AsyncIterator[Post]:
    url = databases.clone("identity")
    with recording("identity") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(url))
        async with Database.opened(settings, recorded.telemetry) as db:
            yield Post(url, db, recorded)


async def test_a_mail_is_handed_over_and_what_it_said_forgotten(post: Post, server: tuple[Server, str]) -> None:
    handler, url = server
    await post.enqueue()
    await post.by_smtp(url).send_due()
    (taken,) = handler.taken
    assert taken["To"] == "ada@example.com"
    assert taken["From"] == "Tandem <post@tandem.example>"
    assert taken["Subject"] == "Confirm your e-mail address"
    assert taken["Auto-Submitted"] == "auto-generated"
    assert taken["Message-ID"].endswith("@tandem.example>")
    assert taken["Bcc"] is None, "what people are called stays in the text"
    text = taken.get_content()
    assert "Hello Ada Lövelace" in text
    assert f"https://tandem.example/verify-email#token={TOKEN}" in text
    assert handler.envelopes[0].rcpt_tos == ["ada@example.com"]
    sent = await post.state()
    assert sent.send_time is not None
    assert sent.sealed_content is None
    assert post.counted() == {"sent": 1}
    await post.by_smtp(url).send_due()
    assert len(handler.taken) == 1, "once"


async def test_nothing_is_sent_that_was_rolled_back(post: Post, server: tuple[Server, str]) -> None:
    handler, url = server
    with contextlib.suppress(ZeroDivisionError):
        async with post.db.transaction() as tx:
            await store.enqueue(tx, VERIFY, post.sealer, post.clock.now())
            raise ZeroDivisionError
    await post.by_smtp(url).send_due()
    assert handler.taken == []


@pytest.mark.parametrize("where", ["says_to_recipients", "says_to_content"])
async def test_what_is_refused_for_now_is_tried_again_later(post: Post, server: tuple[Server, str], where: str) -> None:
    handler, url = server
    getattr(handler, where).append("451 later, please")
    await post.enqueue()
    sender = post.by_smtp(url)
    await sender.send_due()
    assert (await post.state()).send_time is None
    await sender.send_due()
    assert handler.taken == [], "not at once"
    post.clock.advance(seconds=37)
    await sender.send_due()
    assert len(handler.taken) == 1
    assert (await post.state()).attempts == 2
    assert post.counted() == {"postponed": 1, "sent": 1}


@pytest.mark.parametrize("where", ["says_to_recipients", "says_to_content"])
async def test_what_is_refused_for_good_is_given_up(post: Post, server: tuple[Server, str], where: str) -> None:
    handler, url = server
    getattr(handler, where).append("550 nobody here")
    await post.enqueue()
    sender = post.by_smtp(url)
    await sender.send_due()
    post.clock.advance(hours=2)
    await sender.send_due()
    assert handler.taken == []
    given_up = await post.state()
    assert given_up.fail_time is not None
    assert given_up.sealed_content is None
    assert post.counted() == {"given_up": 1}


async def test_a_server_that_is_down_is_waited_for_longer_and_longer_and_a_day_at_the_most(
    post: Post, server: tuple[Server, str]
) -> None:
    await post.enqueue()
    sender = post.by_smtp(f"smtp://127.0.0.1:{free_port()}")
    pauses = []
    with capture_logs() as logged:
        while (await post.state()).fail_time is None:
            await sender.send_due()
            due = (await post.state()).next_attempt_time
            pauses.append(due - post.clock.now())
            post.clock.advance(seconds=max(pauses[-1].total_seconds(), 0) + 1)
    assert pauses[0] < timedelta(seconds=37)
    assert pauses[4] > 4 * pauses[0]
    assert max(pauses) <= timedelta(minutes=72), "an hour, and a fifth of it"
    assert 20 < len(pauses) < 60
    events = [line["event"] for line in logged if line["event"].startswith("mail ")]
    assert events == ["mail postponed"] * (len(pauses) - 1) + ["mail given up"]
    assert TOKEN not in str(logged)


async def test_a_server_that_cannot_keep_a_secret_gets_none(post: Post, server: tuple[Server, str]) -> None:
    handler, url = server
    await post.enqueue()
    await post.by_smtp(f"{url.replace('//', '//user:password@')}?starttls").send_due()
    assert handler.taken == []
    waiting = await post.state()
    assert (waiting.send_time, waiting.fail_time) == (None, None), "an operator can mend it"


async def test_a_mail_whose_sender_has_died_is_sent_by_another(post: Post, server: tuple[Server, str]) -> None:
    handler, url = server

    begun = asyncio.Event()

    class Endless:
        async def deliver(self, _: Letter) -> None:
            begun.set()
            await asyncio.Event().wait()

    await post.enqueue()
    dying = asyncio.create_task(post.sender(Endless()).send_due())
    await begun.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await post.by_smtp(url).send_due()
    assert handler.taken == [], "it may be under way still"
    post.clock.advance(minutes=3)
    await post.by_smtp(url).send_due()
    assert len(handler.taken) == 1


async def test_several_senders_send_each_mail_once(post: Post, server: tuple[Server, str]) -> None:
    handler, url = server
    for number in range(25):
        await post.enqueue(
            Mail(kind=MailKind.PASSWORD_CHANGED, recipient=f"a{number}@example.com", content=VERIFY.content)
        )
    await asyncio.gather(*(post.by_smtp(url).send_due() for _ in range(3)))
    assert len(handler.taken) == 25
    assert len({taken["To"] for taken in handler.taken}) == 25


async def test_a_mail_that_cannot_be_opened_is_given_up(post: Post, server: tuple[Server, str]) -> None:
    await post.enqueue()
    await change(post.url, mails.update().values(sealed_content=b"x" * 40))
    await post.by_smtp(server[1]).send_due()
    assert (await post.state()).fail_time is not None


async def test_a_mistake_of_ours_keeps_one_mail_and_not_the_others(post: Post, server: tuple[Server, str]) -> None:
    handler, url = server
    await post.enqueue(Mail(kind=MailKind.VERIFY_EMAIL, recipient="without-token@example.com", content={}))
    await post.enqueue()
    with capture_logs() as logged:
        await post.by_smtp(url).send_due()
    assert [taken["To"] for taken in handler.taken] == ["ada@example.com"]
    assert "a mail cannot be sent" in [line["event"] for line in logged]
    assert post.counted() == {"sent": 1, "postponed": 1}


async def test_old_mail_is_forgotten(post: Post) -> None:
    await post.enqueue()
    sweeper = MailSweeper(post.db, post.clock, kept_for=timedelta(days=7))
    post.clock.advance(days=6)
    await sweeper.sweep()
    await post.state()
    post.clock.advance(days=2)
    await sweeper.sweep()
    assert await rows(post.url, select(mails)) == []


async def test_a_folder_takes_mail_that_only_its_owner_can_read(post: Post, tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    await post.enqueue()
    with capture_logs() as logged:
        await post.sender(FolderTransport(folder, "t@localhost", post.clock, print_links=False)).send_due()
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert TOKEN.encode() in path.read_bytes().replace(b"=\r\n", b"").replace(b"=3D", b"=")
    assert logged[0]["path"] == str(path)
    assert TOKEN not in str(logged), "unless somebody wants it there"
    await post.enqueue()
    with capture_logs() as logged:
        await post.sender(FolderTransport(folder, "t@localhost", post.clock, print_links=True)).send_due()
    assert logged[0]["link"] == f"https://tandem.example/verify-email#token={TOKEN}"


async def test_a_folder_that_cannot_be_written_to_is_waited_for(post: Post, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("no folder")
    await post.enqueue()
    await post.sender(FolderTransport(tmp_path / "mail", "t@localhost", post.clock, print_links=False)).send_due()
    waiting = await post.state()
    assert (waiting.send_time, waiting.fail_time, waiting.attempts) == (None, None, 1)


@pytest.mark.parametrize("kind", MailKind)
def test_every_mail_says_something(kind: MailKind) -> None:
    content = {"full_name": "Ada", "token": TOKEN, "email": "new@example.com", "inviter": "Bob", "project": "Apollo"}
    words = letter(
        Mail(kind=kind, recipient="ada@example.com", content=content), new_id(), public_url="https://x.example"
    )
    assert words.subject
    assert words.text.startswith("Hello Ada,\n\n")
    assert "{" not in words.text
    holds_token = kind in {MailKind.VERIFY_EMAIL, MailKind.RESET_PASSWORD, MailKind.INVITATION}
    assert (words.link is not None) is holds_token
    assert (TOKEN in words.text) is holds_token


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        (
            "Ada,\r\n\r\nyour account is locked: open https://evil.example/now",
            "Hello Ada, your account is locked: open",
        ),
        ("Ada Lovelace", "Hello Ada Lovelace,\n\n"),
        ("\u202e\n", "Hello,\n\n"),
    ],
)
def test_the_name_that_somebody_gave_is_no_part_of_what_we_say(name: str, greeting: str) -> None:
    for kind in MailKind:
        content = {"full_name": name, "token": TOKEN, "email": "new@example.com", "inviter": "Bob", "project": "Apollo"}
        mail = Mail(kind=kind, recipient="ada@example.com", content=content)
        text = letter(mail, new_id(), public_url="https://x.example").text
        assert text.startswith(greeting)
        assert "evil.example" not in text
        assert "\n" not in text[: text.index(",\n\n")]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost", SmtpServer("localhost", 25, tls=False, starttls=False)),
        ("smtp://h:2525", SmtpServer("h", 2525, tls=False, starttls=False)),
        (
            "smtp://a%40b:p%2Fw@h?starttls",
            SmtpServer("h", 587, tls=False, starttls=True, username="a@b", password="p/w"),
        ),
        ("smtps://u:p@h", SmtpServer("h", 465, tls=True, starttls=False, username="u", password="p")),
    ],
)
def test_a_server_is_given_by_its_url(url: str, expected: SmtpServer) -> None:
    assert SmtpServer.read(url) == expected
    assert "p/w" not in repr(expected)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"smtp_url": "smtp://h"}, "missing IDENTITY_MAIL_FROM"),
        ({"smtp_url": "http://h", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtp://", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtp://h?tls", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtps://h?starttls", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtp://h:hush", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtp://u:hush#hush@h:587?starttls", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtps://u:12#hush@h", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: must look like"),
        ({"smtp_url": "smtp://u:p@h", "mail_from": "a@b"}, "IDENTITY_SMTP_URL: would send the password in the clear"),
    ],
)
def test_a_server_that_cannot_be_used_is_refused_at_the_start(settings: dict[str, Any], complaint: str) -> None:
    complete = IdentitySettings(database_url="postgresql://u@h/d", secret_key=new_secret(), **settings)
    with pytest.raises(ConfigError, match=complaint) as caught:
        mail_transport(complete, TestClock())
    assert "hush" not in str(caught.value), "which may be a part of the password"


def mail_in(folder: Path) -> list[EmailMessage]:
    """What was written there."""
    return [_read(path.read_bytes()) for path in folder.glob("*.eml")]


def _read(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_what_one_does_comes_back_by_mail(
    databases: Databases, server: tuple[Server, str], tmp_path: Path
) -> None:
    """From the request to the mail server, by the service itself; and with a folder in its place."""
    handler, url = server
    for settings in ({"smtp_url": url, "mail_from": "post@tandem.example"}, {"mail_folder": tmp_path / "mail"}):
        async with running_stack(
            databases, identity_settings={**settings, "public_url": "https://ui.example"}
        ) as stack:
            door = stack.doors["grpc"]
            await door.call("Register", email="ada@example.com", password=PASSWORD, fullName="Ada")
            async with asyncio.timeout(20):
                while not (arrived := [*handler.taken, *mail_in(tmp_path / "mail")]):
                    await asyncio.sleep(0.05)
            taken = arrived[-1]
            link = next(line.strip() for line in taken.get_content().splitlines() if "#token=" in line)
            assert link.startswith("https://ui.example/verify-email#token=tdm_")
            handler.taken.clear()
            answer = await door.call("VerifyEmail", token_=link.partition("#token=")[2])
            assert answer == {"email": "ada@example.com"}


async def test_without_a_way_out_mail_waits_and_the_operator_is_told(databases: Databases) -> None:
    with capture_logs() as logged:
        await wait_in_vain(databases)
    assert [line["log_level"] for line in logged if line["event"].startswith("mail waits")] == ["warning"]


async def wait_in_vain(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        await stack.doors["grpc"].call("Register", email="ada@example.com", password=PASSWORD, fullName="Ada")
        (waiting,) = await rows(stack.identity_url, select(mails))
        assert waiting.send_time is None
