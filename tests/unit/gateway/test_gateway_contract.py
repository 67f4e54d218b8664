"""What cannot work is refused when the gateway starts, and the complaint names who and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.app import routes_of
from gateway.descriptors import Contract, ContractUnusable, load, parsed
from gateway.upstream.channels import Channels, Rpc, StreamRpc, UploadRpc, Upstream, service_config
from tests.unit.gateway import toy

MESSAGES = """
message M { string name = 1; repeated string names = 2; M m = 3; map<string, string> map = 4; int32 n = 5;
  google.protobuf.Timestamp time = 6; double d = 7; bytes b = 8; google.api.HttpBody raw = 9;
  repeated google.api.HttpBody raws = 10; }
"""


class Anybody(Channels):
    """Channels to nowhere."""

    def __init__(self) -> None:
        super().__init__((), {})

    def rpc(self, method: Any) -> Rpc:
        del method
        return cast("Rpc", None)

    def stream(self, method: Any) -> StreamRpc:
        del method
        return cast("StreamRpc", None)

    def upload(self, method: Any) -> UploadRpc:
        del method
        return cast("UploadRpc", None)


def service(*rules: str, output: str = "M") -> Contract:
    rpcs = "\n".join(f"rpc R{number}(M) returns ({output}) {{ {rule} }}" for number, rule in enumerate(rules))
    return toy.little(f"{MESSAGES} service S {{ {rpcs} }}")


def http(rule: str, rest: str = "") -> str:
    options = f"option (tandem.gateway.v1.method) = {{ {rest} }};" if rest else ""
    return f"option (google.api.http) = {{ {rule} }}; {options}"


R0 = "toy.v1.S/R0"


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        pytest.param(
            [http('get: "/a/{name}"'), http('get: "/a/{m.name}"')],
            f"{R0} and toy.v1.S/R1 both claim GET /a/*",
            id="two RPCs on one path",
        ),
        pytest.param(
            [http('get: "/a/{name}" additional_bindings { get: "/a/*" }')],
            f"{R0} and {R0} both claim GET /a/*",
            id="one RPC twice on one path",
        ),
        pytest.param([http('get: "/a/{x}"')], "toy.v1.M has no field 'x'", id="unknown path field"),
        pytest.param([http('get: "/a/{m.x}"')], "toy.v1.M has no field 'x'", id="unknown nested path field"),
        pytest.param([http('get: "/a/{name.x}"')], "'name' has no fields", id="path through a string"),
        pytest.param([http('get: "/a/{map.x}"')], "'map' has no fields", id="path through a map"),
        pytest.param([http('get: "/a/{names}"')], "the field 'names' is repeated", id="repeated path field"),
        pytest.param([http('get: "/a/{map}"')], "the field 'map' is a map", id="map for a path field"),
        pytest.param([http('get: "/a/{m}"')], "the field 'm' is a message", id="message for a path field"),
        pytest.param([http('get: "/a/{time}"')], "the field 'time' is a message", id="timestamp for a path field"),
        pytest.param([http('post: "/a" body: "x"')], "toy.v1.M has no field 'x' to be the body", id="unknown body"),
        pytest.param([http('post: "/a" body: "m.name"')], "has no field 'm.name' to be the body", id="nested body"),
        pytest.param(
            [http('post: "/a/{name}" body: "name"')],
            "the path and the body both hold the field 'name'",
            id="body that is in the path",
        ),
        pytest.param(
            [http('get: "/a" response_body: "x"')],
            "toy.v1.M has no field 'x' to be the response body",
            id="unknown response body",
        ),
        pytest.param([http('get: "/a/**/b"')], "column 7: '**' must be last", id="double star in the middle"),
        pytest.param([http('get: "/a/{name}/{name}"')], "column 12: duplicate variable 'name'", id="variable twice"),
        pytest.param([http('get: "a"')], "column 1: expected '/'", id="no template"),
        pytest.param([http('body: "*"')], f"{R0}: an HTTP rule without a path", id="no path"),
        pytest.param([http('custom { path: "/a" }')], f"{R0}: a custom HTTP rule without a kind", id="no kind"),
        pytest.param(
            [http('custom { kind: "BREW" path: "/a" }')], "BREW is no method of HTTP that can be received", id="kind"
        ),
        pytest.param([http('custom { kind: "get" path: "/a" }')], "get is no method of HTTP", id="kind in lower case"),
        pytest.param(
            [http('get: "/a"', "cache_control: 'a\\r\\nb'")], "cache_control is no value of a header", id="two lines"
        ),
        pytest.param(
            [http('get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }')],
            f"{R0}: additional_bindings inside additional_bindings",
            id="bindings in bindings",
        ),
        pytest.param([http('get: "/healthz"')], "the gateway answers this path itself", id="a path of the gateway"),
        pytest.param([http('get: "/a"', "etag: 'x'")], "toy.v1.M has no field 'x'", id="unknown etag"),
        pytest.param([http('get: "/a"', "etag: 'names'")], "'names' is neither a string", id="repeated etag"),
        pytest.param([http('get: "/a"', "etag: 'name.x'")], "goes through a field that is not", id="etag in a string"),
        pytest.param([http('post: "/a"', "if_match: 'x'")], "toy.v1.M has no field 'x'", id="unknown if_match"),
        pytest.param([http('post: "/a"', "idempotency_key: 'x'")], "no field 'x'", id="unknown idempotency_key"),
        pytest.param([http('post: "/a"', "idempotency_key: 'm'")], "cannot be used as", id="a message for a key"),
        pytest.param([http('post: "/a" body: "raw"', "form_body: true")], "has no fields for a form", id="raw form"),
        pytest.param([http('post: "/a" body: "names"', "form_body: true")], "has no fields for a form", id="list form"),
        pytest.param([http('post: "/a/{raw.content_type}" body: "raw"')], "both hold the field", id="in a raw body"),
        pytest.param([http('post: "/a" body: "raws"')], "must be a field on its own", id="raw bodies"),
        pytest.param([http('post: "/a"', "error_style: 7")], "7 is not an error style", id="error style"),
        pytest.param([http('post: "/a"', "location: '/a/{x}'")], "toy.v1.M has no field 'x'", id="unknown location"),
        pytest.param([http('post: "/a"', "location: '/a/{d}'")], "'d' is neither a string", id="a double to go to"),
        pytest.param([http('post: "/a"', "location: '/a/{name'")], "a brace without its other half", id="open brace"),
        pytest.param([http('post: "/a"', "success_status: 404")], "404 is not the status of a success", id="status"),
    ],
)
def test_refuses(rules: list[str], complaint: str) -> None:
    with pytest.raises(ContractUnusable) as refused:
        routes_of(service(*rules), Anybody(), reserved={b"/healthz"})
    assert complaint in str(refused.value)
    assert R0 in str(refused.value)


@pytest.mark.parametrize(
    ("signature", "rest", "complaint"),
    [
        ("(stream M) returns (M)", "", "a stream of requests needs a body"),
        ("(stream M) returns (stream M)", "", "streams in both directions have no routes"),
        ("(M) returns (stream M)", "etag: 'name'", "a stream has no entity tag"),
        ("(M) returns (stream M)", "location: '/a/{name}'", "a stream has no entity tag and no location"),
        ("(M) returns (stream M)", "success_status: 204", "its status is never 204"),
        ("(M) returns (stream M)", "stream_id: 'x'", "toy.v1.M has no field 'x'"),
        ("(M) returns (stream M)", "last_event_id: 'names'", "the field 'names' is repeated"),
        ("(M) returns (M)", "stream_id: 'name'", "only the messages of a stream have ids"),
        ("(M) returns (M)", "last_event_id: 'name'", "only the messages of a stream have ids"),
    ],
)
def test_refuses_a_stream_that_cannot_be(signature: str, rest: str, complaint: str) -> None:
    rule = http('get: "/a"', rest)
    contract = toy.little(f"{MESSAGES} service S {{ rpc R0{signature} {{ {rule} }} }}")
    with pytest.raises(ContractUnusable) as refused:
        routes_of(contract, Anybody())
    assert str(refused.value).startswith(f"{R0} (GET /a): ")
    assert complaint in str(refused.value)


@pytest.mark.parametrize(("body", "rest"), [("raw", ""), ("m", "form_body: true")])
def test_refuses_a_stream_of_what_is_no_line_of_json(body: str, rest: str) -> None:
    rule = http(f'post: "/a" body: "{body}"', rest)
    rpc = f"rpc R0(stream M) returns (M) {{ {rule} }}"
    with pytest.raises(ContractUnusable, match="needs a body, of which each line of JSON is a message"):
        routes_of(toy.little(f"{MESSAGES} service S {{ {rpc} }}"), Anybody())


def test_serves_a_contract_without_options_of_ours() -> None:
    contract = service(http('get: "/a/{name}"'))
    routes = routes_of(contract, Anybody())
    route, values = routes.find("GET", b"/a/x")
    assert (route.method, route.success_status, route.cache_control, values) == (R0, 200, b"no-cache", ["x"])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xff\xff", "not a FileDescriptorSet"),
        (b"", r"no method carries the option \(google.api.http\)"),
        (toy.compiled('syntax = "proto3"; package x; message M {}'), "no method carries the option"),
        (toy.compiled('syntax = "proto3"; import "google/api/annotations.proto";', imports=False), "--include_imports"),
    ],
)
def test_refuses_what_is_no_contract(data: bytes, complaint: str) -> None:
    with pytest.raises(ContractUnusable, match=complaint):
        parsed(data)


def test_refuses_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ContractUnusable, match=r"cannot read .*none\.binpb: No such file"):
        load(tmp_path / "none.binpb")


def test_serves_a_set_that_was_compiled_with_fewer_options() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet  # noqa: PLC0415 - what the test is about

    files = FileDescriptorSet.FromString(toy.library_set())
    options = next(file for file in files.file if file.package == "tandem.gateway.v1").message_type[0]
    del options.field[5:]
    create = next(method for method in parsed(files.SerializeToString()).methods if method.name == "CreateBook")
    assert (create.rest.success_status, create.rest.idempotency_key) == (201, "")


def test_completes_the_names_that_descriptors_from_python_lack() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet  # noqa: PLC0415 - what the test is about

    def without(messages: Any) -> Iterator[None]:
        for message in messages:
            for field in message.field:
                field.ClearField("json_name")
            yield from without(message.nested_type)
        yield None

    files = FileDescriptorSet.FromString(toy.library_set())
    for file in files.file:
        list(without(file.message_type))
    stripped, whole = parsed(files.SerializeToString()).registry, toy.library().registry
    for name in ("Book", "Nested", "LendBookRequest"):
        one, other = stripped.message(f"library.v1.{name}"), whole.message(f"library.v1.{name}")
        assert one is not None
        assert other is not None
        assert [field.json_name for field in one.fields] == [field.json_name for field in other.fields]


@pytest.mark.parametrize(
    ("names", "service", "expected"),
    [
        (["library.v1"], "library.v1.Library", "library.v1"),
        (["library", "library.v1.Library", "library.v1"], "library.v1.Library", "library.v1.Library"),
        (["library.v1.Lib"], "library.v1.Library", None),
        (["other"], "library.v1.Library", None),
    ],
)
async def test_the_longest_name_answers_for_a_service(names: list[str], service: str, expected: str | None) -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self._name = name

        def unary_unary(self, path: str) -> str:
            return f"{self._name} {path}"

    channels: Any = {f"{name}:1": Named(name) for name in names}
    opened = Channels([Upstream(name, f"{name}:1") for name in names], channels)
    method = toy.method("GetBook")
    assert method.service == service
    if expected is None:
        with pytest.raises(ContractUnusable, match=r"no upstream answers for library\.v1\.Library"):
            opened.rpc(method)
    else:
        assert str(opened.rpc(method)) == f"{expected} /library.v1.Library/GetBook"


def test_only_what_changes_nothing_is_ever_retried() -> None:
    config: Any = service_config(toy.library().methods)
    assert [name["method"] for name in config["methodConfig"][0]["name"]] == ["GetBook", "ListBooks", "Watch"]
    assert config["methodConfig"][0]["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
