"""What the gateway is told from outside: `GATEWAY_*` in the environment, and the few flags of the command line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.config import Settings, listed, read
from chassis.proxies import Networks
from gateway.asgi.headers import forwardable, returnable
from gateway.rates.principals import Quota
from gateway.upstream.channels import SLACK, Upstream

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
_ADDRESS = re.compile(r"(dns|unix|unix-abstract|ipv4|ipv6|vsock|xds):.+|.+:[0-9]{1,5}")
"""As gRPC has them: with a scheme, or host and port."""
_TIER = re.compile(r"([^=]+)=([0-9]{1,9})/([0-9]{1,9})")
_LARGEST_MESSAGE = 2**31 - 1 - SLACK  # gRPC counts in 32 bits


def _upstreams(value: Any) -> Any:
    return tuple(_upstream(part) if isinstance(part, str) else part for part in listed(value))


def _upstream(text: str) -> Upstream:
    name, equals, address = text.partition("=")
    if not (name and equals and _ADDRESS.fullmatch(address)):
        raise ValueError(f"expected NAME=HOST:PORT, not {text}")
    return Upstream(name, address)


def _header_names(value: Any) -> Any:
    names = tuple(name.lower() for name in listed(value))
    for name in names:
        if not forwardable(name):
            raise ValueError(f"the header {name} is never forwarded")
    return names


def _returned_names(value: Any) -> Any:
    names = tuple(name.lower() for name in listed(value))
    for name in names:
        if not returnable(name):
            raise ValueError(f"the header {name} is the gateway's own")
    return names


def _origins(value: Any) -> Any:
    origins = tuple(listed(value))
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"expected an origin such as https://app.example.com, not {origin}")
    return origins


def _tiers(value: Any) -> Any:
    return dict(_tier(part) for part in listed(value)) if isinstance(value, str) else value


def _tier(text: str) -> tuple[str, Quota]:
    found = _TIER.fullmatch(text)
    if found is None:
        raise ValueError(f"expected VALUE=READS/WRITES, not {text}")
    return found[1], Quota(int(found[2]), int(found[3]))


def _has_a_port(url: str) -> bool:
    """Whether what stands there is one, if anything does. What is said otherwise may be a part of the password."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _redis(url: SecretStr | None) -> SecretStr | None:
    if url is None:
        return None
    text = url.get_secret_value()
    if not (text.startswith(("redis://", "rediss://")) and _has_a_port(text)):
        raise ValueError("expected redis://HOST:PORT or rediss://HOST:PORT")
    return url


class CommonSettings(Settings):
    """Names that other programs know as well; those of the gateway's own win."""

    redis_url: SecretStr | None = None
    monitoring_token: SecretStr | None = None


