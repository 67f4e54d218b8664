"""What must hold for the repository as a whole."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BINARY = {".binpb"}

# Spelled so that this file does not hold what it looks for.
FORBIDDEN = re.compile(
    r"p[y]pi[.]org|pythonho[s]ted|registry[.]npm[j]s|deb[.]d[e]bian|proxy[.]g[o]lang|/r[o]ot/|/w[o]rk/main"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix not in BINARY and (match := FORBIDDEN.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


def test_the_lock_names_no_host() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(encoding="utf-8"), lock.name
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize(
    "package", ["chassis", "gateway", "identity_service", "work_service", "standalone", "migrations"]
)
def test_every_package_says_what_it_owns(package: str) -> None:
    for init in (ROOT / package).rglob("__init__.py"):
        assert re.match(r'"""\w', init.read_text(encoding="utf-8")), f"{init.relative_to(ROOT)} has no docstring"
