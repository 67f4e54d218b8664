"""Messages of the contract, to and from values of the domain."""

from typing import Any
from uuid import UUID

from tandem.identity.v1 import auth_pb2, session_pb2

from identity_service.sessions.commands import Tokens
from identity_service.sessions.domain import Session


def login_response(tokens: Tokens) -> auth_pb2.LoginResponse:
    """The tokens of a new session."""
    return auth_pb2.LoginResponse(**_fields(tokens))


def refresh_response(tokens: Tokens) -> auth_pb2.RefreshResponse:
    """A session's next tokens."""
    return auth_pb2.RefreshResponse(**_fields(tokens))


def session(session: Session, *, current: UUID | None) -> session_pb2.Session:
    """A session, for whoever may see it; `current` is the one that they call with."""
    message = session_pb2.Session(
        id=str(session.id),
        user_agent=session.user_agent,
        address=session.address,
        current=session.id == current,
    )
    message.create_time.FromDatetime(session.create_time)
    message.last_use_time.FromDatetime(session.rotate_time)
    message.expire_time.FromDatetime(session.end_time)
    return message


def _fields(tokens: Tokens) -> dict[str, Any]:
    """Tokens, with their lifetimes in whole seconds."""
    return {
        "access_token": tokens.access.token,
        "token_type": "Bearer",
        "expires_in": int(tokens.access.lifetime.total_seconds()),
        "refresh_token": tokens.refresh,
        "refresh_expires_in": int(tokens.refresh_lifetime.total_seconds()),
    }
