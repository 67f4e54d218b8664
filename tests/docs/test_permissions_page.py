"""docs/permissions.md says what the contract and the role table say."""

import runpy
from pathlib import Path

from tests.support.doors import RPCS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "permissions.md").read_text(encoding="utf-8")


def test_the_page_is_fresh() -> None:
    """If it is not: `make docs`."""
    assert runpy.run_path(str(DOCS / "permissions.py"))["page"]() == PAGE


def test_every_method_has_a_row() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "Service." in line]
    assert {row.split(" | ")[0].rpartition(".")[2] for row in rows} == set(RPCS)


def test_a_row_says_who_may() -> None:
    """By hand."""
    rows = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in PAGE.splitlines())}
    assert rows["ProjectService.UpdateProject"][1:] == ["`project.update`", "", "", "yes", "yes", "`work.write`"]
    assert rows["ProjectService.DeleteProject"][1:] == ["`project.delete`", "", "", "", "yes", "`work.write`"]
    assert rows["ProfileService.LookupProfile"] == ["gRPC only", "machines only", "`identity.read`"]
    assert rows["UserService.DeleteUser"][:2] == ["`DELETE /api/v1/users/{user_id}`", "Admin"]
    assert rows["AuthService.Login"] == ["`POST /api/v1/auth/login`", "anyone"]
