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


def test_compose_passes_on_everything_but_where_containers_listen_and_find_each_other() -> None:
    compose = (PROJECT / "docker-compose.yml").read_text()
    example = (PROJECT / ".env.example").read_text()
    listed = re.findall(r"^#?((?:IDENTITY|WORK|GATEWAY)_[A-Z0-9_]+)=", example, re.MULTILINE)
    left = {name for name in listed if f"${{{name}:" not in compose}
    assert left == {
        *(f"{process}_LISTEN" for process in ("IDENTITY", "WORK", "GATEWAY")),
        *(f"{process}_{name}" for process in ("IDENTITY", "WORK") for name in ("DATABASE_URL", "TRUSTED_PROXIES")),
        *(f"GATEWAY_{name}" for name in ("DESCRIPTORS", "UPSTREAMS", "REFLECT", "HEALTH_COMPONENTS")),
        *(f"WORK_{name}" for name in ("IDENTITY_ADDRESS", "CLIENT_ID", "TOKEN_ISSUER")),
        # Containers are read-only, and mail that waits in one is nobody's.
        *(f"IDENTITY_{name}" for name in ("MAIL_FOLDER", "MAIL_LINKS_IN_LOG", "SERVICE_ACCOUNT_SECRET")),
    }


def test_compose_trusts_the_gateway_alone() -> None:
    compose = (PROJECT / "docker-compose.yml").read_text()
    names = re.findall(r"(\w+): [&*]gateway-address", compose)
    assert names == ["IDENTITY_TRUSTED_PROXIES", "WORK_TRUSTED_PROXIES", "ipv4_address"]


def test_compose_asks_for_each_secret() -> None:
    compose = (PROJECT / "docker-compose.yml").read_text()
    for name in (*COMPOSE_ONLY, "IDENTITY_SECRET_KEY", "WORK_SECRET_KEY", "WORK_CLIENT_SECRET"):
        uses = re.findall(rf"\$\{{{name}(.)", compose)
        assert set(uses) == {":"}
        assert f"{name}:?" in compose
