"""Messages of the contract, to and from values of the domain."""

from tandem.identity.v1 import token_pb2

from identity_service.service_accounts.queries import MachineToken


def token_response(token: MachineToken) -> token_pb2.IssueTokenResponse:
    """A machine's token, with its lifetime in whole seconds."""
    return token_pb2.IssueTokenResponse(
        access_token=token.access.token,
        token_type="Bearer",  # noqa: S106 - the type's name is no secret
        expires_in=int(token.access.lifetime.total_seconds()),
        scope=" ".join(sorted(token.scopes)),
    )
