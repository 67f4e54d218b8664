"""The documentation says what the gateway does, and every word of it is checked against the gateway."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it has no types
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.descriptors import Contract, parsed
from gateway.errors import Violation
from gateway.openapi.document import document
from gateway.transcode.request import Request
from gateway.transcode.response import Response, Spelling
from gateway.transcode.shapes import Shapes
from tests.unit.gateway import toy


def written(contract: Contract, spelling: Spelling | None = None) -> dict[str, Any]:
    return dict(json.loads(document(contract, title="Library", version="1", spelling=spelling or Spelling())))


DOCUMENT = written(toy.library())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def operation(verb: str, path: str) -> dict[str, Any]:
    return dict(DOCUMENT["paths"][path][verb])


def schema(name: str) -> dict[str, Any]:
    return dict(DOCUMENT["components"]["schemas"][f"library.v1.{name}"])


def validator(reference: dict[str, Any], source: dict[str, Any] = DOCUMENT) -> Any:
    """Judges values by a schema of the document."""
    return jsonschema.Draft202012Validator({**reference, "components": source["components"]})


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def parameters(verb: str, path: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["in"], one["name"]): one for one in operation(verb, path).get("parameters", [])}


def error_of(response: dict[str, Any]) -> dict[str, Any]:
    """What a failure is written as."""
    name = response["$ref"].removeprefix("#/components/responses/")
    return dict(DOCUMENT["components"]["responses"][name]["content"]["application/json"])


def test_every_route_is_an_operation_and_every_operation_has_a_name_of_its_own() -> None:
    bindings = [one for method in toy.library().methods for one in method.bindings if one.verb != "REPORT"]
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names)) == len(bindings)


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    known = {f"#/components/{kind}/{name}" for kind, ones in DOCUMENT["components"].items() for name in ones}
    assert set(references(DOCUMENT)) <= known
    for name, one in DOCUMENT["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        jsonschema.Draft202012Validator.check_schema(one)


def test_the_variables_of_a_path_are_its_parameters() -> None:
    for path, _, one in operations():
        described = [parameter["name"] for parameter in one.get("parameters", []) if parameter["in"] == "path"]
        assert described == re.findall(r"\{([^}]*)\}", path)
        assert all(parameter["required"] for parameter in one.get("parameters", []) if parameter["in"] == "path")


def test_two_templates_of_one_shape_are_one_path() -> None:
    contract = toy.little(
        "message M { string a = 1; string b = 2; } service S {"
        'rpc Get(M) returns (M) { option (google.api.http) = { get: "/m/{a}:x" }; }'
        'rpc Put(M) returns (M) { option (google.api.http) = { put: "/m/{b}:x" body: "*" }; } }'
    )
    (path, item) = next(iter(written(contract)["paths"].items()))
    assert (path, set(item)) == ("/m/{a}:x", {"get", "put"})
    assert [one["name"] for one in item["put"]["parameters"]] == ["a"]


def test_a_wildcard_without_a_name_is_a_parameter_too() -> None:
    contract = toy.little(
        "message M { string a = 1; string b = 2; } service S {"
        'rpc Get(M) returns (M) { option (google.api.http) = { get: "/x/*/{a=y/*}/**" }; } }'
    )
    ((path, item),) = written(contract)["paths"].items()
    assert path == "/x/{segment1}/y/{a}/{segment4}"
    described = [(one["name"], one.get("description")) for one in item["get"]["parameters"] if one["in"] == "path"]
    assert described == [
        ("segment1", None),
        ("a", "The `*` of `a`, which is `y/*`."),
        ("segment4", "May hold slashes."),
    ]


@pytest.mark.parametrize(
    ("templates", "paths"),
    [
        pytest.param(
            ["/v1/{name=shelves/*}", "/v1/{name=shelves/*/books/*}", "/v1/{name=authors/*}"],
            {
                "/v1/shelves/{name}": ["name"],
                "/v1/shelves/{name}/books/{name_1}": ["name", "name_1"],
                "/v1/authors/{name}": ["name"],
            },
            id="resource names",
        ),
        pytest.param(
            ["/v1/{name=a/*/b/*}/{name_1}"],
            {"/v1/a/{name}/b/{name_2}/{name_1}": ["name", "name_2", "name_1"]},
            id="a name that is taken",
        ),
        pytest.param(["/v1/{name=a/**}"], {"/v1/a/{name}": ["name"]}, id="a rest"),
        pytest.param(["/v1/{name=a/b}"], {"/v1/a/b": []}, id="nothing but literals"),
        pytest.param(
            ["/v1/{name}", "/v1/{name=**}"],
            {"/v1/{name}": ["name"], "/v1/{name_rest}": ["name_rest"]},
            id="one, and any number",
        ),
        pytest.param(["/v1/%7Bname%7D", "/v1/{name}"], {"/v1/%7Bname%7D": [], "/v1/{name}": ["name"]}, id="a brace"),
    ],
)
def test_every_template_is_a_path_of_its_own(templates: list[str], paths: dict[str, list[str]]) -> None:
    rpcs = "".join(
        f'rpc Get{number}(M) returns (M) {{ option (google.api.http) = {{ get: "{template}" }}; }}'
        for number, template in enumerate(templates)
    )
    made = written(toy.little(f"message M {{ string name = 1; string name_1 = 2; }} service S {{ {rpcs} }}"))
    assert {
        path: [one["name"] for one in item["get"].get("parameters", []) if one["in"] == "path"]
        for path, item in made["paths"].items()
    } == paths
    for path, names in paths.items():
        assert re.findall(r"\{([^}]*)\}", path) == names


def test_a_path_has_the_rules_of_a_field_where_it_is_all_of_it() -> None:
    rules = """
        message M { string name = 1 [(buf.validate.field).string.pattern = "^shelves/[a-z]+$"]; }
        service S { rpc Get(M) returns (M) { option (google.api.http) = { get: "/v1/{name=shelves/*}"
          additional_bindings { get: "/v2/{name}" } additional_bindings { get: "/v3/{name=**}" } }; } }
    """
    made = written(parsed(toy.compiled_with_rules(rules)))["paths"]
    patterns = {path: item["get"]["parameters"][0]["schema"].get("pattern") for path, item in made.items()}
    assert patterns == {
        "/v1/shelves/{name}": None,
        "/v2/{name}": "^shelves/[a-z]+$",
        "/v3/{name}": "^shelves/[a-z]+$",
    }


def test_an_operation_has_the_words_of_its_comment() -> None:
    act = operation("post", "/v1/act")
    assert act["summary"] == "Fails, sleeps or says what it was sent, as it is told"
    assert act["description"] == f"{act['summary']}."
    assert schema("ActRequest")["properties"]["code"]["description"] == "The name of a gRPC code to fail with."


def test_headers_are_parameters_where_they_are_taken() -> None:
    assert {name for where, name in parameters("delete", "/v1/shelves/{shelf}/books/{book}") if where == "header"} == {
        "If-Match",
        "Idempotency-Key",
    }
    assert ("header", "If-None-Match") in parameters("get", "/v1/shelves/{shelf}/books/{book}")
    assert ("header", "Last-Event-ID") in parameters("get", "/v1/watch")


def test_what_is_neither_in_the_path_nor_in_the_body_is_in_the_query() -> None:
    assert list(parameters("get", "/v1/shelves/{shelf}/books")) == [
        ("path", "shelf"),
        ("query", "pageSize"),
        ("query", "pageToken"),
    ]
    everything = parameters("get", "/v1/echo")
    assert everything["query", "counts"]["style"] == "deepObject"
    assert everything["query", "nested.inner.inner.name"]["schema"] == {"type": "string"}
    assert not {"nests", "byNumber", "any", "nested"} & {name for _, name in everything}
    assert [where for where, _ in parameters("post", "/v1/act")] == ["header"]
    assert ("query", "book.title") not in parameters("post", "/v1/shelves/{shelf}/books")


@pytest.mark.parametrize(
    ("verb", "path", "status", "media"),
    [
        ("get", "/v1/shelves/{shelf}/books", "200", {"application/json"}),
        ("post", "/v1/shelves/{shelf}/books", "201", {"application/json"}),
        ("delete", "/v1/shelves/{shelf}/books/{book}", "204", set()),
        ("get", "/v1/watch", "200", {"application/x-ndjson", "text/event-stream"}),
        ("get", "/v1/downloads", "200", {"*/*"}),
        ("put", "/v1/pictures/{name}", "200", {"*/*"}),
    ],
)
def test_how_an_operation_answers(verb: str, path: str, status: str, media: set[str]) -> None:
    responses = operation(verb, path)["responses"]
    assert {one for one in responses if one.startswith("2")} == {status}
    assert set(responses[status].get("content", {})) == media
    assert error_of(responses["default"])["schema"]["$ref"].endswith("/Error")


def test_a_stream_of_requests_is_described_by_its_lines() -> None:
    collect = operation("post", "/v1/shelves/{shelf}/books:collect")
    (media,) = collect["requestBody"]["content"]
    assert media == "application/x-ndjson"
    assert collect["requestBody"]["content"][media]["schema"]["$ref"].endswith(".Book")
    assert {name for where, name in parameters("post", "/v1/shelves/{shelf}/books:collect") if where == "query"} == {
        "code",
        "hang",
        "updateMask",
    }


def test_a_created_resource_has_its_headers_and_a_known_one_may_be_unchanged() -> None:
    created = operation("post", "/v1/shelves/{shelf}/books")["responses"]["201"]
    assert set(created["headers"]) == {"ETag", "Location"}
    assert "304" in operation("get", "/v1/shelves/{shelf}/books/{book}")["responses"]


def test_an_oauth_endpoint_is_described_as_one() -> None:
    token = operation("post", "/v1/token")
    content = token["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded"}
    for status in ("400", "429", "default"):
        written = error_of(token["responses"][status])
        assert written["schema"]["$ref"].endswith("/OAuthError")
        assert set(written["example"]) == {"error", "error_description"}
    assert "client_id" in schema("TokenRequest-snake")["properties"]


def test_a_raw_body_may_be_anything() -> None:
    assert operation("put", "/v1/pictures/{name}")["requestBody"] == {"content": {"*/*": {"schema": {}}}}


EVERYTHING: dict[str, Any] = {
    "text": "é",
    "int64Value": "-5",
    "uint64Value": "5",
    "bytesValue": "AAE=",
    "kind": "SCREEN",
    "nested": {"inner": {"tags": ["a"]}},
    "nests": [{}, {"name": "n"}],
    "counts": {"a": 1},
    "byNumber": {"-1": {"name": "n"}},
    "time": "2026-01-31T12:00:00.000001Z",
    "duration": "-0.500s",
    "mask": "a,bC.d",
    "wrappedNumber": "0",
    "struct": {"a": [1, None]},
    "value": None,
    "any": {"@type": "type.googleapis.com/library.v1.Nested", "name": "n"},
}


@pytest.mark.parametrize(
    "spelling",
    [Spelling(), Spelling(proto_names=True), Spelling(enum_numbers=True), Spelling(omit_defaults=True)],
    ids=["default", "proto names", "enum numbers", "without defaults"],
)
def test_an_answer_fits_its_schema(spelling: Spelling) -> None:
    source = written(toy.library(), spelling)
    method, binding, _ = toy.binding("Echo", "POST /v1/echo")
    message = json_format.ParseDict(EVERYTHING, toy.google_type("Everything")(), descriptor_pool=toy.pool())
    response = Response(method, binding, toy.library().registry, spelling)
    answer = json.loads(response.decode(message.SerializeToString()).body)
    reference = source["paths"]["/v1/echo"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    judge = validator(reference, source)
    assert list(judge.iter_errors(answer)) == []
    properties = source["components"]["schemas"]["library.v1.Everything"]["properties"]
    assert answer.keys() <= properties.keys()
    broken = {**answer, next(name for name in answer if "text" in name.lower()): 5}
    assert not judge.is_valid(broken)


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name != "value"])
def test_what_a_schema_refuses_the_gateway_refuses_too(name: str) -> None:
    request = Request(*toy.binding("Echo", "POST /v1/echo"), Shapes(toy.library().registry))
    judge = validator({"$ref": "#/components/schemas/library.v1.Everything"})
    for value in (True, [True], {"x": True}):
        if not judge.is_valid({name: value}):
            with pytest.raises(Violation):
                request.encode([], b"", json.dumps({name: value}).encode())
        else:
            assert name in ("struct", "nested")


def test_rules_narrow_what_is_documented() -> None:
    rules = """
        message M {
          string name = 1 [(buf.validate.field).string = {min_len: 1, max_len: 9, pattern: "^[a-z]+$", example: "abc"}];
          string id = 2 [(buf.validate.field).string.uuid = true];
          int32 size = 3 [(buf.validate.field).int32 = {gte: 0, lt: 10}];
          repeated string tags = 4 [(buf.validate.field).repeated = {max_items: 3, unique: true,
            items: {string: {max_len: 5}}}];
          map<string, string> notes = 5 [(buf.validate.field).map = {max_pairs: 2, keys: {string: {max_len: 4}}}];
          Colour colour = 6 [(buf.validate.field).enum.not_in = 0];
          string maybe = 7 [(buf.validate.field) = {string: {min_len: 3}, ignore: IGNORE_IF_ZERO_VALUE}];
          string kind = 8 [(buf.validate.field).string = {in: ["a", "b"]}];
          M inner = 9 [(buf.validate.field).required = true];
          string never = 10 [(buf.validate.field).string.const = "x", (buf.validate.field).ignore = IGNORE_ALWAYS];
        }
        enum Colour { COLOUR_UNSPECIFIED = 0; RED = 1; }
        service S { rpc Make(M) returns (M) { option (google.api.http) = { post: "/m" body: "*"
          additional_bindings { get: "/m" } additional_bindings { patch: "/m" body: "*" } }; } }
    """
    made = written(parsed(toy.compiled_with_rules(rules)))
    assert made["components"]["schemas"]["toy.v1.M"]["properties"] == {
        "name": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]+$", "examples": ["abc"]},
        "id": {"type": "string", "format": "uuid"},
        "size": {"type": "integer", "format": "int32", "minimum": 0, "exclusiveMaximum": 10},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3, "uniqueItems": True},
        "notes": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "maxProperties": 2,
            "propertyNames": {"maxLength": 4},
        },
        "colour": {"$ref": "#/components/schemas/toy.v1.Colour", "enum": ["RED"]},
        "maybe": {"type": "string", "anyOf": [{"const": ""}, {"minLength": 3}]},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "inner": {"$ref": "#/components/schemas/toy.v1.M"},
        "never": {"type": "string"},
    }
    post, patch = (made["paths"]["/m"][verb]["requestBody"] for verb in ("post", "patch"))
    assert post["content"]["application/json"]["schema"]["required"] == ["name", "id", "colour", "inner"]
    assert post["required"]
    assert "required" not in patch["content"]["application/json"]["schema"]
    query = {one["name"]: one.get("required", False) for one in made["paths"]["/m"]["get"]["parameters"]}
    assert (query["name"], query["size"]) == (True, False)


def test_who_may_call_is_as_the_contract_says_and_a_token_is_optional_where_it_says_nothing() -> None:
    policy = 'import "tandem/policy/v1/policy.proto";'
    rpcs = "".join(
        f'rpc {access.title().replace("_", "")}(M) returns (M) {{ option (google.api.http) = {{ get: "/{access}" }};'
        f" option (tandem.policy.v1.method) = {{ access: {access} }}; }}"
        for access in ("ANYONE", "SIGNED_IN", "TOKEN_OPTIONAL")
    )
    made = written(toy.little(f"{policy} message M {{ string a = 1; }} service S {{ {rpcs} }}"))
    assert {path: item["get"]["security"] for path, item in made["paths"].items()} == {
        "/ANYONE": [],
        "/SIGNED_IN": [{"bearer": []}],
        "/TOKEN_OPTIONAL": [{"bearer": []}, {}],
    }
    assert all(one["security"] == [{"bearer": []}, {}] for _, _, one in operations())


@pytest.mark.parametrize(
    ("verb", "path", "failures"),
    [
        ("get", "/v1/shelves/{shelf}/books", "400 401 403 404 406 429 503 504"),
        ("get", "/v1/shelves/{shelf}/books/{book}", "400 401 403 404 406 412 429 503 504"),
        ("delete", "/v1/shelves/{shelf}/books/{book}", "400 401 403 404 406 409 412 429 503 504"),
        ("post", "/v1/act", "400 401 403 406 409 412 413 415 429 503 504"),
        ("get", "/v1/downloads", "400 401 403 429 503 504"),
    ],
)
def test_how_an_operation_fails(verb: str, path: str, failures: str) -> None:
    responses = operation(verb, path)["responses"]
    assert " ".join(sorted(one for one in responses if one[0] in "45")) == failures
    for status in failures.split():
        assert error_of(responses[status])["example"]["code"] == int(status)


def test_what_anybody_may_call_asks_nobody_who_they_are() -> None:
    policy = 'import "tandem/policy/v1/policy.proto";'
    rpc = (
        'rpc Get(M) returns (M) { option (google.api.http) = { get: "/m" };'
        " option (tandem.policy.v1.method) = { access: ANYONE }; }"
    )
    made = written(toy.little(f"{policy} message M {{ string a = 1; }} service S {{ {rpc} }}"))
    assert not {"401", "403", "404"} & set(made["paths"]["/m"]["get"]["responses"])


def test_what_a_caller_has_to_bring_along_is_said() -> None:
    policy = 'import "tandem/policy/v1/policy.proto";'
    rpc = (
        'rpc Get(M) returns (M) { option (google.api.http) = { get: "/m" };'
        ' option (tandem.policy.v1.method) = { access: SIGNED_IN permission: "m.read" scope: "read" }; }'
    )
    made = written(toy.little(f"{policy} message M {{ string a = 1; }} service S {{\n// Gets it.\n{rpc} }}"))
    get = made["paths"]["/m"]["get"]
    assert get["description"] == "Gets it.\n\nPermission: `m.read`. Scope of a machine's token: `read`."
    assert (get["summary"], get["x-rate-class"]) == ("Gets it", "read")
    assert operation("post", "/v1/act")["x-rate-class"] == "write"


def test_what_only_servers_set_is_read_only() -> None:
    contract = toy.little(
        'import "google/api/field_behavior.proto";'
        "message M { string a = 1 [(google.api.field_behavior) = OUTPUT_ONLY]; string b = 2;\n"
        "// The tag. Output only.\nstring c = 3; string d = 4 [(google.api.field_behavior) = REQUIRED]; }"
        'service S { rpc Put(M) returns (M) { option (google.api.http) = { put: "/m" body: "*" }; } }'
    )
    made = written(contract)
    properties = made["components"]["schemas"]["toy.v1.M"]["properties"]
    assert [name for name, one in properties.items() if one.get("readOnly")] == ["a", "c"]
    put = made["paths"]["/m"]["put"]
    assert put["requestBody"]["content"]["application/json"]["example"] == {"b": "B", "d": "D"}
    assert put["responses"]["200"]["content"]["application/json"]["example"] == {"a": "A", "b": "B", "c": "C", "d": "D"}


def test_members_of_a_oneof_exclude_each_other() -> None:
    judge = validator({"$ref": "#/components/schemas/library.v1.Everything"})
    assert judge.is_valid({"choiceText": "x"})
    assert not judge.is_valid({"choiceText": "x", "choiceNumber": 1})


def test_what_has_another_place_is_not_wanted_in_the_body() -> None:
    rules = """
        message M {
          string my_shelf = 1 [(buf.validate.field).required = true];
          string client_id = 2 [(buf.validate.field).required = true];
          string title = 3 [(buf.validate.field).required = true];
        }
        service S { rpc Put(M) returns (M) { option (google.api.http) = { put: "/m/{my_shelf}" body: "*" };
          option (tandem.gateway.v1.method) = { basic_username: "client_id" }; } }
    """
    put = written(parsed(toy.compiled_with_rules(rules)))["paths"]["/m/{my_shelf}"]["put"]
    content = put["requestBody"]["content"]["application/json"]
    assert content["schema"]["required"] == ["title"]
    assert content["example"] == {"title": "Title"}


def test_services_of_one_name_are_told_from_each_other() -> None:
    files = {}
    for package in ("a", "b"):
        source = (
            f'syntax = "proto3"; package {package}; import "google/api/annotations.proto"; message M {{}}'
            f'service S {{ rpc R(M) returns (M) {{ option (google.api.http) = {{ get: "/{package}" }}; }} }}'
        )
        for file in FileDescriptorSet.FromString(toy.compiled(source)).file:
            file.name = f"{package}.proto" if file.package == package else file.name
            files[file.name] = file
    document = written(parsed(FileDescriptorSet(file=files.values()).SerializeToString()))
    assert [tag["name"] for tag in document["tags"]] == ["a_S", "b_S"]
    told = [document["paths"][f"/{package}"]["get"] for package in ("a", "b")]
    assert [(each["operationId"], each["tags"]) for each in told] == [("a_S_R", ["a_S"]), ("b_S_R", ["b_S"])]


def test_what_is_free_is_json_in_a_query() -> None:
    there = parameters("get", "/v1/echo")
    for name in ("struct", "list"):
        parameter = there["query", name]
        assert "schema" not in parameter
        assert set(parameter["content"]) == {"application/json"}
    assert there["query", "text"]["schema"]


def test_one_that_is_free_and_required_has_its_example_beside_its_schema() -> None:
    rule = "[(buf.validate.field).required = true]"
    contract = parsed(
        toy.compiled_with_rules(
            f"message M {{ google.protobuf.Struct one = 1 {rule}; repeated google.protobuf.Value many = 2; }}"
            'service S { rpc R(M) returns (M) { option (google.api.http) = { get: "/a" }; } }'
        )
    )
    one, many = written(contract)["paths"]["/a"]["get"]["parameters"]
    assert set(one) == {"name", "in", "required", "content"}
    assert set(one["content"]["application/json"]) == {"schema", "example"}
    assert many["schema"]["type"] == "array"
