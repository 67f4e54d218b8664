"""What docs/security.md says is shown by tests is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """The cells of the rows of that section's table, but for the head."""
    section = DOCUMENT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_test_that_is_named_exists() -> None:
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    assert named
    assert named - there == set()


def test_every_line_of_the_standards_has_its_tests() -> None:
    table = rows("Standards")
    assert [cells[0] for cells in table] == [str(number) for number in range(1, 33)]
    for cells in (*table, *rows("Administration")):
        assert "`test_" in cells[-1], cells
