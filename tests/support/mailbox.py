"""What the system has written to people. In the shared stack nothing is sent: it waits in the database."""

import json
from typing import Any

from sqlalchemy import func, select

from identity_service.mail import store
from identity_service.sealing import Sealer
from identity_service.tables import mails
from tests.support.sql import rows
from tests.support.stack import Stack


async def mails_to(stack: Stack, address: str, kind: str | None = None) -> list[dict[str, Any]]:
    """What was written to that address, the newest first: the `kind`, and what the words are made of."""
    sealer = Sealer(stack.identity_settings.secret_keys, store.PURPOSE)
    question = (
        select(mails).where(func.lower(mails.c.recipient) == address.lower()).order_by(mails.c.create_time.desc())
    )
    if kind is not None:
        question = question.where(mails.c.kind == kind)
    return [
        {"kind": row.kind, **json.loads(sealer.opened(row.sealed_content, str(row.id)))}
        for row in await rows(stack.identity_url, question)
    ]


async def token_to(stack: Stack, address: str, kind: str) -> str:
    """The token that was sent last."""
    token: str = (await mails_to(stack, address, kind))[0]["token"]
    return token
