"""Field masks (AIP-134, AIP-161): which fields of a resource a request changes."""

from collections.abc import Collection, Sequence

from google.protobuf.message import Message

from chassis.errors import FieldViolation, InvalidArgument

EVERYTHING = "*"


def named_fields(resource: Message, paths: Sequence[str], changeable: Collection[str]) -> frozenset[str]:
    """The changeable fields that a mask names: those that are set without one, all of them with "*".

    Fields that the server alone sets may be named, and reached into, and are left out: whoever sends back what they
    got names them.

    Raises:
        InvalidArgument: The resource has no field of that name, or the mask reaches into one that is changeable.
    """
    if not paths:
        return frozenset(field.name for field, _ in resource.ListFields()).intersection(changeable)
    if EVERYTHING in paths:
        return frozenset(changeable)
    violations = []
    for path in paths:
        field = path.partition(".")[0]
        if field not in resource.DESCRIPTOR.fields_by_name:
            violations.append(FieldViolation("update_mask", f"there is no field {path!r}"))
        elif field in changeable and field != path:
            violations.append(FieldViolation("update_mask", f"{field!r} is changed as a whole"))
    if violations:
        raise InvalidArgument(*violations)
    return frozenset(paths).intersection(changeable)


def covers(paths: Sequence[str], resource: Message, field: str) -> bool:
    """Whether a mask makes `field` of the resource matter."""
    if not paths:
        return any(known.name == field for known, _ in resource.ListFields())
    return EVERYTHING in paths or field in paths
