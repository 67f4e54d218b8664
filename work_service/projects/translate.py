"""Messages of the contract, to and from values of the domain."""

from tandem.work.v1 import person_pb2, project_pb2

from work_service.projects.domain import NewProject, Project


def new_project(request: project_pb2.CreateProjectRequest) -> NewProject:
    """The project that somebody wants."""
    wanted = request.project
    return NewProject(title=wanted.title, slug=wanted.slug, description=wanted.description)


def project(project: Project) -> project_pb2.Project:
    """A project, as one of its members sees it."""
    message = project_pb2.Project(
        id=str(project.id),
        slug=project.slug,
        title=project.title,
        description=project.description,
        owner=person_pb2.Person(id=str(project.owner_id)),
        my_role=project_pb2.Project.Role.Value(project.my_role.value),
        etag=project.etag,
    )
    message.create_time.FromDatetime(project.create_time)
    message.update_time.FromDatetime(project.update_time)
    return message
