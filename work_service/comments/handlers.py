"""CommentService."""

from uuid import UUID

from tandem.work.v1 import comment_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.comments import translate
from work_service.comments.commands import CommentCommands
from work_service.comments.domain import CommentId
from work_service.comments.queries import CommentQueries
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import TaskRef
from work_service.tasks.handlers import named


class CommentHandlers:
    """Check, call, translate."""

    def __init__(self, commands: CommentCommands, queries: CommentQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateComment(
        self, request: comment_pb2.CreateCommentRequest, _context: Context
    ) -> comment_pb2.CreateCommentResponse:
        """Adds a comment to a task."""
        comment = await self._commands.create_comment(*named(request, request.task), request.comment.text)
        return comment_pb2.CreateCommentResponse(comment=translate.comment(comment))

    async def GetComment(
        self, request: comment_pb2.GetCommentRequest, _context: Context
    ) -> comment_pb2.GetCommentResponse:
        """Gets a comment."""
        project, task = ProjectRef.read(request.project), TaskRef.read(request.task)
        comment = await self._queries.get_comment(caller(), project, task, _id(request.comment_id))
        return comment_pb2.GetCommentResponse(comment=translate.comment(comment))

    async def ListComments(
        self, request: comment_pb2.ListCommentsRequest, _context: Context
    ) -> comment_pb2.ListCommentsResponse:
        """Lists the comments on a task."""
        comments, next_page_token = await self._queries.list_comments(
            caller(),
            ProjectRef.read(request.project),
            TaskRef.read(request.task),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return comment_pb2.ListCommentsResponse(
            comments=map(translate.comment, comments), next_page_token=next_page_token
        )

    async def UpdateComment(
        self, request: comment_pb2.UpdateCommentRequest, _context: Context
    ) -> comment_pb2.UpdateCommentResponse:
        """Changes the text of a comment."""
        comment = await self._commands.update_comment(
            *named(request, request.task), _id(request.comment_id), request.comment.text, etag=request.etag
        )
        return comment_pb2.UpdateCommentResponse(comment=translate.comment(comment))

    async def DeleteComment(
        self, request: comment_pb2.DeleteCommentRequest, _context: Context
    ) -> comment_pb2.DeleteCommentResponse:
        """Removes a comment."""
        await self._commands.delete_comment(*named(request, request.task), _id(request.comment_id), etag=request.etag)
        return comment_pb2.DeleteCommentResponse()


def _id(text: str) -> CommentId:
    return CommentId(UUID(text))
