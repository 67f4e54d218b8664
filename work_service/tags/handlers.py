"""CategoryService and LabelService."""

from tandem.work.v1 import category_pb2, label_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.projects.domain import ProjectRef
from work_service.projects.translate import in_project
from work_service.tags import translate
from work_service.tags.commands import TagCommands
from work_service.tags.domain import Kind, TagRef
from work_service.tags.queries import TagQueries


class CategoryHandlers:
    """Check, call, translate."""

    def __init__(self, commands: TagCommands, queries: TagQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateCategory(
        self, request: category_pb2.CreateCategoryRequest, _context: Context
    ) -> category_pb2.CreateCategoryResponse:
        """Creates a category."""
        who, project = in_project(request)
        tag = await self._commands.create_tag(who, project, Kind.CATEGORY, translate.new_tag(request.category))
        return category_pb2.CreateCategoryResponse(category=translate.category(tag))

    async def GetCategory(
        self, request: category_pb2.GetCategoryRequest, _context: Context
    ) -> category_pb2.GetCategoryResponse:
        """Gets a category."""
        project, ref = ProjectRef.read(request.project), TagRef.read(request.category)
        tag = await self._queries.get_tag(caller(), project, Kind.CATEGORY, ref, deleted_too=request.show_deleted)
        return category_pb2.GetCategoryResponse(category=translate.category(tag))

    async def ListCategories(
        self, request: category_pb2.ListCategoriesRequest, _context: Context
    ) -> category_pb2.ListCategoriesResponse:
        """Lists the categories of a project."""
        found, next_page_token = await self._queries.list_tags(
            caller(),
            ProjectRef.read(request.project),
            Kind.CATEGORY,
            page_size=request.page_size,
            page_token=request.page_token,
            deleted_too=request.show_deleted,
        )
        return category_pb2.ListCategoriesResponse(
            categories=map(translate.category, found), next_page_token=next_page_token
        )

    async def UpdateCategory(
        self, request: category_pb2.UpdateCategoryRequest, _context: Context
    ) -> category_pb2.UpdateCategoryResponse:
        """Changes a category."""
        who, project = in_project(request)
        edit = translate.tag_edit(request.category, request.update_mask.paths)
        ref = TagRef.read(request.category_ref)
        tag = await self._commands.update_tag(who, project, Kind.CATEGORY, ref, edit, etag=request.etag)
        return category_pb2.UpdateCategoryResponse(category=translate.category(tag))

    async def DeleteCategory(
        self, request: category_pb2.DeleteCategoryRequest, _context: Context
    ) -> category_pb2.DeleteCategoryResponse:
        """Deletes a category."""
        who, project = in_project(request)
        await self._commands.delete_tag(who, project, Kind.CATEGORY, TagRef.read(request.category), etag=request.etag)
        return category_pb2.DeleteCategoryResponse()

    async def UndeleteCategory(
        self, request: category_pb2.UndeleteCategoryRequest, _context: Context
    ) -> category_pb2.UndeleteCategoryResponse:
        """Restores a category."""
        who, project = in_project(request)
        tag = await self._commands.undelete_tag(who, project, Kind.CATEGORY, TagRef.read(request.category))
        return category_pb2.UndeleteCategoryResponse(category=translate.category(tag))


class LabelHandlers:
    """Check, call, translate."""

    def __init__(self, commands: TagCommands, queries: TagQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateLabel(
        self, request: label_pb2.CreateLabelRequest, _context: Context
    ) -> label_pb2.CreateLabelResponse:
        """Creates a label."""
        who, project = in_project(request)
        tag = await self._commands.create_tag(who, project, Kind.LABEL, translate.new_tag(request.label))
        return label_pb2.CreateLabelResponse(label=translate.label(tag))

    async def GetLabel(self, request: label_pb2.GetLabelRequest, _context: Context) -> label_pb2.GetLabelResponse:
        """Gets a label."""
        project, ref = ProjectRef.read(request.project), TagRef.read(request.label)
        tag = await self._queries.get_tag(caller(), project, Kind.LABEL, ref, deleted_too=request.show_deleted)
        return label_pb2.GetLabelResponse(label=translate.label(tag))

    async def ListLabels(self, request: label_pb2.ListLabelsRequest, _context: Context) -> label_pb2.ListLabelsResponse:
        """Lists the labels of a project."""
        found, next_page_token = await self._queries.list_tags(
            caller(),
            ProjectRef.read(request.project),
            Kind.LABEL,
            page_size=request.page_size,
            page_token=request.page_token,
            deleted_too=request.show_deleted,
        )
        return label_pb2.ListLabelsResponse(labels=map(translate.label, found), next_page_token=next_page_token)

    async def UpdateLabel(
        self, request: label_pb2.UpdateLabelRequest, _context: Context
    ) -> label_pb2.UpdateLabelResponse:
        """Changes a label."""
        who, project = in_project(request)
        edit = translate.tag_edit(request.label, request.update_mask.paths)
        ref = TagRef.read(request.label_ref)
        tag = await self._commands.update_tag(who, project, Kind.LABEL, ref, edit, etag=request.etag)
        return label_pb2.UpdateLabelResponse(label=translate.label(tag))

    async def DeleteLabel(
        self, request: label_pb2.DeleteLabelRequest, _context: Context
    ) -> label_pb2.DeleteLabelResponse:
        """Deletes a label."""
        who, project = in_project(request)
        await self._commands.delete_tag(who, project, Kind.LABEL, TagRef.read(request.label), etag=request.etag)
        return label_pb2.DeleteLabelResponse()

    async def UndeleteLabel(
        self, request: label_pb2.UndeleteLabelRequest, _context: Context
    ) -> label_pb2.UndeleteLabelResponse:
        """Restores a label."""
        who, project = in_project(request)
        tag = await self._commands.undelete_tag(who, project, Kind.LABEL, TagRef.read(request.label))
        return label_pb2.UndeleteLabelResponse(label=translate.label(tag))
