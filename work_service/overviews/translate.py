"""Messages of the contract, out of values of the domain."""

from tandem.work.v1 import project_pb2

from work_service.overviews.domain import Counts, Overview
from work_service.projects import translate as projects


def get_response(overview: Overview) -> project_pb2.GetProjectResponse:
    """A project. REST has no ETag for one with counts: they change without the project."""
    etag = overview.project.etag if overview.counts is None else ""
    return project_pb2.GetProjectResponse(project=project(overview), entity_tag=etag)


def project(overview: Overview) -> project_pb2.Project:
    """A project, with its counts if it has them."""
    message = projects.project(overview.project)
    if overview.counts is not None:
        message.counts.CopyFrom(_counts(overview.counts))
    return message


def _counts(counts: Counts) -> project_pb2.Project.Counts:
    return project_pb2.Project.Counts(
        member_count=counts.member_count,
        task_count=counts.task_count,
        open_task_count=counts.open_task_count,
    )
