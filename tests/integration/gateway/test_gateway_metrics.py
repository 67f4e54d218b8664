"""`/metrics`, as Prometheus reads it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import gateway.app
from gateway.config import GatewayConfig
from standalone.ports import free_port
from tests.integration.gateway.conftest import Library, serving


@asynccontextmanager
async def measured(descriptors: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway with telemetry of its own: what tests hand in is read elsewhere."""
    async with serving(Library()) as address:
        config = GatewayConfig(
            descriptors=descriptors, upstreams=f"library.v1={address}", listen="127.0.0.1:0", **settings
        )
        async with (
            gateway.app.running(config) as running,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", timeout=30) as client,
        ):
            yield client


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = (await client.get("/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_route_and_status(descriptors: Path) -> None:
    async with measured(descriptors) as client:
        for _ in range(3):
            await client.get("/v1/echo?text=secret")
        await client.post("/v1/act", json={"code": "INTERNAL"})
        await client.get("/v1/watch?count=3")
        await client.get("/v1/nothing/secret")
        await client.request("REPORT", "/v1/echo")
        await client.get("/healthz")
        found = await samples(client)
    told = {
        tuple(
            dict(labels).get(name, "") for name in ("http_request_method", "http_route", "http_response_status_code")
        ): n
        for (name, labels), n in found.items()
        if name == "http_server_request_duration_seconds_count"
    }
    assert told == {
        ("GET", "/v1/echo", "200"): 3,
        ("POST", "/v1/act", "500"): 1,
        ("GET", "/v1/watch", "200"): 1,
        ("GET", "", "404"): 1,
        ("_OTHER", "", "405"): 1,
    }
    errors = [dict(labels) for name, labels in found if name.endswith("_duration_seconds_count")]
    assert [one["error_type"] for one in errors if one["error_type"]] == ["500"]
    assert not [labels for _, labels in found if "secret" in str(labels).lower()]


async def test_what_is_under_way_is_told(descriptors: Path) -> None:
    async with measured(descriptors) as client, client.stream("GET", "/v1/watch?count=1&hang=true") as stream:
        async for _ in stream.aiter_lines():
            break
        found = {name: value for (name, _), value in (await samples(client)).items()}
        assert found["gateway_active_streams"] == 1
        assert found["gateway_active_requests"] == 0
        assert found["gateway_held_bytes"] == 0


async def test_whether_redis_counts_is_told(descriptors: Path) -> None:
    async with measured(descriptors, redis_url=f"redis://127.0.0.1:{free_port()}") as client:
        found = {name: value for (name, _), value in (await samples(client)).items()}
        assert found["gateway_redis_up"] == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic token", "token"])
async def test_who_has_not_the_token_reads_nothing(descriptors: Path, header: str) -> None:
    async with measured(descriptors, monitoring_token="token") as client:
        answer = await client.get("/metrics", headers={"authorization": header} if header else {})
        assert answer.status_code == 401
        assert answer.json()["details"][0]["reason"] == "MONITORING_TOKEN_REQUIRED"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answer = await client.get("/metrics", headers={"authorization": "bearer token"})
        assert answer.status_code == 200


async def test_it_may_be_switched_off(descriptors: Path) -> None:
    async with measured(descriptors, metrics=False) as client:
        assert (await client.get("/metrics")).status_code == 404
