"""An example is right, or there is none."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it has no types
import protovalidate
import pytest
from google.protobuf import descriptor_pool, message_factory

from gateway import templates
from gateway.descriptors import Contract, load
from gateway.openapi.document import document
from gateway.openapi.examples import FIELD_MASK, NOTHING, Examples
from gateway.transcode.request import Request
from gateway.transcode.response import Spelling
from gateway.transcode.shapes import Shapes
from tests.unit.gateway import toy

TANDEM = load(Path(__file__).parents[3] / "protos" / "descriptors.binpb")


def written(contract: Contract, spelling: Spelling | None = None) -> dict[str, Any]:
    return dict(json.loads(document(contract, title="T", version="1", spelling=spelling or Spelling())))


def contents(value: Any) -> Iterator[dict[str, Any]]:
    """Everything that has an example beside its schema."""
    if isinstance(value, dict):
        if "example" in value:
            yield value
        for inner in value.values():
            yield from contents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from contents(inner)


@pytest.mark.parametrize("contract", [toy.library(), TANDEM], ids=["library", "tandem"])
@pytest.mark.parametrize(
    "spelling",
    [Spelling(), Spelling(proto_names=True), Spelling(enum_numbers=True)],
    ids=["default", "proto names", "enum numbers"],
)
def test_every_example_fits_its_schema(contract: Contract, spelling: Spelling) -> None:
    made = written(contract, spelling)
    found = 0
    for content in contents({"paths": made["paths"], "responses": made["components"]["responses"]}):
        schema = {**content["schema"], "components": made["components"]}
        judge = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        assert list(judge.iter_errors(content["example"])) == []
        found += 1
    assert found > 20


MADE = written(TANDEM)
OPERATIONS = {one["operationId"]: one for item in MADE["paths"].values() for one in item.values()}
IMPLEMENTED = [import_module(f"tandem.{name}_pb2") for name in ("identity.v1.auth", "work.v1.task")]
"""Whatever these import is known to google.protobuf too, and to protovalidate."""


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if "requestBody" in one])
def test_the_gateway_and_the_rules_of_the_contract_accept_what_is_sent(name: str) -> None:
    method, binding = next(
        (method, binding)
        for method in TANDEM.methods
        for number, binding in enumerate(method.bindings)
        if name == f"{method.desc.parent.name}_{method.name}" + (f"_{number + 1}" if number else "")
    )
    body = OPERATIONS[name]["requestBody"]
    content = body["content"].get("application/json") or body["content"]["application/x-ndjson"]
    assert "example" in content or not body["required"], "the contract has to give an example of what nobody can guess"
    sent = json.dumps(content["example"]).encode() if "example" in content else b""
    examples = Examples(MADE["components"]["schemas"])
    parameters = [one for one in OPERATIONS[name].get("parameters", ()) if one["in"] == "path"]
    values = [examples.request(one["schema"], one["name"]) for one in parameters]
    request = Request(method, binding, templates.parse(binding.template), Shapes(TANDEM.registry))
    message = message_factory.GetMessageClass(
        descriptor_pool.Default().FindMessageTypeByName(method.input.type_name)
    ).FromString(request.encode(values, b"", sent))
    protovalidate.validate(message)


UUID = "01980000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        pytest.param({"type": "string", "const": "x"}, "x", id="the only value there is"),
        pytest.param({"type": "string", "examples": ["Ada"], "minLength": 9}, "Ada", id="the contract's own"),
        pytest.param(
            {"type": "string", "enum": ["KIND_UNSPECIFIED", "BOOK"]}, "BOOK", id="a value that means something"
        ),
        pytest.param({"type": "integer", "enum": [0, 3]}, 3, id="also by number"),
        pytest.param({"type": "string", "enum": ["NONE"]}, "NONE", id="or the only one"),
        pytest.param({"type": "string", "format": "email"}, "ada@example.com", id="a format"),
        pytest.param({"type": "string"}, "Full name", id="its name"),
        pytest.param({"type": "string", "minLength": 12}, "Full nameFul", id="long enough"),
        pytest.param({"type": "string", "maxLength": 3}, "f", id="short enough"),
        pytest.param({"type": "string", "pattern": "^[a-z-]+$"}, "full-name", id="by a pattern"),
        pytest.param({"type": "string", "pattern": "^[0-9]+$"}, "1", id="by another"),
        pytest.param({"type": "string", "pattern": "^QX[0-9]{7}$"}, NOTHING, id="a pattern that nobody guesses"),
        pytest.param({"type": "string", "pattern": r"\pL"}, NOTHING, id="a pattern that nobody reads"),
        pytest.param({"type": "string", "format": FIELD_MASK}, NOTHING, id="a mask of unknown fields"),
        pytest.param({"type": "string", "contentEncoding": "base64"}, "AAE=", id="bytes"),
        pytest.param({"type": "integer"}, 1, id="a number"),
        pytest.param({"type": "integer", "minimum": 5}, 5, id="large enough"),
        pytest.param({"type": "integer", "exclusiveMinimum": 5}, 6, id="larger"),
        pytest.param({"type": "integer", "maximum": -5}, -5, id="small enough"),
        pytest.param({"type": "integer", "exclusiveMaximum": 1}, 0, id="smaller"),
        pytest.param({"type": "integer", "minimum": 5, "maximum": 4}, NOTHING, id="no number at all"),
        pytest.param({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1], id="as many as wanted"),
        pytest.param(
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True}, NOTHING, id="two alike"
        ),
        pytest.param({"type": "object", "additionalProperties": {"type": "integer"}}, {"Key": 1}, id="a map"),
        pytest.param(
            {"type": "object", "additionalProperties": {}, "propertyNames": {"maxLength": 1}}, NOTHING, id="of anything"
        ),
        pytest.param(
            {"type": "object", "additionalProperties": True, "minProperties": 2}, NOTHING, id="too small a map"
        ),
        pytest.param(
            {"type": "string", "anyOf": [{"const": ""}, {"pattern": "^z+$"}]}, NOTHING, id="more than nothing"
        ),
        pytest.param({"type": "null"}, None, id="nothing"),
        pytest.param({"$ref": "#/components/schemas/Tree"}, {"id": UUID}, id="what holds itself ends"),
        pytest.param(
            {"allOf": [{"$ref": "#/components/schemas/Tree"}], "required": ["inner"]}, NOTHING, id="unless it must not"
        ),
        pytest.param({"$ref": "#/components/schemas/Choice"}, {"a": "A"}, id="one of a oneof"),
    ],
)
def test_what_is_made_up(schema: dict[str, Any], example: Any) -> None:
    components = {
        "Tree": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "inner": {"$ref": "#/components/schemas/Tree"}},
        },
        "Choice": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "not": {"anyOf": [{"required": ["a", "b"]}]},
        },
    }
    assert Examples(components).request(schema, "fullName") == example
