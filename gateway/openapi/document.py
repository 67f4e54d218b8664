"""Every operation of a contract, as one OpenAPI 3.1 document."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from protobuf import DescField, DescMessage

from gateway import templates
from gateway.descriptors import Binding, Contract, Method
from gateway.errors import CODES
from gateway.openapi.comments import Comments, summary
from gateway.openapi.rules import Rules, Schema
from gateway.openapi.schemas import Schemas
from gateway.templates import ONE, REST, Template, Variable
from gateway.transcode import fields
from gateway.transcode.raw import is_raw
from gateway.transcode.request import FORM
from gateway.transcode.response import Spelling

_VERBS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
_DEEPEST: Final = 3
"""How far parameters look into messages; the gateway itself goes on."""
_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "if_match": ("If-Match", "The version that is meant, in double quotes: 412 if it is no longer the current one."),
    "idempotency_key": ("Idempotency-Key", "What this attempt is called: sent again, it is done once."),
    "last_event_id": ("Last-Event-ID", "The id of the last event that has arrived, to go on after it."),
}
_ERROR: Final[Schema] = {
    "type": "object",
    "title": "Error",
    "description": "What went wrong. Branch on `details[].reason`, never on the message.",
    "properties": {
        "code": {"type": "integer", "description": "The HTTP status."},
        "message": {"type": "string", "description": "For people."},
        "status": {"type": "string", "enum": [name for name, _ in CODES.values() if name != "OK"]},
        "details": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        "requestId": {"type": "string"},
    },
    "required": ["code", "message", "status", "details", "requestId"],
}
_OAUTH_ERROR: Final[Schema] = {
    "type": "object",
    "title": "OAuthError",
    "description": "What went wrong, as RFC 6749 (section 5.2) has it.",
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "required": ["error"],
}
_ERRORS: Final[Mapping[str, Schema]] = {"Error": _ERROR, "OAuthError": _OAUTH_ERROR}


def document(contract: Contract, *, title: str, version: str, spelling: Spelling) -> bytes:
    """The document, as JSON."""
    return json.dumps(_Writer(contract, spelling).document(title, version), ensure_ascii=False).encode()


class _Writer:
    """Writes one document."""

    def __init__(self, contract: Contract, spelling: Spelling) -> None:
        self._contract = contract
        self._comments = Comments()
        self._rules = Rules(contract.registry)
        self._schemas = Schemas(self._comments, self._rules, spelling)
        self._paths: dict[str, dict[str, Any]] = {}
        self._names = _names(binding.template for method in contract.methods for binding in method.bindings)

    def document(self, title: str, version: str) -> Schema:
        for method in self._contract.methods:
            for number, binding in enumerate(method.bindings):
                if binding.verb in _VERBS:
                    self._add(method, binding, number)
        return {
            "openapi": "3.1.0",
            "info": {"title": title, "version": version},
            "tags": list(self._tags()),
            "paths": self._paths,
            "components": {
                "schemas": {**_ERRORS, **dict(sorted(self._schemas.components.items()))},
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "basic": {"type": "http", "scheme": "basic"},
                },
            },
        }

    def _tags(self) -> Iterator[Schema]:
        seen: set[str] = set()
        for method in self._contract.methods:
            service = method.desc.parent
            if service.type_name not in seen:
                seen.add(service.type_name)
                comment = self._comments.of(service)
                yield {"name": service.name, **({"description": comment} if comment else {})}

    def _add(self, method: Method, binding: Binding, number: int) -> None:
        template = templates.parse(binding.template)
        path = self._names[template.shape]
        operation: Schema = {
            "operationId": f"{method.desc.parent.name}_{method.name}" + (f"_{number + 1}" if number else ""),
            "tags": [method.desc.parent.name],
        }
        comment = self._comments.of(method.desc)
        if comment:
            operation |= {"summary": summary(comment), "description": comment}
        if method.desc.deprecated:
            operation["deprecated"] = True
        parameters = [
            *self._path_parameters(method, template, path),
            *self._header_parameters(method, binding),
            *self._query_parameters(method, binding, template),
        ]
        if parameters:
            operation["parameters"] = parameters
        if binding.body:
            operation["requestBody"] = self._body(method, binding)
        operation["responses"] = self._responses(method, binding)
        if method.access:
            operation["security"] = _security(method)
        self._paths.setdefault(path, {})[binding.verb.lower()] = operation

    def _path_parameters(self, method: Method, template: Template, path: str) -> Iterator[Schema]:
        for name, variable in zip(_NAME.findall(path), _variables(template), strict=True):
            schema: Schema = {"type": "string"}
            if variable is not None:
                schema = self._schemas.field(_field_at(method.input, variable.path))
                if not variable.single:
                    schema["description"] = f"{schema.get('description', '')} May hold slashes.".strip()
            yield _parameter(name, "path", schema, required=True)

    @staticmethod
    def _header_parameters(method: Method, binding: Binding) -> Iterator[Schema]:
        for option, (header, words) in _HEADERS.items():
            if getattr(method.rest, option):
                yield _parameter(header, "header", {"type": "string", "description": words})
        if method.rest.etag and binding.verb == "GET":
            words = "A version that is known already, in double quotes: 304 if it is still the current one."
            yield _parameter("If-None-Match", "header", {"type": "string", "description": words})

    def _query_parameters(self, method: Method, binding: Binding, template: Template) -> Iterator[Schema]:
        if binding.body == "*":
            return
        required = self._schemas.required(method.input)
        taken = {variable.path for variable in template.variables}
        for path, name, field in self._below(method.input, "", "", _DEEPEST):
            if path not in taken and path.partition(".")[0] != binding.body:
                parameter = _parameter(name, "query", self._schemas.field(field), required=name in required)
                if fields.is_map(field):
                    parameter |= {"style": "deepObject", "explode": True}
                yield parameter

    def _below(self, message: DescMessage, path: str, name: str, depth: int) -> Iterator[tuple[str, str, DescField]]:
        """Every field that text can fill, the path to it, and the name of its parameter."""
        for field in message.fields:
            inner, inner_name = path + field.name, name + self._schemas.named(field)
            element = fields.element_of(field)
            if fields.converter(element) is not None:
                yield inner, inner_name, field
            elif isinstance(element, DescMessage) and _opens(field, element) and depth:
                yield from self._below(element, f"{inner}.", f"{inner_name}.", depth - 1)

    def _body(self, method: Method, binding: Binding) -> Schema:
        proto_names = method.rest.proto_field_names
        if binding.body == "*":
            message: DescMessage | None = method.input
            schema = self._schemas.message(method.input, proto_names=proto_names)
        else:
            field = _field_at(method.input, binding.body)
            element = fields.element_of(field)
            message = element if isinstance(element, DescMessage) and "$ref" in self._schemas.field(field) else None
            schema = self._schemas.field(field, proto_names=proto_names)
        if is_raw(message):
            return {"content": {"*/*": {"schema": {}}}}
        in_path = {variable.path.partition(".")[0] for variable in templates.parse(binding.template).variables}
        if message is not None and binding.verb != "PATCH":
            required = [
                name
                for name in self._schemas.required(message, proto_names=proto_names)
                if binding.body != "*" or name not in in_path
            ]
            if required and fields.is_object(message):
                schema = {"allOf": [schema], "required": required}
        media = ["application/json", *([FORM] if method.rest.form_body else [])]
        return {"content": {name: {"schema": schema} for name in media}, "required": bool(schema.get("required"))}

    def _responses(self, method: Method, binding: Binding) -> Schema:
        error = "OAuthError" if method.rest.error_style else "Error"
        failed = {
            "description": "What went wrong.",
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{error}"}}},
        }
        answered: Schema = {"description": self._comments.of(method.output) or "As it was asked for."}
        if method.rest.success_status != 204:
            answered["content"] = self._content(method, binding)
        headers = {
            name: {"schema": {"type": "string"}}
            for name, given in (("ETag", method.rest.etag), ("Location", method.rest.location))
            if given
        }
        if headers:
            answered["headers"] = headers
        responses: Schema = {str(method.rest.success_status): answered}
        if method.rest.etag and binding.verb == "GET":
            responses["304"] = {"description": "It has not changed."}
        return {**responses, "default": failed}

    def _content(self, method: Method, binding: Binding) -> Schema:
        proto_names = method.rest.proto_field_names
        if not binding.response_body:
            element: Any = method.output
            schema = None if is_raw(element) else self._schemas.message(element, proto_names=proto_names)
        else:
            field = _field_at(method.output, binding.response_body)
            element = fields.element_of(field)
            schema = None if is_raw(element) else self._schemas.field(field, proto_names=proto_names)
        if schema is None:
            return {"*/*": {"schema": {}}}
        if method.kind == "server_streaming":
            return {name: {"schema": schema} for name in ("application/x-ndjson", "text/event-stream")}
        return {"application/json": {"schema": schema}}


_NAME = re.compile(r"\{([^}]*)\}")


def _names(texts: Iterable[str]) -> dict[str, str]:
    """A path for every shape: two templates of one shape are one path, and have the plainer names of the two."""
    names: dict[str, str] = {}
    for text in texts:
        template = templates.parse(text)
        path = _path(template)
        known = names.setdefault(template.shape, path)
        if path.count(".") < known.count("."):
            names[template.shape] = path
    return names


def _variables(template: Template) -> Iterator[Variable | None]:
    """What stands in each pair of braces; None for a wildcard without a name."""
    named = {variable.start: variable for variable in template.variables}
    index = 0
    while index < len(template.segments):
        variable = named.get(index)
        if variable is not None:
            yield variable
            index = len(template.segments) if variable.end is None else variable.end
            continue
        if template.segments[index] in (ONE, REST):
            yield None
        index += 1


def _path(template: Template) -> str:
    """A template as OpenAPI writes it: a variable is one pair of braces, whatever it stands for."""
    parts: list[str] = []
    named = {variable.start: variable for variable in template.variables}
    index = 0
    while index < len(template.segments):
        variable, segment = named.get(index), template.segments[index]
        if variable is not None:
            parts.append(f"{{{variable.path}}}")
            index = len(template.segments) if variable.end is None else variable.end
            continue
        parts.append(f"{{segment{index}}}" if segment in (ONE, REST) else segment[1:])
        index += 1
    return "/" + "/".join(parts) + (f":{template.verb}" if template.verb else "")


def _parameter(name: str, where: str, schema: Schema, *, required: bool = False) -> Schema:
    description = schema.get("description", "")
    inner = {key: value for key, value in schema.items() if key != "description"}
    return {
        "name": name,
        "in": where,
        **({"description": description} if description else {}),
        **({"required": True} if required else {}),
        "schema": inner,
    }


def _field_at(message: DescMessage, path: str) -> DescField:
    """The field at a path that has been found good when the route was compiled."""
    *way, last = path.split(".")
    for name in way:
        element: Any = fields.element_of(_field(message, name))
        message = element
    return _field(message, last)


def _field(message: DescMessage, name: str) -> DescField:
    return next(field for field in message.fields if field.name == name)


def _opens(field: DescField, element: DescMessage) -> bool:
    """Whether names may go on into the field."""
    return fields.is_object(element) and not fields.is_repeated(field) and not fields.is_map(field)


def _security(method: Method) -> Sequence[Schema]:
    if method.access == "ANYONE":
        return [{"basic": []}, {}] if method.rest.basic_username else []
    bearer: Schema = {"bearer": []}
    return [bearer, {}] if method.access == "TOKEN_OPTIONAL" else [bearer]
