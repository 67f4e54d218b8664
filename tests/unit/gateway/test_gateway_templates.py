"""The grammar of path templates."""

import pytest

from gateway.templates import TemplateError, Variable, parse


@pytest.mark.parametrize(
    ("text", "segments", "variables", "verb"),
    [
        ("/", (), (), None),
        ("/v1", ("/v1",), (), None),
        ("/v1/*/**", ("/v1", "*", "**"), (), None),
        ("/v1/{id}", ("/v1", "*"), (Variable("id", 1, 2),), None),
        ("/v1/{a.b_c}", ("/v1", "*"), (Variable("a.b_c", 1, 2),), None),
        ("/v1/{name=x/*/y/**}", ("/v1", "/x", "*", "/y", "**"), (Variable("name", 1, None),), None),
        ("/{a=x/*}/{b}", ("/x", "*", "*"), (Variable("a", 0, 2), Variable("b", 2, 3)), None),
        ("/v1/{id}:cancel", ("/v1", "*"), (Variable("id", 1, 2),), "cancel"),
        ("/v1/{path=**}:fetch", ("/v1", "**"), (Variable("path", 1, None),), "fetch"),
        ("/v1/a%20b", ("/v1", "/a b"), (), None),
        ("/v1/.well-known/jwks.json", ("/v1", "/.well-known", "/jwks.json"), (), None),
    ],
)
def test_reads(text: str, segments: tuple[str, ...], variables: tuple[Variable, ...], verb: str | None) -> None:
    template = parse(text)
    assert (template.segments, template.variables, template.verb) == (segments, variables, verb)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "column 1: expected '/'", id="empty"),
        pytest.param("v1/tasks", "column 1: expected '/'", id="must start with a slash"),
        pytest.param("//", "column 2: expected a segment", id="empty segment"),
        pytest.param("/v1/", "column 5: expected a segment", id="slash at the end"),
        pytest.param("/:verb", "column 2: expected a segment", id="verb without a segment"),
        pytest.param("/v1/{task", "column 10: expected '}'", id="unclosed variable"),
        pytest.param("/v1/{}", "column 6: expected a field name", id="variable without a name"),
        pytest.param("/v1/{a.}", "column 8: expected a field name", id="path that ends in a dot"),
        pytest.param("/v1/{1a}", "column 6: expected a field name", id="name that is none"),
        pytest.param("/v1/{a=}", "column 8: expected a segment", id="variable of nothing"),
        pytest.param("/v1/{a={b}}", "column 8: a variable inside a variable", id="nested variables"),
        pytest.param("/v1/**/x", "column 8: '**' must be last", id="double star in the middle"),
        pytest.param("/v1/{a=**}/x", "column 12: '**' must be last", id="double star in a variable in the middle"),
        pytest.param("/v1/{id}/{id}", "column 11: duplicate variable 'id'", id="variable bound twice"),
        pytest.param("/v1/{id}x", "column 9: expected '/', ':' or the end", id="text after a variable"),
        pytest.param("/v1/x*", "column 6: expected '/', ':' or the end", id="star inside a segment"),
        pytest.param("/v1/x:", "column 7: expected a verb", id="verb without a name"),
        pytest.param("/v1/x:a:b", "column 8: expected '/', ':' or the end", id="two verbs"),
        pytest.param("/v1/x?a=b", "column 6: expected '/', ':' or the end", id="query"),
        pytest.param("/v1/a%2", "column 6: expected '/', ':' or the end", id="half an escape"),
        pytest.param("/v1/a b", "column 6: expected '/', ':' or the end", id="space"),
    ],
)
def test_refuses(text: str, complaint: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse(text)
    assert str(refused.value) == complaint


def test_two_templates_that_differ_in_names_alone_have_one_shape() -> None:
    assert parse("/v1/{a}/{b=x/*}:go").shape == parse("/v1/{c}/x/{d}:go").shape == "/v1/*/x/*:go"
