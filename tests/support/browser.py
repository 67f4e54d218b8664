"""Chromium, led by chromedriver: WebDriver is JSON over HTTP, so httpx is all it takes."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_PATIENCE_S = 30.0


class Browser:
    """One window."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._log: list[dict[str, Any]] = []

    async def open(self, url: str) -> None:
        await self._post("/url", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        """What the body of a function returns in the page."""
        return await self._post("/execute/sync", {"script": script, "args": list(arguments)})

    async def element(self, selector: str, text: str = "") -> "Element":
        """The first that can be seen, and holds the text, as soon as there is one."""
        script = """
            return [...document.querySelectorAll(arguments[0])].find(
                (found) => found.checkVisibility() && found.innerText.includes(arguments[1])) ?? null;
        """
        until = time.monotonic() + _PATIENCE_S
        while (found := await self.run(script, selector, text)) is None:
            assert time.monotonic() < until, f"{selector} with {text!r} has not come"
            await asyncio.sleep(0.05)
        return Element(self, found[_ELEMENT])

    async def requested(self) -> list[str]:
        """The addresses of everything that was asked for so far, but for the browser's own pages."""
        urls = [event["params"]["request"]["url"] for event in await self._events("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith("chrome:")]

    async def blocked(self) -> list[str]:
        """The addresses of what the page was not allowed to ask for."""
        failed = {
            event["params"]["requestId"]
            for event in await self._events("Network.loadingFailed")
            if event["params"].get("blockedReason") == "csp"
        }
        return [
            event["params"]["request"]["url"]
            for event in await self._events("Network.requestWillBeSent")
            if event["params"]["requestId"] in failed
        ]

    async def complaints(self) -> list[str]:
        """What stands in the console as an error."""
        logged = await self._post("/se/log", {"type": "browser"})
        return [entry["message"] for entry in logged if entry["level"] == "SEVERE"]

    async def _events(self, method: str) -> list[dict[str, Any]]:
        logged = await self._post("/se/log", {"type": "performance"})
        self._log += [json.loads(entry["message"])["message"] for entry in logged]
        return [event for event in self._log if event["method"] == method]

    async def _post(self, path: str, content: object) -> Any:
        return _value(await self._client.post(path, json=content))

    async def _get(self, path: str) -> Any:
        return _value(await self._client.get(path))


class Element:
    """Something in the page."""

    def __init__(self, browser: Browser, element_id: str) -> None:
        self._browser = browser
        self._path = f"/element/{element_id}"

    async def click(self) -> None:
        await self._browser._post(f"{self._path}/click", {})

    async def type(self, text: str) -> None:
        await self._browser._post(f"{self._path}/value", {"text": text})

    async def text(self) -> str:
        return str(await self._browser._get(f"{self._path}/text"))


def _value(answer: httpx.Response) -> Any:
    value = answer.json()["value"]
    assert answer.status_code == 200, value
    return value


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """A window of a Chromium of its own; `profile` is a folder for what it keeps."""
    options = {
        "args": [
            "--headless=new",
            "--no-sandbox",  # which root cannot have
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--window-size=1280,1600",
            f"--user-data-dir={profile}",
        ]
    }
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
    }
    with _driver() as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await _listening(client)
            session = _value(await client.post("/session", json={"capabilities": {"alwaysMatch": wanted}}))
            window = f"{address}/session/{session['sessionId']}"
            client.base_url = httpx.URL(window)
            try:
                yield Browser(client)
            finally:
                _value(await client.delete(window))  # chromedriver leaves it open otherwise


@contextmanager
def _driver() -> Iterator[str]:
    command = shutil.which("chromedriver")
    assert command is not None, "chromedriver is needed: Debian and Ubuntu have it as chromium-driver"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([command, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def _listening(client: httpx.AsyncClient) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            await client.get("/status")
        except httpx.TransportError:
            assert time.monotonic() < until, "chromedriver does not answer"
            await asyncio.sleep(0.05)
        else:
            return
