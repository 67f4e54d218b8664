"""Messages of the contract, out of values of the domain."""

from tandem.identity.v1 import feed_pb2, profile_pb2

from identity_service.feed.domain import (
    KeyRevoked,
    ProfileChanged,
    SessionEnded,
    TokenRevoked,
    TokensInvalidated,
    Told,
)


def watch_response(told: Told) -> feed_pb2.WatchResponse:
    """One event at its place, or a sign of life."""
    message = feed_pb2.WatchResponse(cursor=str(told.cursor))
    match told.event:
        case SessionEnded(subject=session):
            message.session_ended.session_id = str(session)
        case TokensInvalidated(subject=subject, token_version=version):
            message.tokens_invalidated.CopyFrom(feed_pb2.TokensInvalidated(subject=str(subject), token_version=version))
        case TokenRevoked(subject=token_id):
            message.token_revoked.token_id = token_id
        case KeyRevoked(subject=kid):
            message.key_revoked.kid = kid
        case ProfileChanged() as profile:
            message.profile_changed.CopyFrom(_profile_changed(profile))
        case None:
            pass
    if told.event is not None and told.event.until is not None:
        message.expire_time.FromDatetime(told.event.until)
    return message


def _profile_changed(event: ProfileChanged) -> feed_pb2.ProfileChanged:
    profile = profile_pb2.Profile(id=str(event.subject), username=event.username, full_name=event.full_name)
    return feed_pb2.ProfileChanged(
        profile=profile, verified_email=event.verified_email, disabled=event.disabled, deleted=event.deleted
    )
