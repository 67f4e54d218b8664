"""The documentation as people read it: over a real socket, and in a real browser."""

import re
from pathlib import Path

import httpx
import pytest

from gateway.app import running
from gateway.config import GatewayConfig
from standalone.ports import free_port
from tests.integration.gateway.conftest import Running
from tests.integration.gateway.test_gateway_web import configured
from tests.support.browser import browser
from tests.unit.gateway import toy

IMMUTABLE = "public, max-age=31536000, immutable"


def linked(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/[^"]+)"', page)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_holds_nothing_inline_and_everything_it_needs_is_served_here(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "unsafe" not in policy[0]
    assert "default-src 'none'; script-src 'self'" in policy[0]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.findall(r"<script[^>]*>[^<]", answer.text) == []
    assert not re.search(r"<style|\son\w+=|style=", answer.text)
    files = linked(answer.text)
    assert len(files) >= 3
    for name in files:
        for encoding in ("gzip", "identity"):
            file = await client.get(name, headers={"accept-encoding": encoding})
            assert (file.status_code, file.headers["cache-control"]) == (200, IMMUTABLE)
            assert file.headers["content-type"].startswith(("text/css", "text/javascript"))
            assert file.headers.get("content-encoding", "identity") == encoding
            assert len(file.content) > 50


async def test_who_knows_nothing_but_the_host_is_led_to_the_documentation(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")
    assert (await client.post("/docs")).status_code == 405
    assert (await client.head("/docs")).content == b""


async def test_what_the_contract_has_at_the_root_is_served_there(tmp_path: Path) -> None:
    contract = tmp_path / "contract.binpb"
    source = 'syntax = "proto3"; package toy.v1; import "google/api/annotations.proto"; message M {} service S {'
    contract.write_bytes(
        toy.compiled(source + ' rpc Get(M) returns (M) { option (google.api.http) = { get: "/" }; } }')
    )
    config = GatewayConfig(descriptors=contract, upstreams=f"toy.v1=127.0.0.1:{free_port()}", listen="127.0.0.1:0")
    async with running(config) as gateway, httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client:
        assert (await client.get("/")).status_code == 503
        assert (await client.get("/docs")).status_code == 200


async def test_no_page_is_served_where_documentation_is_switched_off(descriptors: Path) -> None:
    async with configured(descriptors, docs=False) as gateway:
        for path in ("/", "/docs", "/redoc", "/openapi.json"):
            assert (await gateway.client.get(path)).status_code == 404


async def test_the_title_cannot_break_out_of_the_page(descriptors: Path) -> None:
    async with configured(descriptors, title="<script>alert(1)</script>") as gateway:
        for path in ("/docs", "/redoc"):
            page = (await gateway.client.get(path)).text
            assert "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>" in page


async def test_pages_are_not_served_by_plain_http_where_https_is_wanted(descriptors: Path) -> None:
    async with configured(descriptors, https_only=True) as gateway:
        for path in ("/docs", "/redoc", "/openapi.json"):
            answer = await gateway.client.get(path, headers={"host": "api.example.com"})
            assert (answer.status_code, answer.headers["location"]) == (308, f"https://api.example.com{path}")


@pytest.mark.engines
async def test_in_swagger_ui_one_signs_in_and_tries_an_operation_out(gateway: Running, tmp_path: Path) -> None:
    origin = f"http://127.0.0.1:{gateway.port}"
    async with browser(tmp_path / "profile") as page:
        await page.open(f"{origin}/")
        await (await page.element("button.authorize")).click()
        await (await page.element(".auth-container input[type=text]")).type("a-token")
        await (await page.element(".auth-container button.authorize", "Authorize")).click()
        await (await page.element(".auth-container button.btn-done")).click()

        operation = "#operations-Library-Library_ListBooks"
        await (await page.element(f"{operation} .opblock-summary-control")).click()
        await (await page.element(f"{operation} tr[data-param-name=shelf] input")).type("s/1")
        await (await page.element(f"{operation} button.execute")).click()
        await page.element(f"{operation} .live-responses-table", '"books"')
        name, request, metadata = gateway.library.calls[-1]
        assert (name, request.shelf, metadata["authorization"]) == ("ListBooks", "s/1", "Bearer a-token")

        await page.open(f"{origin}/docs")  # and is still signed in when the page is loaded again
        await page.element("button.authorize.locked")
        requested = await page.requested()
        assert f"{origin}/openapi.json" in requested
        assert [url for url in requested if not url.startswith((f"{origin}/", "data:"))] == []
        assert await page.complaints() == []


@pytest.mark.engines
async def test_redoc_shows_every_operation(gateway: Running, tmp_path: Path) -> None:
    origin = f"http://127.0.0.1:{gateway.port}"
    async with browser(tmp_path / "profile") as page:
        await page.open(f"{origin}/redoc")
        await page.element("h1", "API")
        operations = (await gateway.client.get("/openapi.json")).json()["paths"]
        shown = await page.run("return document.querySelectorAll('[id^=\"tag/Library/\"]').length")
        assert shown >= len(operations)
        assert await page.run("return getComputedStyle(document.querySelector('.menu-content')).position") == "sticky"
        own = (f"{origin}/", "data:", f"blob:{origin}/")
        blocked = await page.blocked()
        assert [url for url in await page.requested() if not url.startswith(own) and url not in blocked] == []
