"""Messages of the contract, out of values of the domain."""

from tandem.work.v1 import member_pb2

from work_service.invitations.domain import Invitation
from work_service.profiles.translate import person
from work_service.projects.translate import role_value


def invitation(invitation: Invitation) -> member_pb2.Invitation:
    """Somebody who is to become a member."""
    message = member_pb2.Invitation(
        id=str(invitation.id),
        project=str(invitation.project_id),
        email=invitation.email,
        role=role_value(invitation.role),
        inviter=person(invitation.inviter_id, invitation.people),
    )
    message.create_time.FromDatetime(invitation.create_time)
    return message
