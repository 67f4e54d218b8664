# ruff: noqa: INP001 - protos/ is a source root, and no package
"""Compiles the contract: `make proto`.

Reads every `.proto` below this folder and writes, beside them, the Python bindings with their types, and
`descriptors.binpb`: the whole contract as one FileDescriptorSet with its comments.

Third-party `.proto` files are not kept in this repository. google/api/*.proto lie in the googleapis-common-protos
wheel; protovalidate's wheel has buf/validate/validate.proto in compiled form, which protoc takes with
`--descriptor_set_in`.
"""

import sys
import tempfile
from importlib import import_module, metadata, resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped] # it has no types

PROTOS = Path(__file__).parent
DESCRIPTORS = PROTOS / "descriptors.binpb"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def main() -> int:
    """Compile everything; the exit code of the first protoc that fails, or 0."""
    for pattern in GENERATED:
        for stale in PROTOS.rglob(pattern):
            stale.unlink()
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("tandem/**/*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        third_party = Path(folder) / "third_party.binpb"
        third_party.write_bytes(validate_proto().SerializeToString())
        inputs = [
            f"-I{PROTOS}",
            f"-I{metadata.distribution('googleapis-common-protos').locate_file('')}",
            f"-I{resources.files('grpc_tools') / '_proto'}",
            f"--descriptor_set_in={third_party}",
        ]
        return (
            run(*inputs, "--include_imports", "--include_source_info", f"--descriptor_set_out={DESCRIPTORS}", *sources)
            or run(
                *inputs,
                f"--python_out={PROTOS}",
                f"--mypy_out=quiet:{PROTOS}",
                *sources,
            )
            or run(
                *inputs,
                f"--grpc_python_out={PROTOS}",
                f"--mypy_grpc_out=quiet,async_only:{PROTOS}",
                *(file.name for file in contract().file if file.service),
            )
            # Its extensions are read through these two files; there is no service in it.
            or run(*inputs, f"--python_out={PROTOS}", f"--mypy_out=quiet:{PROTOS}", "buf/validate/validate.proto")
        )


def validate_proto() -> FileDescriptorSet:
    """buf/validate/validate.proto and what it imports, out of protovalidate's wheel."""
    compiled = import_module("protovalidate._gen.buf.validate.validate_pb").desc()
    files = FileDescriptorSet()
    for file in (*compiled.dependencies, compiled):
        files.file.add().MergeFromString(file.proto.to_binary())
    return files


def contract() -> FileDescriptorSet:
    """The whole contract, as it was just compiled."""
    return FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())


def run(*arguments: str) -> int:
    """One run of protoc."""
    return int(protoc.main(["protoc", *arguments]))


if __name__ == "__main__":
    sys.exit(main())
