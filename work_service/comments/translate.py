"""Messages of the contract, out of values of the domain."""

from tandem.work.v1 import comment_pb2

from work_service.comments.domain import Comment
from work_service.profiles.translate import person


def comment(comment: Comment) -> comment_pb2.Comment:
    """A comment."""
    message = comment_pb2.Comment(
        id=str(comment.id),
        project=str(comment.project_id),
        task=str(comment.task_id),
        author=person(comment.author_id, comment.people),
        text=comment.text,
        etag=comment.etag,
    )
    message.create_time.FromDatetime(comment.create_time)
    message.update_time.FromDatetime(comment.update_time)
    return message
