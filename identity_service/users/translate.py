"""Messages of the contract, to and from values of the domain."""

from tandem.identity.v1 import user_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.filters import read_filter
from chassis.masks import named_fields
from identity_service.accounts.domain import Role, normalized
from identity_service.users.domain import FIELDS, Invitation, UserEdit, Wanted

_CHANGEABLE = ("username", "full_name", "role")


def invitation(request: user_pb2.CreateUserRequest) -> Invitation:
    """Who shall become a user.

    Raises:
        InvalidArgument: There is no address.
    """
    wanted = request.user
    if not wanted.email:
        raise InvalidArgument(FieldViolation("user.email", "is required"))
    return Invitation(
        email=normalized(wanted.email),
        full_name=wanted.full_name,
        username=wanted.username,
        role=role(wanted.role) or Role.USER,
    )


def user_edit(request: user_pb2.UpdateUserRequest) -> UserEdit:
    """What shall change. A user always has a role: one that is not sent stays.

    Raises:
        InvalidArgument: The mask asks for it to be cleared.
    """
    wanted, paths = request.user, request.update_mask.paths
    named = named_fields(wanted, paths, _CHANGEABLE)
    edit: UserEdit = {}
    if "username" in named:
        edit["username"] = wanted.username
    if "full_name" in named:
        edit["full_name"] = wanted.full_name
    wanted_role = role(wanted.role) if "role" in named else None  # unnamed, it may be no role at all
    if wanted_role is not None:
        edit["role"] = wanted_role
    elif "role" in paths:
        raise InvalidArgument(FieldViolation("user.role", "cannot be cleared"))
    return edit


def wanted(request: user_pb2.ListUsersRequest) -> Wanted:
    """Which users to list.

    Raises:
        InvalidArgument: The filter cannot be read.
    """
    return Wanted(
        prefix=request.q,
        role=role(request.role),
        disabled=request.disabled if request.HasField("disabled") else None,
        deleted_too=request.show_deleted,
        filter=read_filter(request.filter, FIELDS),
    )


def role(value: "user_pb2.User.Role.ValueType") -> Role | None:
    """A role, or None when none is set."""
    return Role(user_pb2.User.Role.Name(value)) if value else None
