"""What tells people that they are invited."""

from opentelemetry.metrics import Meter

from chassis.clock import Clock
from chassis.database import Database
from identity_service.accounts import store as accounts
from identity_service.accounts.domain import NameKind, UserNotFound
from identity_service.invitations.domain import Invitation, InvitationPaces
from identity_service.mail import store as mail
from identity_service.mail.domain import Mail, MailKind, quoted
from identity_service.sealing import Sealer
from identity_service.throttles.commands import Throttles


class InvitationCommands:
    """One method per use case."""

    def __init__(
        self, db: Database, clock: Clock, throttles: Throttles, mails: Sealer, meter: Meter, *, paces: InvitationPaces
    ) -> None:
        """Mail is sealed with `mails`."""
        self._db = db
        self._clock = clock
        self._throttles = throttles
        self._mails = mails
        self._paces = paces
        self._invitations = meter.create_counter(
            "tandem.identity.invitations", description="What became of invitations that were to be mailed."
        )

    async def send_invitation(self, invitation: Invitation) -> None:
        """Have an invitation mailed, once. Nothing is sent for an inviter who is nobody, and nothing over the paces."""
        self._invitations.add(1, {"outcome": await self._outcome(invitation)})

    async def _outcome(self, invitation: Invitation) -> str:
        if await mail.is_known(self._db, invitation.mail_id):  # asking again is not asking for more
            return "repeated"
        try:
            inviter = await accounts.get_profile(self._db, NameKind.USER_ID, str(invitation.inviter_id))
        except UserNotFound:
            return "from_nobody"
        if not await self._throttles.allows(self._paces.per_inviter, str(invitation.inviter_id)):
            return "over_pace_of_inviter"
        if not await self._throttles.allows(self._paces.per_recipient, invitation.email.lower()):
            return "over_pace_of_recipient"
        wanted = Mail(
            kind=MailKind.PROJECT_INVITATION,
            recipient=invitation.email,
            content={"inviter": quoted(inviter.full_name), "project": quoted(invitation.project_title)},
        )
        async with self._db.transaction() as tx:
            is_new = await mail.enqueue(tx, wanted, self._mails, self._clock.now(), mail_id=invitation.mail_id)
        return "enqueued" if is_new else "repeated"
