"""Messages of the contract, to and from values of the domain."""

from tandem.work.v1 import relation_pb2, task_pb2

from work_service.relations.domain import Kind, Relation


def kind(value: "relation_pb2.Relation.Kind.ValueType") -> Kind:
    """A kind that is set."""
    return Kind(relation_pb2.Relation.Kind.Name(value))


def relation(relation: Relation) -> relation_pb2.Relation:
    """A relation."""
    message = relation_pb2.Relation(
        kind=relation_pb2.Relation.Kind.Value(relation.kind.value),
        other=str(relation.other_id),
        number=relation.number,
        title=relation.title,
        status=task_pb2.Task.Status.Value(relation.status.value),
    )
    message.create_time.FromDatetime(relation.create_time)
    return message
