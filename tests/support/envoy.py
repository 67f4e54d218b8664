"""Envoy, started for a test: with a configuration of the test's own, or with ours in place of the gateway."""

import asyncio
import importlib.util
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from standalone.ports import free_port
from tests.support.doors import PATIENCE_S

EXECUTABLE = Path(sys.executable).parent / "envoy"
DEPLOYED = Path(__file__).parents[2] / "deploy" / "envoy"
STARTS_WITHIN_S = 30

DIFFERENCES: Mapping[str, Sequence[str]] = {
    "a method that is not served": [r"test_unknown_paths_and_methods_are_told_apart"],
    "a zero byte in a path": [
        r"test_a_bad_value_.*-(project|task|projectRef|category|label|serviceAccount\w*|kid)-'?(a|1)\\+x00"
    ],
    "an unknown number of an enum in a query": [
        r"test_a_bad_value_.*\[rest-List\w+-(request_\d+-)?(role|outcome|state|status|priority)-'?\[?(1, )?99",
        r"test_a_bad_value_.*\[rest-(Get|List|Search)\w+-view-'?99",
    ],
    "a resource that is null": [
        r"test_a_bad_value_.*-(project|task|comment|user|serviceAccount|category|label)-'?None"
    ],
    "a value that does not fit its field": [
        r"test_(no_event_is_looked_for|nothing_is_due)_beyond_the_calendar",
        r"test_a_bad_body_is_.*\[(wrong type|unknown enum value|not a time|lone surrogate|not a date)\]",
        r"test_a_bad_query_is_refused\[(pageSize=many|pagesize=1)",
    ],
    "a member twice": [r"test_a_bad_body_is_.*\[(duplicate key|camel and snake twins)\]"],
    "an unknown member of a body": [r"test_a_bad_body_is_.*\[unknown field\]"],
    "too large a body": [r"test_a_bad_body_is_.*\[too large\]"],
    "a parameter twice": [r"test_a_bad_query_is_refused\[page_?[sS]ize=1&"],
    "a query against the path": [r"test_a_bad_query_is_refused\[project=other"],
    "the client's address, on loopback": [
        r"test_every_act_leaves_exactly_one_event",
        r"test_an_event_says_who_did_what_to_whom_and_from_where",
        r"test_who_asks_for_a_reset_of_an_unknown_address_is_remembered",
        r"test_sessions_are_listed_with_where_and_what_they_are_used_from",
        r"test_signing_in_is_remembered",
        r"test_who_is_robbed_is_told_by_mail",
    ],
    "a server's stream": [
        r"test_an_export_(tells|of_nothing|costs)_",
        r"test_categories_and_labels_are_named_as_another_project_knows_them",
        r"test_deleted_tasks_are_told_on_request",
        r"test_a_filter_is_that_of_lists",
        r"test_over_rest_each_line_is_a_task",
    ],
    "a stream of requests": [
        r"test_an_export_into_",
        r"test_a_line_changes_what_it_says",
        r"test_with_a_mask_of_everything",
        r"test_parents_are_named_by_key",
        r"test_a_tree_is_turned_upside_down",
        r"test_lines_without_a_key_are_always_new",
        r"test_nothing_is_an_import_too",
        r"test_one_line_that_is_wrong_refuses_all",
        r"test_everything_that_is_wrong_is_told_at_once",
        r"test_two_names_of_one_task",
        r"test_an_attempt_is_answered_again",
        r"test_an_import_costs_the_same",
        r"test_two_imports_of_one_file",
        r"test_an_import_waits_for_another_one",
        r"test_what_is_deleted_while_an_import_looks",
        r"test_imports_and_other_changes",
        r"test_(each_caller|what_is_archived|what_is_reopened|a_bad_value)_.*\[rest-ImportTasks",
    ],
    "`/health`": [r"test_health_is_told\[/health-"],
}
"""What a row of docs/gateway-conformance.md is called, and the tests of the contract that see it."""


def difference(test: str) -> str | None:
    """Why a test does not pass with Envoy at the door, if it does not."""
    for name, patterns in DIFFERENCES.items():
        if any(re.match(pattern, test) for pattern in patterns):
            return name
    return None


@asynccontextmanager
async def envoy(config: Path, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an Envoy that listens at `port`; it ends with the block."""
    options = ("--config-path", str(config), "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning")
    process = await asyncio.create_subprocess_exec(str(EXECUTABLE), *options)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            async with asyncio.timeout(STARTS_WITHIN_S):
                while not await _answers(client):
                    assert process.returncode is None, "it did not start"
                    await asyncio.sleep(0.05)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/")
    except httpx.TransportError:
        return False
    return True


def written(configuration: Mapping[str, Any], folder: Path) -> Path:
    """The file that has a configuration."""
    config = folder / "envoy.json"
    config.write_text(json.dumps(configuration))
    return config


def deployed(folder: Path, descriptors: Path, port: int, *, identity: str, work: str) -> Path:
    """deploy/envoy as it is, but for addresses."""
    prepare: Any = loaded(DEPLOYED / "prepare.py")
    prepare.prepared(descriptors.read_bytes(), folder)
    config = folder / "envoy.yaml"
    text = config.read_text()
    for there, here in (
        ("0.0.0.0, port_value: 8080", f"127.0.0.1, port_value: {port}"),
        ("identity, port_value: 50051", identity.replace(":", ", port_value: ")),
        ("work, port_value: 50052", work.replace(":", ", port_value: ")),
    ):
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    config.write_text(text)
    return config


@asynccontextmanager
async def in_place_of_the_gateway(
    folder: Path, descriptors: Path, *, identity: str, work: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an Envoy that does what the gateway does."""
    port = free_port()
    async with envoy(deployed(folder, descriptors, port, identity=identity, work=work), port) as client:
        yield client


def loaded(script: Path) -> Any:
    """A script that belongs to no package."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