class GatewayConfig(Settings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    descriptors: Path | None = None
    """A FileDescriptorSet: `protoc --include_imports --descriptor_set_out`, or `buf build -o`."""
    upstreams: Annotated[tuple[Upstream, ...], NoDecode, BeforeValidator(_upstreams)] = ()
    """NAME=HOST:PORT, separated by commas: a service or a package, and who answers for it. The longest name wins."""
    reflect: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = ()
    """HOST:PORT, separated by commas: servers that say themselves what they serve, instead of the two above."""
    listen: str = "127.0.0.1:8080"
    """host:port; port 0 takes any that is free."""
    deadline_s: float = Field(default=15, gt=0)
    """How long an answer may take when the client does not say (`Grpc-Timeout`)."""
    longest_deadline_s: float = Field(default=60, gt=0)
    """The most that a client may say."""
    longest_stream_s: float = Field(default=3600, gt=0)
    """How long a stream may last; then the client connects again."""
    heartbeat_s: float = Field(default=20, gt=0)
    """How long a stream of events may be silent: less than the half minute after which common proxies cut it."""
    largest_body: int = Field(default=4 * 1024 * 1024, gt=0, le=_LARGEST_MESSAGE)
    """In bytes. In a stream of requests, each line may be as large."""
    largest_answer: int = Field(default=32 * 1024 * 1024, gt=0, le=_LARGEST_MESSAGE)
    """In bytes of protobuf. More than what may be asked: a hundred tasks that a few words change come back whole."""
    most_requests: int = Field(default=1000, gt=0)
    """How many requests may be under way at a time; more are refused with 503."""
    most_streams: int = Field(default=5000, gt=0)
    """How many streams may be: each costs about 45 KiB while it is idle."""
    most_bytes: int = Field(default=256 * 1024 * 1024, gt=0)
    """How many bytes of bodies may be held at a time."""
    reads_per_minute: int = Field(default=1200, ge=0)
    """How many calls that only read a principal has a minute; 0 is as many as they like, here and below."""
    writes_per_minute: int = Field(default=600, ge=0)
    """How many other calls a principal has a minute."""
    anonymous_per_minute: int = Field(default=120, ge=0)
    """How many calls an address has a minute for who is not known."""
    answers_vouch: bool = False
    """Whether any answer proves the credential of a call, where the contract does not say who may call."""
    tier_claim: str = ""
    """The claim of a token that says which tier its bearer has."""
    tiers: Annotated[Mapping[str, Quota], NoDecode, BeforeValidator(_tiers)] = Field(default_factory=dict)
    """VALUE=READS/WRITES, separated by commas: what a minute has for those whose claim has this value."""
    redis_url: Annotated[SecretStr | None, AfterValidator(_redis)] = Field(
        default_factory=lambda: read(CommonSettings).redis_url, validate_default=True
    )
    """Where calls are counted for all gateways together; without one, each counts for itself. Also `REDIS_URL`."""
    ignore_unknown_parameters: bool = False
    """Whether query and form parameters that a method does not have are ignored. They are refused otherwise."""
    ignore_unknown_fields: bool = False
    """Whether JSON members that a method does not have are ignored. They are refused otherwise."""
    forward_headers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_header_names)] = ()
    """Headers that servers get as metadata besides `authorization`."""
    return_metadata: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_returned_names)] = ()
    """Metadata of answers that clients get as headers."""
    proto_field_names: bool = False
    """Whether answers spell fields as the contract does, and not in lowerCamelCase."""
    enum_numbers: bool = False
    """Whether answers write enums as numbers."""
    omit_defaults: bool = False
    """Whether answers leave out fields that have their default value."""
    gzip: bool = True
    """Whether answers to what only reads are packed for clients that accept it."""
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = ()
    """Whose pages may call from a browser, such as `https://app.example.com`; `*` for anybody's."""
    trusted_proxies: Networks = ()
    """Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    https_only: bool = False
    """Whether who comes by plain HTTP is sent to HTTPS. Behind a proxy that ends TLS, name it in `trusted_proxies`."""
    hsts_s: int = Field(default=0, ge=0)
    """How long browsers shall come by HTTPS only, in seconds; 0 says nothing."""
    docs: bool = True
    """Whether `/docs`, `/redoc` and `/openapi.json` describe what is served, for everybody who may reach them."""
    metrics: bool = True
    """Whether `/metrics` tells what has been measured, for Prometheus."""
    monitoring_token: SecretStr | None = Field(default_factory=lambda: read(CommonSettings).monitoring_token)
    """What readers of `/metrics` have to send as a bearer token, if anything. Also `MONITORING_TOKEN`."""
    title: str = "API"
    """What the documentation calls it."""
    health_components: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = ("database", "redis")
    """What `/health` asks the servers about; what none of them knows is `not_configured`."""
    drain_delay_s: float = Field(default=0, ge=0)
    """How long to go on answering after `/readyz` is withdrawn, for load balancers to notice."""
    grace_s: float = Field(default=10, gt=0)
    """How long requests that were accepted may take to end."""
