"""`buf.validate` rules in the words of JSON Schema, as far as it has any."""

from collections.abc import Callable, Mapping
from typing import Any

from protobuf import DescField, Registry

Schema = dict[str, Any]

_OPTION = "buf.validate.field"
_BEHAVIOR = "google.api.field_behavior"
_OUTPUT_ONLY = 3
_PRESENCE_IMPLICIT = 2
_IGNORE_ALWAYS = 3
_FORMATS = {"email": "email", "uuid": "uuid", "uri": "uri", "hostname": "hostname", "ipv4": "ipv4", "ipv6": "ipv6"}
_NUMBERS = ("int32", "sint32", "sfixed32", "uint32", "fixed32", "double", "float")


class Rules:
    """Reads the rules of fields."""

    def __init__(self, registry: Registry) -> None:
        """A contract without rules has none to be read."""
        extension = registry.extension(_OPTION)
        self._option = None if extension is None else extension.type
        behavior = registry.extension(_BEHAVIOR)
        self._behavior = None if behavior is None else behavior.type

    def of(self, field: DescField) -> Schema:
        """What narrows the schema of the field's type."""
        rules = self._rules(field)
        return {} if rules is None else _narrowed(rules)

    def is_required(self, field: DescField) -> bool:
        """Whether a request without the field is refused."""
        rules = self._rules(field)
        if rules is None:
            return False
        if rules.required:
            return True
        if rules.ignore or field.presence != _PRESENCE_IMPLICIT or rules.type is None:
            return False
        return _refuses_nothing(rules.type.field, rules.type.value)

    def is_output(self, field: DescField) -> bool:
        """Whether only servers set the field (AIP-203)."""
        options = field.proto.options
        if self._behavior is None or options is None or self._behavior not in options:
            return False
        behaviors: Any = options[self._behavior]
        return _OUTPUT_ONLY in behaviors

    def _rules(self, field: DescField) -> Any:
        options = field.proto.options
        if self._option is None or options is None or self._option not in options:
            return None
        rules: Any = options[self._option]
        return None if rules.ignore == _IGNORE_ALWAYS else rules


def _refuses_nothing(kind: str, rules: Any) -> bool:
    """Whether the value of a field that is not sent breaks its rules."""
    if kind == "string":
        return bool(rules.min_len or rules.len or rules.const or rules.well_known is not None)
    if kind == "enum":
        return 0 in rules.not_in
    return bool(getattr(rules, "min_items", 0) or getattr(rules, "min_pairs", 0))


def _narrowed(rules: Any) -> Schema:
    if rules.type is None:
        return {}
    kind = rules.type.field
    read = _READERS.get(kind) or (_number if kind in _NUMBERS else None)
    schema = {} if read is None else read(rules.type.value)
    if not rules.ignore or not schema or kind in ("repeated", "map"):
        return schema
    # What is not sent, or zero, passes in any case.
    return {} if kind == "enum" else {"anyOf": [{"const": "" if kind == "string" else 0}, schema]}


def _given(rules: Any, names: Mapping[str, str]) -> Schema:
    """The rules that are set, under their names in JSON Schema."""
    return {said: getattr(rules, name) for name, said in names.items() if _is_set(rules, name)}


def _is_set(rules: Any, name: str) -> bool:
    return bool(rules.has_field(name))


def _string(rules: Any) -> Schema:
    schema = _given(rules, {"const": "const", "min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"})
    if _is_set(rules, "len"):
        schema |= {"minLength": rules.len, "maxLength": rules.len}
    if rules.in_:
        schema["enum"] = list(rules.in_)
    well_known = rules.well_known
    if well_known is not None and well_known.value is True and well_known.field in _FORMATS:
        schema["format"] = _FORMATS[well_known.field]
    if rules.example:
        schema["examples"] = list(rules.example)
    return schema


def _number(rules: Any) -> Schema:
    schema = _given(rules, {"const": "const"})
    for bound, names in (
        (rules.greater_than, {"gt": "exclusiveMinimum", "gte": "minimum"}),
        (rules.less_than, {"lt": "exclusiveMaximum", "lte": "maximum"}),
    ):
        if bound is not None:
            schema[names[bound.field]] = bound.value
    if rules.in_:
        schema["enum"] = list(rules.in_)
    if rules.example:
        schema["examples"] = list(rules.example)
    return schema


def _repeated(rules: Any) -> Schema:
    schema = _given(rules, {"min_items": "minItems", "max_items": "maxItems"})
    if rules.unique:
        schema["uniqueItems"] = True
    if rules.items is not None:
        items = _narrowed(rules.items)
        if items:
            schema["items"] = items
    return schema


def _map(rules: Any) -> Schema:
    schema = _given(rules, {"min_pairs": "minProperties", "max_pairs": "maxProperties"})
    for part, said in ((rules.keys, "propertyNames"), (rules.values, "additionalProperties")):
        narrowed = _narrowed(part) if part is not None else {}
        if narrowed:
            schema[said] = narrowed
    return schema


def _enum(rules: Any) -> Schema:
    """Numbers, for whoever knows their names."""
    schema: Schema = {}
    if rules.in_:
        schema["in"] = list(rules.in_)
    if rules.not_in:
        schema["not_in"] = list(rules.not_in)
    return schema


_READERS: Mapping[str, Callable[[Any], Schema]] = {
    "string": _string,
    "repeated": _repeated,
    "map": _map,
    "enum": _enum,
}
