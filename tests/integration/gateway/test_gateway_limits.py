"""How often may be called, over a real socket; and what is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

import gateway.app
from chassis.config import ConfigError, read
from gateway.config import GatewayConfig
from gateway.rates import shared
from standalone.ports import free_port
from tests.integration.gateway.conftest import Library, Running, gateway_to, serving
from tests.support.people import signed_up
from tests.support.stack import DESCRIPTORS, Stack


@asynccontextmanager
async def limited(descriptors: Path, **settings: Any) -> AsyncIterator[Running]:
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors, **settings) as running:
        yield running


async def refused(client: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    """The answer to who calls on and on. How many calls pass depends on whether a minute turns meanwhile."""
    for _ in range(20):
        answer = await client.get(path, headers=headers)
        if answer.status_code == 429:
            return answer
    raise AssertionError("everything was admitted")


async def test_too_many_calls_are_refused_with_when_to_come_again(descriptors: Path) -> None:
    async with limited(descriptors, anonymous_per_minute=3) as gateway:
        first = await gateway.client.get("/v1/echo")
        assert first.headers["ratelimit-policy"] == '"anonymous";q=3;w=60'
        assert first.headers["ratelimit"].startswith('"anonymous";r=2;t=')
        failed = await gateway.client.post("/v1/act", json={"code": "NOT_FOUND"})
        assert failed.headers["ratelimit"].startswith('"anonymous";r=')
        answer = await refused(gateway.client, "/v1/echo")
        error = answer.json()
        assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert error["details"][0]["reason"] == "RATE_LIMITED"
        assert error["details"][1]["retryDelay"] == f"{answer.headers['retry-after']}s"
        assert answer.headers["ratelimit"] == f'"anonymous";r=0;t={answer.headers["retry-after"]}'
        served = len(gateway.library.calls)
        assert (await gateway.client.post("/v1/act", json={})).status_code == 429
        assert (await gateway.client.get("/v1/watch")).status_code == 429
        assert len(gateway.library.calls) == served
        for path in ("/healthz", "/openapi.json", "/v1/nothing"):
            assert "ratelimit" not in (await gateway.client.get(path)).headers


async def test_errors_of_rfc_6749_are_refused_in_its_words(descriptors: Path) -> None:
    async with limited(descriptors, anonymous_per_minute=1) as gateway:
        await refused(gateway.client, "/v1/echo")
        answer = await gateway.client.post("/v1/token", json={})
        assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")


async def test_addresses_have_budgets_of_their_own(descriptors: Path) -> None:
    async with limited(descriptors, anonymous_per_minute=2, trusted_proxies="127.0.0.1") as gateway:
        await refused(gateway.client, "/v1/echo", **{"x-forwarded-for": "192.0.2.1"})
        answer = await gateway.client.get("/v1/echo", headers={"x-forwarded-for": "192.0.2.2"})
        assert answer.status_code == 200
        await refused(gateway.client, "/v1/echo", **{"x-forwarded-for": "2001:db8::1"})
        assert (await gateway.client.get("/v1/echo", headers={"x-forwarded-for": "2001:db8::2"})).status_code == 429


async def test_a_stream_is_one_call(descriptors: Path) -> None:
    async with limited(descriptors, reads_per_minute=2, anonymous_per_minute=9, answers_vouch=True) as gateway:
        signed_in = {"authorization": "Bearer one"}
        streamed = await gateway.client.get("/v1/watch?count=5", headers=signed_in)
        assert streamed.headers["ratelimit"].startswith('"anonymous";r=8')
        streamed = await gateway.client.get("/v1/watch?count=5", headers=signed_in)
        assert streamed.headers["ratelimit"].startswith('"read";r=1')


async def test_made_up_credentials_count_with_their_address_where_nobody_says_who_may_call(descriptors: Path) -> None:
    async with limited(descriptors, reads_per_minute=50, anonymous_per_minute=5) as gateway:
        for number in range(20):
            made_up = {"authorization": f"Bearer {number % 2}"}
            answer = await gateway.client.get("/v1/echo", headers=made_up)
            assert answer.status_code in (200, 429)
            assert answer.headers["ratelimit"].startswith('"anonymous"')
        assert answer.status_code == 429


@asynccontextmanager
async def in_front_of(stack: Stack, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Another gateway, which limits."""
    config = GatewayConfig(
        listen="127.0.0.1:0",
        descriptors=DESCRIPTORS,
        upstreams=f"tandem.identity.v1={stack.identity_address},tandem.work.v1={stack.work_address}",
        **settings,
    )
    async with (
        gateway.app.running(config) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", timeout=30) as client,
    ):
        yield client


