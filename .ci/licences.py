"""Fails when production would install something under a licence that is not on the list.

`python .ci/licences.py requirements.lock` reads what each locked package says of itself where it is installed.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

# ruff: noqa: INP001  a script, in no package

# Permissive, or (MPL, LGPL) of files and libraries that we use unchanged.
ALLOWED = (
    r"MIT|MIT-0|MIT License",
    r"BSD|0BSD|BSD License|(?:3-Clause )?BSD License|BSD-[23]-Clause",
    r"Apache(?: License)?(?:,? Version)? ?2\.0|Apache-2\.0|Apache Software License",
    r"PSF-2\.0|Python-2\.0|Python Software Foundation License",
    r"MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)",
    r"ISC|ISC License \(ISCL\)",
    r"Unlicense",
)
EXCEPTIONS = {
    # Linked dynamically and replaceable, as the LGPL asks.
    "psycopg": r"LGPL-3\.0-only|GNU Lesser General Public License v3 \(LGPLv3\)",
    "psycopg-binary": r"LGPL-3\.0-only|GNU Lesser General Public License v3 \(LGPLv3\)",
}


def main(lock: Path) -> int:
    """0 when every licence is known and allowed."""
    complaints = 0
    for name in locked(lock):
        found = licences(metadata.metadata(name))
        allowed = [*ALLOWED, *([EXCEPTIONS[name]] if name in EXCEPTIONS else [])]
        strange = [text for text in found if not any(re.fullmatch(pattern, text) for pattern in allowed)]
        if strange or not found:
            complaints += 1
            sys.stderr.write(f"licences: {name}: {' and '.join(strange) or 'says nothing'}\n")
    if complaints:
        return 1
    sys.stdout.write(f"licences: {len(locked(lock))} packages, all on the list\n")
    return 0


def locked(lock: Path) -> list[str]:
    """The packages of a lock that are for this platform."""
    lines = (line.removesuffix("\\").strip() for line in lock.read_text().splitlines())
    requirements = [Requirement(line) for line in lines if re.match(r"[a-z0-9][a-z0-9.-]*==", line)]
    return [one.name for one in requirements if one.marker is None or one.marker.evaluate()]


def licences(package: metadata.PackageMetadata) -> list[str]:
    """Everything that it says: an SPDX expression, else classifiers, else the old free field."""
    if "License-Expression" in package:
        return [part.strip("() ") for part in re.split(r" AND | OR ", package["License-Expression"])]
    prefix = "License :: "
    classified = [text.split(" :: ")[-1] for text in package.get_all("Classifier") or [] if text.startswith(prefix)]
    return [text for text in classified if text != "OSI Approved"] or package.get_all("License") or []


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
