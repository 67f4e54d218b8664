"""Messages of the contract, to and from values of the domain."""

from tandem.work.v1 import member_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.masks import named_fields
from work_service.access import Role
from work_service.identity import Kind
from work_service.members.domain import Member
from work_service.projects.translate import role, role_value


def person(request: member_pb2.AddMemberRequest) -> tuple[Kind, str]:
    """How the person was named."""
    match request.WhichOneof("person"):
        case "user_id":
            return "user_id", request.user_id
        case "username":
            return "username", request.username
        case _:
            return "email", request.email


def new_role(request: member_pb2.UpdateMemberRequest) -> Role | None:
    """The role that the member shall have; None to leave it.

    Raises:
        InvalidArgument: The mask asks for the role to be cleared.
    """
    named = named_fields(request.member, request.update_mask.paths, ("role",))
    if "role" not in named:
        return None
    if not request.member.role:
        raise InvalidArgument(FieldViolation("member.role", "cannot be cleared"))
    return role(request.member.role)


def member(member: Member) -> member_pb2.Member:
    """A person in a project."""
    message = member_pb2.Member(
        user_id=str(member.user_id),
        project=str(member.project_id),
        role=role_value(member.role),
        etag=member.etag,
    )
    message.create_time.FromDatetime(member.create_time)
    message.update_time.FromDatetime(member.update_time)
    return message
