# ruff: noqa: INP001 - deploy/ is no package
"""Writes what Envoy reads in place of the gateway: `python deploy/envoy/prepare.py FOLDER`.

FOLDER gets `envoy.yaml` as it is here, with FOLDER for /etc/envoy; `contract.binpb`, which is descriptors.binpb without
the one thing that Envoy refuses to start with, `response_body`, and with the types of details, because it says nothing
of an error unless it knows them all; and `rest.lua`, which is rest.lua with tables of what Envoy does not know of.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions
from google.rpc import error_details_pb2
from tandem.gateway.v1 import gateway_pb2

HERE = Path(__file__).parent
DESCRIPTORS = HERE.parents[1] / "protos" / "descriptors.binpb"
FOLDER = "/etc/envoy"
HTTP: Any = annotations_pb2.http

Messages = dict[str, DescriptorProto]


def prepared(descriptors: bytes, folder: Path) -> None:
    """Write the three files."""
    contract = FileDescriptorSet.FromString(descriptors)
    messages = {f".{file.package}.{message.name}": message for file in contract.file for message in file.message_type}
    rows, masked = [], []
    for path, method in routed(contract):
        if any(field.name == "update_mask" for field in messages[method.input_type].field):
            masked += [f'  "{begins}",\n' for begins in map(pattern, rules(method)) if begins]
        rows.append(f'  ["{path}"] = {{{", ".join(said(messages, method))}}},\n')
        for rule in rules(method):
            if not is_raw(messages, method, rule.response_body):
                rule.response_body = ""
    spell_as_the_contract(messages, [method for _, method in routed(contract)])
    know_details(contract)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contract.binpb").write_bytes(contract.SerializeToString(deterministic=True))
    table = f"local methods = {{\n{''.join(rows)}}}\n\nlocal masked = {{\n{''.join(masked)}}}\n\n"
    (folder / "rest.lua").write_text(table + (HERE / "rest.lua").read_text())
    (folder / "envoy.yaml").write_text((HERE / "envoy.yaml").read_text().replace(FOLDER, str(folder.resolve())))


def routed(contract: FileDescriptorSet) -> Iterator[tuple[str, MethodDescriptorProto]]:
    """The methods that have a route, by their path in gRPC."""
    for file in contract.file:
        for service in file.service:
            for method in service.method:
                if method.options.HasExtension(HTTP):
                    yield f"/{file.package}.{service.name}/{method.name}", method


def rules(method: MethodDescriptorProto) -> Iterator[HttpRule]:
    """The routes of a method."""
    rule: HttpRule = method.options.Extensions[HTTP]
    yield rule
    yield from rule.additional_bindings


def pattern(rule: HttpRule) -> str:
    """What a request that edits begins with, verb and path, in Lua's own way to say it; empty for all others."""
    verb = rule.WhichOneof("pattern")
    if verb not in ("patch", "put"):
        return ""
    literals = (re.sub(r"[-.]", r"%\g<0>", literal) for literal in re.split(r"{[^}]*}", getattr(rule, verb)))
    return f"^{verb.upper()} {'[^/?]+'.join(literals)}/?%f[?%z]"


def rest_of(method: MethodDescriptorProto) -> gateway_pb2.RestMethod:
    """What the contract says about a method over REST."""
    return method.options.Extensions[gateway_pb2.method]


def is_raw(messages: Messages, method: MethodDescriptorProto, response_body: str) -> bool:
    """Whether that field of an answer is of the one type that Envoy takes."""
    fields = messages[method.output_type].field if response_body else ()
    return any(field.name == response_body and field.type_name == ".google.api.HttpBody" for field in fields)


def said(messages: Messages, method: MethodDescriptorProto) -> Iterator[str]:
    """The same for the script. Paths of fields are in the spelling of JSON."""
    rest, rule = rest_of(method), next(rules(method))
    reads = method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    if rest.cache_control:
        yield f'cache_control = "{rest.cache_control}"'
    if reads:
        yield "reads = true"
    if rest.success_status:
        yield f'status = "{rest.success_status}"'
    body = "" if is_raw(messages, method, rule.response_body) else rule.response_body
    for name, value in (("etag", rest.etag), ("location", rest.location), ("response_body", body)):
        if value:
            yield f'{name} = "{camel(value)}"'


def camel(path: str) -> str:
    """The path of a field in the spelling of JSON; what stands around it in a template has no underscores."""
    head, *tail = path.split("_")
    return head + "".join(part.capitalize() for part in tail)


def know_details(contract: FileDescriptorSet) -> None:
    """Add the types that details of errors have."""
    known = {file.name for file in contract.file}
    for file in (*error_details_pb2.DESCRIPTOR.dependencies, error_details_pb2.DESCRIPTOR):
        if file.name not in known:
            file.CopyToProto(contract.file.add())


def spell_as_the_contract(messages: Messages, methods: Iterable[MethodDescriptorProto]) -> None:
    """Let JSON spell the fields of answers as the contract does, where it says so; not of types that others share."""
    so, otherwise = set[str](), set[str]()
    for method in methods:
        if rest_of(method).proto_field_names:
            so |= reached(messages, method.output_type)
        else:
            otherwise |= reached(messages, method.input_type) | reached(messages, method.output_type)
    for name in so - otherwise:
        for field in messages[name].field:
            field.json_name = field.name


def reached(messages: Messages, *names: str) -> set[str]:
    """These types, and those of their fields, of theirs, and so on; Google's have a JSON of their own."""
    found, ahead = set[str](), list(names)
    while ahead:
        name = ahead.pop()
        if name in messages and name not in found and not name.startswith(".google."):
            found.add(name)
            ahead += [field.type_name for field in messages[name].field]
    return found


if __name__ == "__main__":
    prepared(DESCRIPTORS.read_bytes(), Path(sys.argv[1]))