async def test_whom_a_server_has_accepted_has_a_budget_and_a_tier(stack: Stack) -> None:
    ada = await signed_up(stack.doors["rest"], "Ada")
    grace = await signed_up(stack.doors["rest"], "Grace")
    settings = {"reads_per_minute": 3, "anonymous_per_minute": 9, "tier_claim": "sub", "tiers": f"{grace.id}=7/7"}
    async with in_front_of(stack, **settings) as client:
        for person, quota in ((ada, 3), (grace, 7)):
            signed_in = {"authorization": f"Bearer {person.token}"}
            policies = [
                (await client.get("/api/v1/auth/me", headers=signed_in)).headers["ratelimit-policy"] for _ in range(2)
            ]
            assert policies == ['"anonymous";q=9;w=60', f'"read";q={quota};w=60']
        assert (await refused(client, "/api/v1/auth/me", authorization=f"Bearer {ada.token}")).status_code == 429
        answer = await client.get("/api/v1/auth/me", headers={"authorization": f"Bearer {grace.token}"})
        assert answer.status_code == 200


async def test_who_forges_tokens_uses_up_nothing_but_the_budget_of_their_address(stack: Stack) -> None:
    ada = await signed_up(stack.doors["rest"], "Ada")
    head, claims, _ = ada.token.split(".")
    async with in_front_of(stack, reads_per_minute=50, anonymous_per_minute=5) as client:
        known = {"authorization": f"Bearer {ada.token}"}
        assert (await client.get("/api/v1/auth/me", headers=known)).status_code == 200
        for number in range(20):
            forged = {"authorization": f"Bearer {head}.{claims}.{number:043}"}
            answer = await client.get("/api/v1/auth/me", headers=forged)
            assert answer.status_code in (401, 429)
            assert answer.headers["ratelimit"].startswith('"anonymous"')
        assert answer.status_code == 429
        answer = await client.get("/api/v1/auth/me", headers=known)
        assert (answer.status_code, answer.headers["ratelimit"][:10]) == (200, '"read";r=4')


async def test_without_its_redis_the_gateway_counts_for_itself_and_says_so(descriptors: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    with capture_logs() as lines:
        async with limited(descriptors, anonymous_per_minute=2, redis_url=url) as gateway:
            assert (await refused(gateway.client, "/v1/echo")).status_code == 429
            health = await gateway.client.get("/health")
            assert (health.status_code, health.json()["status"], health.json()["redis"]) == (
                200,
                "degraded",
                "unavailable",
            )
            assert (await gateway.client.get("/readyz")).status_code == 200
    assert [line["event"] for line in lines].count("redis is away: calls are counted by each gateway for itself") == 1


async def test_who_stops_does_not_wait_for_a_redis_that_hangs() -> None:
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(30), shared.opened(f"redis://127.0.0.1:{port}") as counting:
            assert not counting.there
            assert (await counting.take("a", 1)).admitted
            asked.clear()
            await asked.wait()  # and is asked right now


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("tiers", "pro"),
        ("tiers", "pro=5"),
        ("tiers", "pro=5/x"),
        ("redis_url", "http://localhost"),
        ("redis_url", "x"),
        ("redis_url", "redis://:hush/w@localhost:6379"),
        ("redis_url", "redis://localhost:hush"),
        ("redis_url", "redis:localhost:6379"),
        ("redis_url", "REDIS://localhost:6379"),
        ("upstreams", "a.v1=localhost"),
        ("upstreams", "a.v1=localhost:abc"),
    ],
)
def test_what_cannot_be_a_setting_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    monkeypatch.setenv(f"GATEWAY_{setting.upper()}", value)
    with pytest.raises(ConfigError, match="expected") as caught:
        read(GatewayConfig)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("address", ["localhost:1", "[::1]:50051", "dns:///localhost:50051", "unix:/run/x.sock"])
def test_a_server_may_be_anywhere(address: str) -> None:
    (upstream,) = GatewayConfig.model_validate({"upstreams": f"a.v1={address}"}).upstreams
    assert upstream.address == address


@pytest.mark.parametrize("half", [{"tier_claim": "plan"}, {"tiers": "pro=1/1"}])
async def test_half_of_a_tier_is_refused(descriptors: Path, half: dict[str, Any]) -> None:
    config = GatewayConfig(descriptors=descriptors, upstreams="library.v1=127.0.0.1:1", listen="127.0.0.1:0", **half)
    with pytest.raises(ConfigError, match="GATEWAY_TIER_CLAIM, GATEWAY_TIERS"):
        async with gateway.app.running(config):
            pass


def test_names_that_other_programs_know_do_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://one:1")
    monkeypatch.setenv("MONITORING_TOKEN", "other")
    monkeypatch.setenv("GATEWAY_MONITORING_TOKEN", "own")
    config = GatewayConfig()
    assert config.redis_url is not None
    assert config.monitoring_token is not None
    assert config.redis_url.get_secret_value() == "redis://one:1"
    assert config.monitoring_token.get_secret_value() == "own"
    assert "redis://one" not in repr(config)
