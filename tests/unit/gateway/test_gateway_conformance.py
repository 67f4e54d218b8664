"""The comparison with others names a test for every row, and the tests are there."""

import re
from pathlib import Path

from tests.integration.gateway.test_gateway_envoy import CASES
from tests.support.envoy import DIFFERENCES

_TESTS = Path(__file__).parents[2]
_PAGE = _TESTS.parent / "docs" / "gateway-conformance.md"


def test_every_row_is_shown_by_a_test_that_exists() -> None:
    folders = [_TESTS / "unit" / "gateway", _TESTS / "integration" / "gateway"]
    source = "".join(file.read_text() for folder in folders for file in folder.glob("test_*.py"))
    known = set(re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE))
    compared, _, _ = _PAGE.read_text().partition("## Envoy in place of the gateway")
    rows = [line for line in compared.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    shown = [re.findall(r"`(test_\w+)`", row) for row in rows if not row.startswith("| feature")]
    assert len(shown) > 50
    assert all(len(tests) == 1 for tests in shown)
    assert {test for tests in shown for test in tests} <= known


def test_every_difference_that_tests_expect_of_envoy_is_listed_with_its_reason() -> None:
    _, _, listed = _PAGE.read_text().partition("## Envoy in place of the gateway")
    expected = {*DIFFERENCES, *(case.difference for case in CASES if case.difference)}
    assert [name for name in sorted(expected) if f"\n| {name} | " not in listed] == []
