"""The Makefile, as far as it can be tried without installing anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from standalone.settings import PROJECT


def make(*arguments: str, folder: Path = PROJECT) -> "subprocess.CompletedProcess[str]":
    # The tests themselves run below a make, as a rule, and that would speak of make[1].
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # noqa: TID251 - handed on
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def test_make_alone_says_what_there_is() -> None:
    done = make()
    assert done.returncode == 0
    for target in (
        "run",
        "demo",
        "demo-large",
        "dev",
        "test",
        "test-engines",
        "check",
        "lint",
        "types",
        "proto",
        "proto-check",
    ):
        assert f"\n  {target} " in done.stdout
    for target in ("demo", "demo-large", "migrate", "bench", "bench-gateway", "lock", "clean", "help"):
        assert f"\n  {target} " in done.stdout


@pytest.mark.parametrize("version", ["Python 3.10.4", ""])
def test_a_python_that_is_too_old_is_named_in_one_line(tmp_path: Path, version: str) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for lock in ("requirements-standalone.lock", "pyproject.toml"):
        (tmp_path / lock).touch()
    old = tmp_path / "python"
    old.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{version}'\nexit 1\n")
    old.chmod(0o755)
    done = make("run", f"PYTHON={old}", folder=tmp_path)
    assert done.returncode != 0
    first, *rest = done.stderr.splitlines()
    assert first == f"Tandem needs Python 3.11 or newer, and {old} is {version}: make PYTHON=python3.12 run"
    assert all(line.startswith("make: ***") for line in rest)
    assert not (tmp_path / ".venv").exists()
