"""Every operation of a contract, as one OpenAPI 3.1 document."""

import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final
from urllib.parse import quote

from protobuf import DescField, DescMessage, DescService

from gateway import templates
from gateway.descriptors import Binding, Contract, Method
from gateway.openapi.comments import Comments, summary
from gateway.openapi.examples import NOTHING, Examples
from gateway.openapi.failures import SCHEMAS, Failures
from gateway.openapi.rules import Rules, Schema
from gateway.openapi.schemas import Schemas
from gateway.rates.classes import rate_class
from gateway.templates import ONE, REST, Template, Variable
from gateway.transcode import fields
from gateway.transcode.raw import is_raw
from gateway.transcode.request import FORM, NDJSON
from gateway.transcode.response import Spelling

_VERBS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
_DEEPEST: Final = 3
"""How far parameters look into messages; the gateway itself goes on."""
_HEADERS: Final[Mapping[str, tuple[str, str, Schema]]] = {
    "if_match": (
        "If-Match",
        "The version that is meant, in double quotes: 412 if it is no longer the current one.",
        {"anyOf": [{"const": "*"}, {"pattern": '^"[!#-~]*"$'}]},
    ),
    "idempotency_key": (
        "Idempotency-Key",
        "What this attempt is called: sent again, it is done once.",
        {"pattern": "^[!-~]{1,128}$"},
    ),
    "last_event_id": (
        "Last-Event-ID",
        "The id of the last event that has arrived, to go on after it.",
        {"pattern": "^[ -~]*$"},
    ),
}
"""Options of fields that headers fill: the header, what it is for, and what it looks like."""
_TAGS: Final[Schema] = {"anyOf": [{"const": "*"}, {"pattern": '^(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*$'}]}
_ELSEWHERE: Final = (*_HEADERS, "basic_username", "basic_password")
"""Options of fields that headers fill: examples of bodies leave them out."""


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
        self._examples = Examples(self._schemas.components)
        self._failures = Failures()
        self._paths: dict[str, dict[str, Any]] = {}
        self._services = _told_apart(method.desc.parent for method in contract.methods)
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
                "schemas": {**SCHEMAS, **dict(sorted(self._schemas.components.items()))},
                "responses": dict(sorted(self._failures.components.items())),
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
                yield {"name": self._services[service.type_name], **({"description": comment} if comment else {})}

    def _add(self, method: Method, binding: Binding, number: int) -> None:
        template = templates.parse(binding.template)
        path = self._names[_shape(template)]
        service = self._services[method.desc.parent.type_name]
        operation: Schema = {
            "operationId": f"{service}_{method.name}" + (f"_{number + 1}" if number else ""),
            "tags": [service],
        }
        comment = self._comments.of(method.desc)
        if comment:
            operation |= {"summary": summary(comment)}
        words = "\n\n".join(text for text in (comment, _demands(method)) if text)
        if words:
            operation["description"] = words
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
        operation["responses"] = self._responses(method, binding, template)
        operation["x-rate-class"] = rate_class(method, binding).label
        operation["security"] = _security(method)
        self._paths.setdefault(path, {})[binding.verb.lower()] = operation

    def _path_parameters(self, method: Method, template: Template, path: str) -> Iterator[Schema]:
        for name, (index, variable) in zip(_NAME.findall(path), _wildcards(template), strict=True):
            segment = template.segments[index]
            schema: Schema = {"type": "string"}
            if variable is not None:
                spelled = _spelled(template, variable)
                if spelled == segment:
                    schema = self._schemas.field(_field_at(method.input, variable.path))
                else:
                    schema["description"] = f"The `{segment}` of `{variable.path}`, which is `{spelled}`."
            if segment == REST:
                schema["description"] = f"{schema.get('description', '')} May hold slashes.".strip()
            yield _parameter(name, "path", schema, required=True)

    @staticmethod
    def _header_parameters(method: Method, binding: Binding) -> Iterator[Schema]:
        for option, (header, words, looks) in _HEADERS.items():
            if getattr(method.rest, option):
                yield _parameter(header, "header", _header(looks, words))
        if method.rest.has_etag and binding.verb == "GET":
            words = "A version that is known already, in double quotes: 304 if it is still the current one."
            yield _parameter("If-None-Match", "header", _header(_TAGS, words))

    def _query_parameters(self, method: Method, binding: Binding, template: Template) -> Iterator[Schema]:
        if binding.body == "*":
            return
        required = self._schemas.required(method.input)
        taken = {variable.path for variable in template.variables} | _in_headers(method)
        for path, name, field in self._below(method.input, "", "", _DEEPEST):
            if path not in taken and path.partition(".")[0] != binding.body:
                schema = self._schemas.field(field)
                parameter = _parameter(name, "query", schema, required=name in required)
                # Optional ones have none: whoever tries the operation out would send them all.
                if name in required and (example := self._examples.request(schema, name)) is not NOTHING:
                    parameter["example"] = example
                if fields.is_map(field):
                    parameter |= {"style": "deepObject", "explode": True}
                elif not fields.is_repeated(field) and fields.is_free(fields.element_of(field)):
                    looks = {key: parameter.pop(key) for key in ("schema", "example") if key in parameter}
                    parameter["content"] = {"application/json": looks}  # one value, as JSON text
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
            if fields.is_object(method.input) and not method.rest.ignore_unknown:
                whole = {variable.path for variable in templates.parse(binding.template).variables}
                schema = self._schemas.closed(schema, without=self._named(method, whole | _in_headers(method)))
        else:
            field = _field_at(method.input, binding.body)
            element = fields.element_of(field)
            message = element if isinstance(element, DescMessage) and "$ref" in self._schemas.field(field) else None
            schema = self._schemas.field(field, proto_names=proto_names)
        if is_raw(message):
            return {"content": {"*/*": {"schema": {}}}}
        elsewhere = self._elsewhere(method, binding) if binding.body == "*" else ()
        if message is not None and binding.verb != "PATCH":
            required = [
                name for name in self._schemas.required(message, proto_names=proto_names) if name not in elsewhere
            ]
            if required and fields.is_object(message):
                schema = {"allOf": [schema], "required": required}
        if method.kind == "client_streaming":
            media = [NDJSON]  # each line is one
        else:
            media = ["application/json", *([FORM] if method.rest.form_body else [])]
        content: Schema = {"schema": schema}
        if (example := self._examples.request(schema, without=elsewhere)) is not NOTHING:
            content["example"] = example
        return {"content": dict.fromkeys(media, content), "required": bool(schema.get("required"))}

    def _elsewhere(self, method: Method, binding: Binding) -> Sequence[str]:
        """The fields of a request that its path or its headers fill, as the body would name them."""
        return self._named(method, _in_path(binding) | {getattr(method.rest, option) for option in _ELSEWHERE})

    def _named(self, method: Method, names: Container[str]) -> Sequence[str]:
        """These fields of a request, as the body would name them."""
        proto_names = method.rest.proto_field_names
        return [
            self._schemas.named(field, proto_names=proto_names) for field in method.input.fields if field.name in names
        ]

    def _responses(self, method: Method, binding: Binding, template: Template) -> Schema:
        answered: Schema = {"description": self._comments.of(method.output) or "As it was asked for."}
        if method.rest.success_status != 204:
            answered["content"] = self._content(method, binding)
        headers = {
            name: {"schema": {"type": "string"}}
            for name, given in (("ETag", method.rest.has_etag), ("Location", method.rest.location))
            if given
        }
        if headers:
            answered["headers"] = headers
        responses: Schema = {str(method.rest.success_status): answered}
        if method.rest.has_etag and binding.verb == "GET":
            responses["304"] = {"description": "It has not changed."}
        raw = "*/*" in answered.get("content", ())
        return responses | self._failures.of(method, binding, template, raw=raw)

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
        streams = method.kind == "server_streaming"
        content: Schema = {"schema": schema}
        if (example := self._examples.answer(schema)) is not NOTHING:
            content["example"] = example
        return dict.fromkeys((NDJSON, "text/event-stream") if streams else ("application/json",), content)


