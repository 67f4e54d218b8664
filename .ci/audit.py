"""Fails on known vulnerabilities in what production installs, and only on those.

`python .ci/audit.py requirements.lock` runs pip-audit. Behind a package index that has no vulnerability service it
cannot look; then it says so, and does not fail: nobody's build may depend on that.
"""

import json
import subprocess
import sys
from pathlib import Path

# ruff: noqa: INP001  a script, in no package

TIMEOUT_S = 180


def main(lock: Path) -> int:
    """1 when there are findings."""
    command = ["pip-audit", "--requirement", str(lock), "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603  a fixed command
            [*command, "--progress-spinner", "off", "--timeout", "15"],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return could_not_look("the vulnerability service gave no answer")
    packages = report["dependencies"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    findings = [package for package in packages if package.get("vulns")]
    for package in findings:
        for finding in package["vulns"]:
            fixed = ", ".join(finding["fix_versions"]) or "no version"
            sys.stderr.write(f"audit: {package['name']} {package['version']}: {finding['id']}, fixed in {fixed}\n")
    if findings:
        return 1
    if len(unknown) == len(packages):
        return could_not_look("the vulnerability service knows none of them")
    rest = f"; it does not know {', '.join(unknown)}" if unknown else ""
    sys.stdout.write(f"audit: {len(packages) - len(unknown)} packages without known vulnerabilities{rest}\n")
    return 0


def could_not_look(why: str) -> int:
    """Say that nothing was checked."""
    sys.stdout.write(f"audit: COULD NOT LOOK: {why}; nothing was checked\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
