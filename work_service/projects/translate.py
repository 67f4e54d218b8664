"""Messages of the contract, to and from values of the domain."""

from typing import cast

from tandem.work.v1 import person_pb2, project_pb2

from chassis.masks import named_fields
from work_service.access import Role
from work_service.projects.domain import NewProject, Project, ProjectEdit

_CHANGEABLE = ("slug", "title", "description")


def new_project(request: project_pb2.CreateProjectRequest) -> NewProject:
    """The project that somebody wants."""
    wanted = request.project
    return NewProject(title=wanted.title, slug=wanted.slug, description=wanted.description)


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
        owner=person_pb2.Person(id=str(project.owner_id)),
        my_role=role_value(project.my_role),
        etag=project.etag,
    )
    message.create_time.FromDatetime(project.create_time)
    message.update_time.FromDatetime(project.update_time)
    if project.delete_time is not None:
        message.delete_time.FromDatetime(project.delete_time)
    return message


def role(value: "project_pb2.Project.Role.ValueType") -> Role:
    """A role that is set."""
    return Role(project_pb2.Project.Role.Name(value))


def role_value(role: Role) -> "project_pb2.Project.Role.ValueType":
    """A role in the contract's spelling."""
    return project_pb2.Project.Role.Value(role.value)
