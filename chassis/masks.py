"""Field masks (AIP-134, AIP-161): which fields of a resource a request changes."""

from collections.abc import Collection, Sequence

from google.protobuf.message import Message

from chassis.errors import FieldViolation, InvalidArgument

EVERYTHING = "*"


def named_fields(resource: Message, paths: Sequence[str], changeable: Collection[str]) -> frozenset[str]:
    """The changeable fields that a mask names: those that are set without one, all of them with "*".

    Fields that the server alone sets may be named, and are left out.

    Raises:
        InvalidArgument: The resource has no field of that name, or the mask reaches into one.
    """
    if not paths:
        return frozenset(field.name for field, _ in resource.ListFields()).intersection(changeable)
    if EVERYTHING in paths:
        return frozenset(changeable)
    unknown = [path for path in paths if path not in resource.DESCRIPTOR.fields_by_name]
    if unknown:
        raise InvalidArgument(*(FieldViolation("update_mask", f"there is no field {path!r}") for path in unknown))
    return frozenset(paths).intersection(changeable)


def covers(paths: Sequence[str], resource: Message, field: str) -> bool:
    """Whether a mask makes `field` of the resource matter."""
    if not paths:
        return any(known.name == field for known, _ in resource.ListFields())
    return EVERYTHING in paths or field in paths
