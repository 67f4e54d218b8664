"""Messages of the contract, to and from values of the domain."""

from typing import Protocol, cast

from tandem.work.v1 import project_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.masks import named_fields
from work_service.access import Caller, Role, caller
from work_service.profiles.translate import person
from work_service.projects.domain import NewProject, Project, ProjectEdit, ProjectRef, State

_CHANGEABLE = ("slug", "title", "description")


class Change(Protocol):
    """A request that changes something in a project."""

    @property
    def project(self) -> str:
        """The project's id or slug."""
        ...

    @property
    def idempotency_key(self) -> str:
        """What the caller calls this attempt."""
        ...


def in_project(request: Change) -> tuple[Caller, ProjectRef]:
    """Who wants to change something, and in which project."""
    return caller(attempt=request.idempotency_key), ProjectRef.read(request.project)


def new_project(request: project_pb2.CreateProjectRequest) -> NewProject:
    """The project that somebody wants.

    Raises:
        InvalidArgument: It shall be archived before it is there.
    """
    wanted = request.project
    begun = state(wanted.state) if wanted.state else State.ACTIVE
    if begun is State.ARCHIVED:
        raise InvalidArgument(FieldViolation("project.state", "must be DRAFT or ACTIVE"))
    return NewProject(title=wanted.title, slug=wanted.slug, description=wanted.description, state=begun)


def project_edit(request: project_pb2.UpdateProjectRequest) -> ProjectEdit:
    """What shall change. A project always has a slug: one that is not sent, or is empty, stays."""
    wanted = request.project
    named = named_fields(wanted, request.update_mask.paths, _CHANGEABLE)
    edit = {name: getattr(wanted, name) for name in named if name != "slug" or wanted.slug}
    return cast("ProjectEdit", edit)


def project(project: Project) -> project_pb2.Project:
    """A project, as one of its members sees it."""
    message = project_pb2.Project(
        id=str(project.id),
        slug=project.slug,
        title=project.title,
        description=project.description,
        owner=person(project.owner_id, project.people),
        my_role=role_value(project.my_role),
        state=project_pb2.Project.State.Value(project.state.value),
        personal=project.personal_user_id is not None,
        etag=project.etag,
    )
    message.create_time.FromDatetime(project.create_time)
    message.update_time.FromDatetime(project.update_time)
    if project.delete_time is not None:
        message.delete_time.FromDatetime(project.delete_time)
    return message


def state(value: "project_pb2.Project.State.ValueType") -> State:
    """A state that is set."""
    return State(project_pb2.Project.State.Name(value))


def role(value: "project_pb2.Project.Role.ValueType") -> Role:
    """A role that is set."""
    return Role(project_pb2.Project.Role.Name(value))


def role_value(role: Role) -> "project_pb2.Project.Role.ValueType":
    """A role in the contract's spelling."""
    return project_pb2.Project.Role.Value(role.value)
