"""Compiles contracts for the gateway's tests: `library.proto`, and little ones out of a string."""

from functools import cache
from importlib import import_module, metadata, resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]  # ships no types

from gateway import templates
from gateway.descriptors import Binding, Contract, Method, parsed

_HERE = Path(__file__).parent
_PROTOS = _HERE.parents[2] / "protos"
_HEADER = """
syntax = "proto3";
package toy.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "tandem/gateway/v1/gateway.proto";
"""


def compiled(source: str, *more: str, imports: bool = True) -> bytes:
    """A FileDescriptorSet, by protoc."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "toy.proto").write_text(source)
        out = Path(folder) / "toy.binpb"
        code = protoc.main(
            [
                "protoc",
                f"-I{folder}",
                f"-I{_PROTOS}",
                f"-I{metadata.distribution('googleapis-common-protos').locate_file('')}",
                f"-I{resources.files('grpc_tools') / '_proto'}",
                *(["--include_imports"] if imports else []),
                "--include_source_info",
                *more,
                f"--descriptor_set_out={out}",
                "toy.proto",
            ]
        )
        assert code == 0
        return out.read_bytes()


def compiled_with_rules(body: str) -> bytes:
    """A contract of a few lines that uses `buf.validate`."""
    rules = import_module("protovalidate._gen.buf.validate.validate_pb").desc()
    files = FileDescriptorSet()
    for file in (*rules.dependencies, rules):
        files.file.add().MergeFromString(file.proto.to_binary())
    with TemporaryDirectory() as folder:
        known = Path(folder) / "rules.binpb"
        known.write_bytes(files.SerializeToString())
        source = _HEADER + 'import "buf/validate/validate.proto";' + body
        return compiled(source, f"--descriptor_set_in={known}")


@cache
def library_set() -> bytes:
    """library.proto, compiled."""
    return compiled((_HERE / "library.proto").read_text())


@cache
def library() -> Contract:
    """library.proto as the gateway reads it."""
    return parsed(library_set())


def little(body: str) -> Contract:
    """A contract of a few lines, in package toy.v1."""
    return parsed(compiled(_HEADER + body))


def google_types(body: str) -> dict[str, Any]:
    """The messages of a contract of a few lines, as google.protobuf has them."""
    files = FileDescriptorSet.FromString(compiled(_HEADER + body)).file
    return dict(message_factory.GetMessages(files))


def method(name: str) -> Method:
    """A method of the library."""
    return next(method for method in library().methods if method.name == name)


def binding(name: str, template: str) -> tuple[Method, Binding, templates.Template]:
    """A route of the library, by its verb and template."""
    found = method(name)
    verb, _, path = template.partition(" ")
    return (
        found,
        next(one for one in found.bindings if (one.verb, one.template) == (verb, path)),
        templates.parse(path),
    )


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(library_set()).file:
        pool.Add(file)
    return pool


@cache
def google_type(name: str) -> Any:
    """The library's message as google.protobuf has it: the other implementation, and the judge of ours."""
    full_name = name if "." in name else f"library.v1.{name}"
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


def pool() -> descriptor_pool.DescriptorPool:
    """The library's types, for json_format."""
    return _pool()
