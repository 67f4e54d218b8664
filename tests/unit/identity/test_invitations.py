"""What strangers read of other people's words."""

import pytest

from chassis.ids import new_id
from identity_service.mail.domain import Mail, MailKind, quoted
from identity_service.mail.texts import letter


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("Apollo", "Apollo"),
        ("  Land on\tthe\n\n\rmoon ", "Land on the moon"),
        ("x\r\nBcc: eve@example.com", "x Bcc: eve@example. com"),
        ("http://evil.example/a", "http //evil. example/a"),
        ("https://localhost", "https //localhost"),
        ("www.evil.example", "www. evil. example"),
        ("evil\u3002example and evil\uff0eexample", "evil\u3002 example and evil\uff0e example"),
        ("\u202egnp.exe", "gnp. exe"),
        ("ze\u200bro", "ze ro"),
        ("Fin. The end...", "Fin. The end..."),
        ("<b>bold</b> & {inviter}", "<b>bold</b> & {inviter}"),
        ("Žluťoučký kůň 🚀", "Žluťoučký kůň 🚀"),
        ("", ""),
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 59 + "…"),
        ("ab " * 100, "ab " * 19 + "ab…"),
    ],
)
def test_is_one_short_line_with_nothing_in_it_to_open(said: str, seen: str) -> None:
    assert quoted(said) == seen


def test_an_invitation_says_by_whom_and_to_what_and_how_to_accept() -> None:
    content = {"inviter": quoted("Ada {link} <b>"), "project": quoted("Apollo")}
    mail = Mail(kind=MailKind.PROJECT_INVITATION, recipient="bob@example.com", content=content)
    written = letter(mail, new_id(), public_url="https://tandem.example/")
    assert written.subject == "You are invited to a project"
    assert written.link is None
    assert written.text == (
        "Hello,\n\n"
        "Ada {link} <b> invites you to take part in a project that is called\n\n    Apollo\n\n"
        "To accept, register with this address, or sign in if you have an account, and confirm that the address is "
        "yours: then the project is among those that you see.\n\n"
        "If this means nothing to you, you need not do anything: nobody is told whether you have read it.\n"
    )
