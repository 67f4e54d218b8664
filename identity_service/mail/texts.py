"""What mails say: plain words, no markup, nothing to click but one link.

The token of a link stands behind its `#`, where browsers do not send it to servers and scanners that open links do not
spend it: the page behind it belongs to a front end, which shows the token to the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from identity_service.mail.domain import Letter, Mail, MailKind, quoted


@dataclass(frozen=True, slots=True)
class _Words:
    subject: str
    text: str
    page: str = ""
    """Where the link goes, for those that have one."""


_NOT_YOU = "If this was not you, you need not do anything: without what is in this mail nobody gets any further."
_TAKE_IT_BACK = (
    "If this was not you, somebody knows your password or has one of your devices. Choose another password at once, "
    'with "forgot password" where you sign in, and that ends all sessions.'
)

_WORDS: Mapping[MailKind, _Words] = {
    MailKind.VERIFY_EMAIL: _Words(
        "Confirm your e-mail address",
        "please confirm that this address is yours. Open this link, within a day:\n\n    {link}\n\n"
        "or enter this code where you are asked for it:\n\n    {token}\n\n"
        "If you have no account here, or have not asked for this, do nothing: the address is then not confirmed.",
        page="verify-email",
    ),
    MailKind.ACCOUNT_EXISTS: _Words(
        "You have an account already",
        "somebody, maybe you, wanted to open an account with this address. You have one already: sign in with it, or "
        'choose another password with "forgot password" where you sign in.\n\n'
        "If this was not you, you need not do anything: nothing has changed.",
    ),
    MailKind.RESET_PASSWORD: _Words(
        "Choose another password",
        "somebody, hopefully you, has forgotten the password of your account. To choose another one, open this link, "
        "within half an hour:\n\n    {link}\n\nor enter this code where you are asked for it:\n\n    {token}\n\n"
        + _NOT_YOU,
        page="reset-password",
    ),
    MailKind.INVITATION: _Words(
        "You are invited",
        "an account was made for you. To use it, choose a password behind this link, within a week:\n\n    {link}\n\n"
        "or enter this code where you are asked for it:\n\n    {token}",
        page="reset-password",
    ),
    MailKind.PROJECT_INVITATION: _Words(
        "You are invited to a project",
        "{inviter} invites you to take part in a project that is called\n\n    {project}\n\n"
        "To accept, register with this address, or sign in if you have an account, and confirm that the address is "
        "yours: then the project is among those that you see.\n\n"
        "If this means nothing to you, you need not do anything: nobody is told whether you have read it.",
    ),
    MailKind.PASSWORD_CHANGED: _Words(
        "Your password was changed",
        "the password of your account was changed.\n\n" + _TAKE_IT_BACK,
    ),
    MailKind.EMAIL_CHANGE_REQUESTED: _Words(
        "Your account is to have another address",
        "somebody, hopefully you, wants your account to have the address {email}. It will have it once that address is "
        "confirmed.\n\n" + _TAKE_IT_BACK,
    ),
    MailKind.EMAIL_CHANGED: _Words(
        "Your account has another address",
        "your account has the address {email} now, and this one no more.\n\n"
        "If this was not you, write to whoever runs this service at once.",
    ),
    MailKind.SESSION_STOLEN: _Words(
        "A session was ended",
        "one of your sessions was used from two places, as if somebody had copied it. It was ended; sign in again.\n\n"
        + _TAKE_IT_BACK,
    ),
}


def letter(mail: Mail, mail_id: UUID, *, public_url: str) -> Letter:
    """The mail in words, with links to pages below `public_url`."""
    words = _WORDS[mail.kind]
    link = f"{public_url.rstrip('/')}/{words.page}#token={mail.content['token']}" if words.page else None
    text = words.text.format_map({**mail.content, "link": link})
    # Strangers may have written the name: whoever registers an address that is not theirs does.
    greeting = f"Hello {quoted(mail.content.get('full_name', ''))}".rstrip()
    return Letter(
        id=mail_id,
        recipient=mail.recipient,
        subject=words.subject,
        text=f"{greeting},\n\n{text}\n",
        link=link,
    )
