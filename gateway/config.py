"""What the gateway is told from outside: `GATEWAY_*` in the environment, and the few flags of the command line."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.config import Settings
from gateway.asgi.headers import forwardable, returnable
from gateway.asgi.proxies import Network
from gateway.upstream.channels import Upstream

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")


def _listed(value: Any) -> Any:
    """A list may be written with commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _upstreams(value: Any) -> Any:
    return tuple(_upstream(part) if isinstance(part, str) else part for part in _listed(value))


def _upstream(text: str) -> Upstream:
    name, equals, address = text.partition("=")
    if not (name and equals and address):
        raise ValueError(f"expected NAME=HOST:PORT, not {text}")
    return Upstream(name, address)


def _header_names(value: Any) -> Any:
    names = tuple(name.lower() for name in _listed(value))
    for name in names:
        if not forwardable(name):
            raise ValueError(f"the header {name} is never forwarded")
    return names


def _returned_names(value: Any) -> Any:
    names = tuple(name.lower() for name in _listed(value))
    for name in names:
        if not returnable(name):
            raise ValueError(f"the header {name} is the gateway's own")
    return names


def _origins(value: Any) -> Any:
    origins = tuple(_listed(value))
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"expected an origin such as https://app.example.com, not {origin}")
    return origins


class GatewayConfig(Settings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    descriptors: Path | None = None
    """A FileDescriptorSet: `protoc --include_imports --descriptor_set_out`, or `buf build -o`."""
    upstreams: Annotated[tuple[Upstream, ...], NoDecode, BeforeValidator(_upstreams)] = ()
    """NAME=HOST:PORT, separated by commas: a service or a package, and who answers for it. The longest name wins."""
    reflect: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
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
    largest_body: int = Field(default=4 * 1024 * 1024, gt=0)
    """In bytes."""
    most_requests: int = Field(default=1000, gt=0)
    """How many requests may be under way at a time; more are refused with 503."""
    most_streams: int = Field(default=5000, gt=0)
    """How many streams may be: each costs about 45 KiB while it is idle."""
    most_bytes: int = Field(default=256 * 1024 * 1024, gt=0)
    """How many bytes of bodies may be held at a time."""
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
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    https_only: bool = False
    """Whether who comes by plain HTTP is sent to HTTPS. Behind a proxy that ends TLS, name it in `trusted_proxies`."""
    hsts_s: int = Field(default=0, ge=0)
    """How long browsers shall come by HTTPS only, in seconds; 0 says nothing."""
    docs: bool = True
    """Whether `/openapi.json` describes what is served, for everybody who may reach it."""
    title: str = "API"
    """What the documentation calls it."""
    health_components: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ("database", "redis")
    """What `/health` asks the servers about; what none of them knows is `not_configured`."""
    drain_delay_s: float = Field(default=0, ge=0)
    """How long to go on answering after `/readyz` is withdrawn, for load balancers to notice."""
    grace_s: float = Field(default=10, gt=0)
    """How long requests that were accepted may take to end."""
