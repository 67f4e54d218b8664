"""Messages of the contract, out of values of the domain."""

from tandem.identity.v1 import signing_key_pb2

from identity_service.keys.domain import SigningKey


def signing_key(key: SigningKey) -> signing_key_pb2.SigningKey:
    """A key, without what is secret of it."""
    message = signing_key_pb2.SigningKey(
        kid=key.kid,
        algorithm=key.algorithm,
        state=signing_key_pb2.SigningKey.State.Value(key.state.value),
    )
    message.create_time.FromDatetime(key.create_time)
    if key.activate_time is not None:
        message.activate_time.FromDatetime(key.activate_time)
    if key.retire_time is not None:
        message.retire_time.FromDatetime(key.retire_time)
    if key.revoke_time is not None:
        message.revoke_time.FromDatetime(key.revoke_time)
    return message
