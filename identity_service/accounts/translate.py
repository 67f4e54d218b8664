"""Messages of the contract, to and from values of the domain."""

from typing import cast

from tandem.identity.v1 import auth_pb2, profile_pb2, user_pb2

from chassis.masks import named_fields
from chassis.secret import Secret
from identity_service.accounts.domain import NameKind, Profile, ProfileEdit, Registration, User, normalized

_CHANGEABLE = ("full_name", "username")


def registration(request: auth_pb2.RegisterRequest) -> Registration:
    """Who wants to register."""
    return Registration(
        email=normalized(request.email),
        password=Secret(request.password),
        full_name=request.full_name,
        username=request.username,
    )


def profile_edit(request: auth_pb2.UpdateMeRequest) -> ProfileEdit:
    """What shall change."""
    named = named_fields(request.user, request.update_mask.paths, _CHANGEABLE)
    return cast("ProfileEdit", {name: getattr(request.user, name) for name in named})


def user(user: User) -> user_pb2.User:
    """A user, for those who may see all of them."""
    message = user_pb2.User(
        id=str(user.id),
        email=user.email,
        email_verified=user.email_verified,
        username=user.username,
        full_name=user.full_name,
        role=user_pb2.User.Role.Value(user.role.value),
        disabled=user.disabled,
        etag=user.etag,
    )
    message.create_time.FromDatetime(user.create_time)
    message.update_time.FromDatetime(user.update_time)
    if user.delete_time is not None:
        message.delete_time.FromDatetime(user.delete_time)
    if user.last_login_time is not None:
        message.last_login_time.FromDatetime(user.last_login_time)
    return message


def name(request: profile_pb2.LookupProfileRequest) -> tuple[NameKind, str]:
    """Whom to find, and by what."""
    kind = NameKind(request.WhichOneof("name") or "")
    return kind, getattr(request, kind.value)


def profile(profile: Profile) -> profile_pb2.Profile:
    """A user, for everybody else."""
    return profile_pb2.Profile(id=str(profile.id), username=profile.username, full_name=profile.full_name)
