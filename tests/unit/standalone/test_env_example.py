"""`.env.example` names every setting, and nothing that is none."""

import re

from chassis.config import env_name
from gateway.config import GatewayConfig
from identity_service.config import IdentitySettings, ProvisionSettings
from standalone.settings import PROJECT, StandaloneSettings
from work_service.config import WorkSettings

COMPOSE_ONLY = {"POSTGRES_PASSWORD", "IDENTITY_DATABASE_PASSWORD", "WORK_DATABASE_PASSWORD"}


def test_it_is_complete() -> None:
    listed = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    known = {
        env_name(settings, field)
        for settings in (StandaloneSettings, IdentitySettings, ProvisionSettings, WorkSettings, GatewayConfig)
        for field in settings.model_fields
    }
    assert {name for name in listed if not name.startswith("OTEL_")} == known | COMPOSE_ONLY


def test_no_secret_has_a_value() -> None:
    text = (PROJECT / ".env.example").read_text()
    assert re.findall(r"^([A-Z_]+)=(.+)$", text, re.MULTILINE) == []


def test_compose_asks_for_each_secret() -> None:
    compose = (PROJECT / "docker-compose.yml").read_text()
    for name in (*COMPOSE_ONLY, "IDENTITY_SECRET_KEY", "WORK_SECRET_KEY", "WORK_CLIENT_SECRET"):
        uses = re.findall(rf"\$\{{{name}(.)", compose)
        assert set(uses) == {":"}
        assert f"{name}:?" in compose