_PLAIN: Final = "!$&'()+,;=@"
"""What a literal may hold besides letters, digits and `-._~`."""
_NAME = re.compile(r"\{([^}]*)\}")


_Shape = tuple[tuple[str, ...], str | None]


def _shape(template: Template) -> _Shape:
    """The template without its names."""
    return template.segments, template.verb


def _names(texts: Iterable[str]) -> dict[_Shape, str]:
    """A path for every shape: two templates of one shape are one path, and have the plainer names of the two.

    OpenAPI cannot tell `*` from `**`: where there are both, the latter has a name of its own.
    """
    names: dict[_Shape, str] = {}
    for text in texts:
        template = templates.parse(text)
        path = _path(template)
        known = names.setdefault(_shape(template), path)
        if path.count(".") < known.count("."):
            names[_shape(template)] = path
    for (segments, verb), path in names.items():
        if segments[-1:] == (REST,) and ((*segments[:-1], ONE), verb) in names:
            names[segments, verb] = "_rest}".join(path.rsplit("}", 1))
    return names


def _in_path(binding: Binding) -> set[str]:
    """The fields of a request that its path fills, or parts of them."""
    return {variable.path.partition(".")[0] for variable in templates.parse(binding.template).variables}


def _in_headers(method: Method) -> set[str]:
    """The fields of a request that have a header of their own: there, and nowhere else, they are offered."""
    return {method.rest.if_match, method.rest.idempotency_key}


