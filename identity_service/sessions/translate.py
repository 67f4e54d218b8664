"""Messages of the contract, to and from values of the domain."""

from tandem.identity.v1 import auth_pb2

from identity_service.sessions.commands import Tokens


def login_response(tokens: Tokens) -> auth_pb2.LoginResponse:
    """A session's tokens, with their lifetimes in whole seconds."""
    return auth_pb2.LoginResponse(
        access_token=tokens.access.token,
        token_type="Bearer",  # noqa: S106 - the type's name is no secret
        expires_in=int(tokens.access.lifetime.total_seconds()),
        refresh_token=tokens.refresh,
        refresh_expires_in=int(tokens.refresh_lifetime.total_seconds()),
    )
