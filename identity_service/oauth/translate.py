"""Messages of the contract, to and from values of the domain."""

from google.protobuf.struct_pb2 import ListValue
from tandem.identity.v1 import token_pb2

from chassis.secret import Secret
from identity_service.access_tokens import SCOPES
from identity_service.oauth.commands import MachineToken
from identity_service.oauth.domain import (
    ASSERTION_ALGORITHMS,
    AUTH_METHODS,
    CLIENT_CREDENTIALS,
    Credentials,
    Introspection,
    Metadata,
)


def credentials(
    request: token_pb2.IssueTokenRequest | token_pb2.IntrospectTokenRequest | token_pb2.RevokeTokenRequest,
) -> Credentials:
    """What a client says of itself."""
    return Credentials(
        client_id=request.client_id,
        client_secret=Secret(request.client_secret),
        assertion_type=request.client_assertion_type,
        assertion=Secret(request.client_assertion),
    )


def token_response(token: MachineToken) -> token_pb2.IssueTokenResponse:
    """A machine's token, with its lifetime in whole seconds."""
    return token_pb2.IssueTokenResponse(
        access_token=token.access.token,
        token_type="Bearer",  # noqa: S106 - the type's name is no secret
        expires_in=int(token.access.lifetime.total_seconds()),
        scope=" ".join(sorted(token.scopes)),
    )


def introspection(found: Introspection | None) -> token_pb2.IntrospectTokenResponse:
    """What there is to say of a token: of one that is not good, only that."""
    if found is None:
        return token_pb2.IntrospectTokenResponse(active=False)
    claims = found.claims
    audience = ListValue()
    audience.extend(claims["aud"])
    return token_pb2.IntrospectTokenResponse(
        active=True,
        scope=claims.get("scope"),
        client_id=claims["client_id"],
        token_type="Bearer",  # noqa: S106 - the type's name is no secret
        exp=claims["exp"],
        iat=claims["iat"],
        sub=claims["sub"],
        aud=audience,
        iss=claims["iss"],
        jti=claims["jti"],
        sub_type=claims["sub_type"],
        sid=claims.get("sid"),
    )


def metadata(metadata: Metadata) -> token_pb2.GetServerMetadataResponse:
    """Where everything is, and what is supported."""
    return token_pb2.GetServerMetadataResponse(
        issuer=metadata.issuer,
        token_endpoint=metadata.token_endpoint,
        jwks_uri=metadata.at("/.well-known/jwks.json"),
        scopes_supported=SCOPES,
        grant_types_supported=[CLIENT_CREDENTIALS],
        token_endpoint_auth_methods_supported=AUTH_METHODS,
        token_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        introspection_endpoint=metadata.at("/oauth2/introspect"),
        introspection_endpoint_auth_methods_supported=AUTH_METHODS,
        introspection_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        revocation_endpoint=metadata.at("/oauth2/revoke"),
        revocation_endpoint_auth_methods_supported=AUTH_METHODS,
        revocation_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
    )