def _wildcards(template: Template) -> Iterator[tuple[int, Variable | None]]:
    """The segments that stand for others, and the variable that each is in, if it is in one."""
    for index, segment in enumerate(template.segments):
        if segment in (ONE, REST):
            inside = (
                variable
                for variable in template.variables
                if variable.start <= index and (variable.end is None or index < variable.end)
            )
            yield index, next(inside, None)


def _spelled(template: Template, variable: Variable) -> str:
    """What a variable stands for, as its template has it."""
    return "/".join(segment.removeprefix("/") for segment in template.segments[variable.start : variable.end])


def _path(template: Template) -> str:
    """A template as OpenAPI writes it: each wildcard is a pair of braces, named like the variable that it is in."""
    parts = [quote(segment[1:], safe=_PLAIN) for segment in template.segments]
    taken = {variable.path for variable in template.variables}
    begun: set[str] = set()
    for index, variable in _wildcards(template):
        name = f"segment{index}" if variable is None else variable.path
        if name in begun or (variable is None and name in taken):
            name = next(other for number in count(1) if (other := f"{name}_{number}") not in taken)
        begun.add(name)
        taken.add(name)
        parts[index] = f"{{{name}}}"
    return "/" + "/".join(parts) + (f":{template.verb}" if template.verb else "")


def _header(looks: Schema, words: str) -> Schema:
    return {"type": "string", **looks, "description": words}


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


def _told_apart(services: Iterable[DescService]) -> Mapping[str, str]:
    """What services are called, by their full names: by their own alone, unless two of them have the same."""
    names = {service.type_name: service.name for service in services}
    alike = Counter(names.values())
    return {full: name if alike[name] == 1 else full.replace(".", "_") for full, name in names.items()}


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


def _demands(method: Method) -> str:
    """What a caller has to bring along, in words."""
    demanded = (("Permission", method.permission), ("Scope of a machine's token", method.scope))
    return " ".join(f"{what}: `{value}`." for what, value in demanded if value)


def _security(method: Method) -> Sequence[Schema]:
    if method.access == "ANYONE":
        return [{"basic": []}, {}] if method.rest.basic_username else []
    bearer: Schema = {"bearer": []}
    # Where the contract does not say, a token may be sent: servers get it in any case.
    return [bearer, {}] if method.access in ("", "TOKEN_OPTIONAL") else [bearer]
