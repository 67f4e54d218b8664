"""A stock proxy verifies our tokens with our key set: Envoy's `jwt_authn` filter, unchanged."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from identity_service.app import MAX_AGE, key_schedule
from identity_service.tables import signing_keys
from standalone.ports import free_port
from tests.contract.test_tokens import parts, with_header
from tests.support.databases import Databases
from tests.support.envoy import envoy, written
from tests.support.machines import machine_token, provisioned
from tests.support.people import signed_up, signed_up_as
from tests.support.sql import change
from tests.support.stack import ISSUER, Stack, running_stack

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(sys.platform != "linux", reason="Envoy is installed on Linux only"),
]
FILTERS = "type.googleapis.com/envoy.extensions.filters"


def configuration(stack: Stack, port: int) -> dict[str, Any]:
    """One listener that answers `through` to whoever has a token for work."""
    host, _, gateway = stack.gateway_address.partition(":")

    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": host, "port_value": port}}

    authentication = {
        "@type": f"{FILTERS}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {
            "tandem": {
                "issuer": ISSUER,
                "audiences": ["work"],
                "remote_jwks": {
                    "http_uri": {
                        "uri": f"http://{stack.gateway_address}/.well-known/jwks.json",
                        "cluster": "gateway",
                        "timeout": "5s",
                    },
                    "cache_duration": {"seconds": int(MAX_AGE.total_seconds())},
                },
            }
        },
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "tandem"}}],
    }
    manager = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "door",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "direct_response": {"status": 200, "body": {"inline_string": "through"}},
                        }
                    ],
                }
            ]
        },
        "http_filters": [
            {"name": "jwt_authn", "typed_config": authentication},
            {"name": "router", "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"}},
        ],
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "door",
                    "address": address(port),
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "gateway",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "gateway",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(int(gateway))}}]}],
                    },
                }
            ],
        }
    }


@asynccontextmanager
async def trusting(stack: Stack, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an Envoy that trusts this system."""
    port = free_port()
    async with envoy(written(configuration(stack, port), folder), port) as client:
        yield client


async def status(client: httpx.AsyncClient, token: str) -> int:
    return (await client.get("/", headers={"authorization": f"Bearer {token}"})).status_code


@pytest.fixture(scope="module")
async def stack(databases: Databases) -> AsyncIterator[Stack]:
    """With a clock that shows the time of day: Envoy's does."""
    async with running_stack(databases) as running:
        yield running


async def test_envoy_lets_in_whom_we_would_let_in(stack: Stack, tmp_path: Path) -> None:
    door = stack.doors["rest"]
    ada = await signed_up(door)
    tokens = {}
    for audience in ("work", "identity"):
        secret = await provisioned(stack.identity_url, f"for-{audience}", scopes=["work.read"], audiences=[audience])
        tokens[audience] = await machine_token(door, f"for-{audience}", secret)
    async with trusting(stack, tmp_path) as client:
        assert (await client.get("/")).status_code == 401
        answer = await client.get("/", headers={"authorization": f"Bearer {ada.token}"})
        assert (answer.status_code, answer.text) == (200, "through")
        assert await status(client, tokens["work"]) == 200
        assert await status(client, tokens["identity"]) == 403, "not for this audience"
        header, claims, signature = ada.token.split(".")
        assert await status(client, f"{header}.{claims}.{signature[:-4]}AAAA") == 401
        assert await status(client, with_header(ada.token, alg="none").rsplit(".", 1)[0] + ".") == 401
        assert await status(client, with_header(ada.token, kid="made-up")) == 401


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_envoy_knows_a_key_before_it_signs(stack: Stack, tmp_path: Path, algorithm: str) -> None:
    """It never asks for a name that it does not know: what takes over was published while it still had time."""
    door = stack.doors["rest"]
    admin = await signed_up_as(door, stack.identity_url, "ADMIN")
    made = await admin.call("CreateSigningKey", algorithm=algorithm)
    async with trusting(stack, tmp_path) as client:
        assert await status(client, admin.token) == 200
        long_ago = signing_keys.c.create_time - key_schedule(stack.identity_settings).lead
        this = signing_keys.c.kid == made["kid"]
        await change(stack.identity_url, update(signing_keys).values(create_time=long_ago).where(this))
        await admin.call("ActivateSigningKey", kid=made["kid"])
        ada = await signed_up(door)
        header, _ = parts(ada.token)
        assert (header["kid"], header["alg"]) == (made["kid"], algorithm)
        assert await status(client, ada.token) == 200
        assert await status(client, admin.token) == 200, "signed with the key of before"
