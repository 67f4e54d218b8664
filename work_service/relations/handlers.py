"""RelationService."""

from tandem.work.v1 import relation_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.projects.domain import ProjectRef
from work_service.relations import translate
from work_service.relations.commands import RelationCommands
from work_service.relations.queries import RelationQueries
from work_service.tasks.domain import TaskRef
from work_service.tasks.handlers import named


class RelationHandlers:
    """Check, call, translate."""

    def __init__(self, commands: RelationCommands, queries: RelationQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def AddRelation(
        self, request: relation_pb2.AddRelationRequest, _context: Context
    ) -> relation_pb2.AddRelationResponse:
        """Relates a task to another one."""
        who, project, task = named(request, request.task)
        other, kind = TaskRef.read(request.other), translate.kind(request.kind)
        relation = await self._commands.add_relation(who, project, task, kind, other)
        return relation_pb2.AddRelationResponse(relation=translate.relation(relation))

    async def ListRelations(
        self, request: relation_pb2.ListRelationsRequest, _context: Context
    ) -> relation_pb2.ListRelationsResponse:
        """Lists what a task is related to."""
        project, task = ProjectRef.read(request.project), TaskRef.read(request.task)
        found = await self._queries.list_relations(caller(), project, task)
        return relation_pb2.ListRelationsResponse(relations=map(translate.relation, found))

    async def RemoveRelation(
        self, request: relation_pb2.RemoveRelationRequest, _context: Context
    ) -> relation_pb2.RemoveRelationResponse:
        """Takes a relation away."""
        who, project, task = named(request, request.task)
        other, kind = TaskRef.read(request.other), translate.kind(request.kind)
        await self._commands.remove_relation(who, project, task, kind, other)
        return relation_pb2.RemoveRelationResponse()
