"""What sends mail, and what forgets it."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from opentelemetry.metrics import Meter

from chassis.clock import Clock
from chassis.database import Database
from chassis.retries import work_off
from identity_service.mail import store
from identity_service.mail.domain import DueMail, TryLater, Undeliverable
from identity_service.mail.texts import letter
from identity_service.mail.transports import Transport
from identity_service.sealing import CannotOpen, Sealer

log = structlog.get_logger()

_AT_A_TIME = 10
_BATCH = 500
_CLAIMED_FOR = timedelta(minutes=2)  # well above what a server may take to answer


class MailSender:
    """Sends what is due. Several may: each mail is one's at a time, and sent again only if its sender has died."""

    def __init__(
        self, db: Database, clock: Clock, sealer: Sealer, transport: Transport, meter: Meter, *, public_url: str
    ) -> None:
        """Links lead to pages below `public_url`."""
        self._db = db
        self._clock = clock
        self._sealer = sealer
        self._transport = transport
        self._public_url = public_url
        self._mails = meter.create_counter("tandem.identity.mails", description="What became of attempts to send mail.")

    async def send_due(self) -> None:
        """Send until nothing is due."""
        await work_off(self._claim, self._send, at_a_time=_AT_A_TIME)

    async def _claim(self) -> Sequence[DueMail]:
        """Some that are due. No connection is held while they are sent."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            return await store.claim(tx, now=now, again=now + _CLAIMED_FOR, most=_AT_A_TIME)

    async def _send(self, mail: DueMail) -> None:
        try:
            words = letter(store.opened(mail, self._sealer), mail.id, public_url=self._public_url)
            await self._transport.deliver(words)
        except TryLater as error:
            await self._try_again(mail, str(error))
        except (CannotOpen, Undeliverable) as error:
            await self._give_up(mail, str(error))
        except Exception:
            log.exception("a mail cannot be sent", mail_id=str(mail.id), kind=mail.kind.value)
            await self._try_again(mail, "our mistake")  # a later version may do better; the others go on
        else:
            async with self._db.transaction() as tx:
                await store.sent(tx, mail.id, self._clock.now())
            self._count(mail, "sent")

    async def _try_again(self, mail: DueMail, why: str) -> None:
        again = mail.again(self._clock.now())
        if again is None:
            await self._give_up(mail, why)
            return
        async with self._db.transaction() as tx:
            await store.postponed(tx, mail.id, again)
        log.warning("mail postponed", mail_id=str(mail.id), kind=mail.kind.value, attempts=mail.attempts, why=why)
        self._count(mail, "postponed")

    async def _give_up(self, mail: DueMail, why: str) -> None:
        async with self._db.transaction() as tx:
            await store.given_up(tx, mail.id, self._clock.now())
        log.error("mail given up", mail_id=str(mail.id), kind=mail.kind.value, attempts=mail.attempts, why=why)
        self._count(mail, "given_up")

    def _count(self, mail: DueMail, outcome: str) -> None:
        self._mails.add(1, {"kind": mail.kind.value, "outcome": outcome})


class MailSweeper:
    """Keeps no mail for longer than it is asked about."""

    def __init__(self, db: Database, clock: Clock, *, kept_for: timedelta) -> None:
        """Keep it for so long, sent or not."""
        self._db = db
        self._clock = clock
        self._kept_for = kept_for

    async def sweep(self) -> None:
        """Forget what is older. A batch at a time: nobody waits long."""
        await self._db.in_batches(
            lambda tx: store.sweep(tx, before=self._clock.now() - self._kept_for, most=_BATCH), most=_BATCH
        )
