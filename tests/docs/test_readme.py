"""The README does what it says: its quick start is pasted into a shell, on other ports and a home of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from standalone.ports import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_the_two_commands_are_targets_of_make() -> None:
    (block,) = blocks(section("Two commands"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in block.strip().splitlines():
        command, target = line.split()[:2]
        assert command == "make"
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_link_leads_somewhere() -> None:
    for document in [
        ROOT / "README.md",
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "gateway" / "README.md",
    ]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} -> {target}"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[dict[str, int]]:
    """`make run`'s own command, elsewhere."""
    ports = {name: free_port() for name in ("gateway", "identity", "work", "postgres")}
    environment = os.environ | {  # noqa: TID251 - handed on
        "TANDEM_ENV_FILE": os.devnull,
        "TANDEM_HOME": str(tmp_path / "home"),
        "GATEWAY_LISTEN": f"127.0.0.1:{ports['gateway']}",
        "IDENTITY_LISTEN": f"127.0.0.1:{ports['identity']}",
        "WORK_LISTEN": f"127.0.0.1:{ports['work']}",
        "TANDEM_POSTGRES_PORT": str(ports["postgres"]),
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "standalone"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 120
        while not ready(ports["gateway"]):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield ports
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_quick_start_does_what_it_says(running: dict[str, int]) -> None:
    script = "set -euo pipefail\n" + "\necho\n".join(blocks(section("Quick start")))
    if shutil.which("grpcurl") is None:
        script = re.sub(r"^grpcurl .*?[^\\]\n", "", script, flags=re.DOTALL | re.MULTILINE)
    for usual, here in ((8080, "gateway"), (50051, "identity"), (50052, "work")):
        script = script.replace(f"localhost:{usual}", f"127.0.0.1:{running[here]}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # noqa: TID251 - handed on
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": path, "HOME": "/nonexistent"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert '"slug":"web"' in done.stdout.replace(" ", "")
    answers = done.stdout.count('"IN_PROGRESS"')
    assert answers >= (3 if shutil.which("grpcurl") else 2), done.stdout
    assert "Write the first ⟦page⟧" in done.stdout
    assert "HTTP/1.1 409" in done.stdout
    assert "ETAG_MISMATCH" in done.stdout
