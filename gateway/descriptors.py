"""The contract as the gateway sees it: methods, their routes as written, and how they answer over REST.

Owns reading a FileDescriptorSet and the options in it, always through the set's own registry, so that no generated code
is needed. Does not judge templates or fields: `templates` and `transcode` do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from protobuf import DescMessage, DescMethod, DescService, Registry
from protobuf.wkt import FileDescriptorSet
from protobuf.wkt.google.protobuf.descriptor_pb import DescriptorProto, FieldDescriptorProto, MethodOptions

HTTP_OPTION = "google.api.http"
REST_OPTION = "tandem.gateway.v1.method"
POLICY_OPTION = "tandem.policy.v1.method"
"""Who may call: servers decide that. Where a contract says so in this way, the documentation repeats it."""


class ContractUnusable(Exception):
    """This contract cannot be served; the message says which part of it, and why."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to reach a method over HTTP, as the contract writes it."""

    verb: str
    template: str
    body: str
    response_body: str


@dataclass(frozen=True, slots=True)
class Rest:
    """How a method answers over REST: the fields of `tandem.gateway.v1.RestMethod`, or their defaults."""

    success_status: int = 200
    location: str = ""
    etag: str = ""
    if_match: str = ""
    cache_control: str = ""
    idempotency_key: str = ""
    proto_field_names: bool = False
    form_body: bool = False
    basic_username: str = ""
    basic_password: str = ""
    error_style: int = 0
    ignore_unknown: bool = False
    stream_id: str = ""
    last_event_id: str = ""
    rate_class: int = 0
    content_etag: bool = False
    if_match_quoted: bool = False

    @property
    def has_etag(self) -> bool:
        """Whether answers have an entity tag."""
        return bool(self.etag) or self.content_etag


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC that has at least one route."""

    service: str
    name: str
    input: DescMessage
    output: DescMessage
    kind: str
    reads: bool
    rest: Rest
    bindings: tuple[Binding, ...]
    desc: DescMethod
    access: str = ""
    """As `tandem.policy.v1.MethodPolicy.Access` calls it; empty where nothing is said."""
    permission: str = ""
    scope: str = ""

    @property
    def full_name(self) -> str:
        """`package.Service/Method`."""
        return f"{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that is served."""

    registry: Registry
    methods: tuple[Method, ...]


def load(path: Path) -> Contract:
    """The contract in a file that `protoc --include_imports --descriptor_set_out` or `buf build` wrote.

    Raises:
        ContractUnusable: The file cannot be read, is not a FileDescriptorSet, or has no route.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ContractUnusable(f"cannot read {path}: {error.strerror}") from None
    try:
        return parsed(data)
    except ContractUnusable as unusable:
        raise ContractUnusable(f"{path}: {unusable}") from None


def parsed(data: bytes) -> Contract:
    """The contract in a serialised FileDescriptorSet.

    Raises:
        ContractUnusable: It is not one, lacks its imports, or has no route.
    """
    registry = registry_of(data)
    methods = tuple(
        method
        for service in registry
        if isinstance(service, DescService)
        for desc in service.methods
        if (method := _method(registry, desc)) is not None
    )
    if not methods:
        raise ContractUnusable(f"no method carries the option ({HTTP_OPTION})")
    return Contract(registry, methods)


def registry_of(data: bytes) -> Registry:
    """The types of a serialised FileDescriptorSet.

    Raises:
        ContractUnusable: It is not one, or lacks its imports.
    """
    try:
        files = FileDescriptorSet.from_binary(data)
    except (ValueError, RecursionError):
        raise ContractUnusable("not a FileDescriptorSet") from None
    known = {file.name for file in files.file}
    for file in files.file:
        for name in file.dependency:
            if name not in known:
                raise ContractUnusable(f"{file.name} imports {name}, which is not in the set: add --include_imports")
        for message in file.message_type:
            _complete_json_names(message)
    try:
        return files.to_registry()
    except Exception as error:
        # The library promises no particular exception for a set that contradicts itself.
        raise ContractUnusable(f"not a consistent FileDescriptorSet: {error}") from error


def json_name(name: str) -> str:
    """The lowerCamelCase that protoc derives from a field's name."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _complete_json_names(message: DescriptorProto) -> None:
    """Descriptors out of Python's generated code lack these names, and JSON keys would come out empty."""
    field: FieldDescriptorProto
    for field in message.field:
        if not field.json_name:
            field.json_name = json_name(field.name)
    for nested in message.nested_type:
        _complete_json_names(nested)


def _method(registry: Registry, desc: DescMethod) -> Method | None:
    options = desc.proto.options
    extension = registry.extension(HTTP_OPTION)
    if options is None or extension is None or extension.type not in options:
        return None
    where = f"{desc.parent.type_name}/{desc.name}"
    return Method(
        service=desc.parent.type_name,
        name=desc.name,
        input=desc.input,
        output=desc.output,
        kind=desc.method_kind,
        reads=desc.idempotency == MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS,
        rest=_rest(registry, options),
        bindings=tuple(_bindings(options[extension.type], where)),
        desc=desc,
        **_policy(registry, options),
    )


def _policy(registry: Registry, options: MethodOptions) -> dict[str, str]:
    """Who may call, as far as it is said."""
    extension = registry.extension(POLICY_OPTION)
    if extension is None or extension.type not in options:
        return {}
    policy: Any = options[extension.type]
    access = getattr(policy, "access", 0)
    said = {name: str(getattr(policy, name, "")) for name in ("permission", "scope")}
    return {"access": str(getattr(access, "name", "")), **said}


def _bindings(rule: Any, where: str) -> Iterator[Binding]:
    yield _binding(rule, where)
    for additional in rule.additional_bindings:
        if additional.additional_bindings:
            raise ContractUnusable(f"{where}: additional_bindings inside additional_bindings")
        yield _binding(additional, where)


def _binding(rule: Any, where: str) -> Binding:
    if rule.pattern is None:
        raise ContractUnusable(f"{where}: an HTTP rule without a path")
    kind, value = rule.pattern.field, rule.pattern.value
    verb, template = (value.kind, value.path) if kind == "custom" else (kind.upper(), value)
    if not verb:
        raise ContractUnusable(f"{where}: a custom HTTP rule without a kind")
    return Binding(verb, template, rule.body, rule.response_body)


def _rest(registry: Registry, options: MethodOptions) -> Rest:
    extension = registry.extension(REST_OPTION)
    if extension is None or extension.type not in options:
        return Rest()
    rest: Any = options[extension.type]
    # A set may have been compiled with fewer options than there are today.
    said = {field.name: getattr(rest, field.name, None) for field in fields(Rest)}
    return Rest(**{name: value for name, value in said.items() if value})
