"""The composition root: everything that the gateway is made of, in the order it is built."""

import asyncio
from collections.abc import AsyncIterator, Container
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from chassis import __version__
from chassis import config as settings
from chassis.config import ConfigError
from chassis.telemetry import Telemetry, TelemetrySettings
from gateway import descriptors, templates
from gateway.asgi import server
from gateway.asgi.about import About
from gateway.asgi.browsers import Browsers
from gateway.asgi.door import Door, Limits
from gateway.asgi.exchange import Manner
from gateway.asgi.headers import PRINTABLE, Accepted
from gateway.asgi.load import Load
from gateway.asgi.metrics import Exposition, Metrics
from gateway.asgi.route import Route
from gateway.asgi.server import speaks
from gateway.asgi.telling import Telling
from gateway.config import GatewayConfig
from gateway.descriptors import Binding, Contract, ContractUnusable, Method
from gateway.docs import pages
from gateway.errors import WRITERS, Statuses
from gateway.openapi.document import document
from gateway.rates import shared
from gateway.rates.classes import only_reads, rate_class
from gateway.rates.limiter import Limiter
from gateway.rates.principals import Principals, Quota, Tiers
from gateway.rates.shared import Shared
from gateway.rates.windows import Memory
from gateway.routes import ANY_METHOD, Routes
from gateway.templates import Template, TemplateError
from gateway.transcode.request import PASSWORD, USERNAME, Leniency, Request
from gateway.transcode.response import Response, Spelling
from gateway.transcode.shapes import Shapes
from gateway.upstream import channels, reflection
from gateway.upstream.channels import Channels, Upstream
from gateway.upstream.health import Checks

log = structlog.get_logger()

SERVICE_NAME = "gateway"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that answers requests."""

    port: int


@asynccontextmanager
async def running(config: GatewayConfig, *, telemetry: Telemetry | None = None) -> AsyncIterator[Gateway]:
    """Serve the contract until the block is left, then finish what was accepted.

    Raises:
        ConfigError: The contract, an upstream or the address cannot be used; one line that says which and why.
    """
    async with AsyncExitStack() as stack:
        try:
            contract, upstreams = await _contract(config)
            open_channels = await stack.enter_async_context(
                channels.opened(
                    upstreams,
                    contract.methods,
                    largest_request=config.largest_body,
                    largest_answer=config.largest_answer,
                )
            )
            checks = Checks(open_channels.by_name)
            spelling = Spelling(config.proto_field_names, config.enum_numbers, config.omit_defaults)
            counting = await _counting(stack, config)
            about = About(checks, config.health_components, __version__, shared=counting)
            own = {**about.paths}
            if config.docs:
                openapi = document(contract, title=config.title, version=__version__, spelling=spelling)
                own |= pages.served(openapi, config.title)
            if any(binding.template == "/" for method in contract.methods for binding in method.bindings):
                own.pop(b"/", None)  # what the contract has there is worth more than a way to the documentation
            if telemetry is None:
                started = Telemetry.started(SERVICE_NAME, settings.read(TelemetrySettings))
                telemetry = stack.enter_context(started)
            metrics = Metrics(telemetry)
            if config.metrics:
                own[b"/metrics"] = Exposition(metrics, config.monitoring_token).metrics
            leniency = Leniency(config.ignore_unknown_parameters, config.ignore_unknown_fields)
            routes = routes_of(contract, open_channels, reserved=own, leniency=leniency, spelling=spelling)
        except ContractUnusable as unusable:
            raise ConfigError(str(unusable)) from None
        limits = Limits(
            deadline_s=config.deadline_s,
            longest_deadline_s=config.longest_deadline_s,
            longest_stream_s=config.longest_stream_s,
            heartbeat_s=config.heartbeat_s,
            largest_body=config.largest_body,
            trusted_proxies=config.trusted_proxies,
            returned=frozenset(config.return_metadata),
            packs=config.gzip,
            https_only=config.https_only,
            forwarded=tuple((name.encode(), name) for name in ("authorization", *config.forward_headers)),
        )
        load = Load(config.most_requests, config.most_streams, config.most_bytes)
        browsers = Browsers(
            frozenset(config.cors_origins), config.forward_headers, config.return_metadata, config.hsts_s
        )
        limiter = _limiter(config, counting)
        _watched(metrics, load, counting)
        telling = Telling(telemetry.tracer, metrics)
        door = Door(routes, own, Statuses(contract.registry), limits, telling, load, limiter, browsers)
        listener = stack.enter_context(server.bound(config.listen))
        port: int = listener.getsockname()[1]
        await stack.enter_async_context(server.listening(door, listener, grace_s=config.grace_s))
        log.info("serving", listen=config.listen, port=port, methods=len(contract.methods))
        try:
            yield Gateway(port)
        finally:
            about.draining = True
            await asyncio.sleep(config.drain_delay_s)
            door.end_streams()


async def _counting(stack: AsyncExitStack, config: GatewayConfig) -> Shared | None:
    """Where calls are counted for all gateways together, if anywhere."""
    if config.redis_url is None:
        return None
    return await stack.enter_async_context(shared.opened(config.redis_url.get_secret_value()))


def _limiter(config: GatewayConfig, counting: Shared | None) -> Limiter:
    if bool(config.tier_claim) != bool(config.tiers):
        raise ConfigError("GATEWAY_TIER_CLAIM, GATEWAY_TIERS: one says nothing without the other")
    usual = Quota(config.reads_per_minute, config.writes_per_minute)
    principals = Principals(Tiers(usual, config.tier_claim, config.tiers), answers_vouch=config.answers_vouch)
    return Limiter(counting or Memory(), principals, config.anonymous_per_minute)


def _watched(metrics: Metrics, load: Load, counting: Shared | None) -> None:
    """What is told of the moment in which somebody asks."""
    metrics.watch("gateway.active_requests", "{request}", "Requests under way.", lambda: load.requests)
    metrics.watch("gateway.active_streams", "{stream}", "Streams under way.", lambda: load.streams)
    metrics.watch("gateway.held_bytes", "By", "Bytes of bodies that are held.", lambda: load.bytes)
    if counting is not None:
        metrics.watch("gateway.redis.up", "1", "Whether Redis counts calls.", lambda: int(counting.there))


async def _contract(config: GatewayConfig) -> tuple[Contract, tuple[Upstream, ...]]:
    """What is served, and by whom: from a file, or as the servers themselves say."""
    if config.reflect:
        if config.descriptors is not None:
            raise ConfigError("GATEWAY_DESCRIPTORS and GATEWAY_REFLECT: the contract has one source")
        servers = {address: await reflection.learned(address) for address in config.reflect}
        own = tuple(Upstream(name, address) for address, server in servers.items() for name in server.services)
        return descriptors.parsed(reflection.together(servers)), (*own, *config.upstreams)
    if config.descriptors is None or not config.upstreams:
        raise ConfigError("missing GATEWAY_DESCRIPTORS, GATEWAY_UPSTREAMS; or GATEWAY_REFLECT instead of both")
    return descriptors.load(config.descriptors), config.upstreams


def routes_of(
    contract: Contract,
    open_channels: Channels,
    *,
    reserved: Container[bytes] = (),
    leniency: Leniency | None = None,
    spelling: Spelling | None = None,
) -> Routes[Route]:
    """Every route of a contract, compiled.

    Raises:
        ContractUnusable: One of them cannot work; the message names the RPC, or both, and the reason.
    """
    routes: Routes[Route] = Routes()
    shapes = Shapes(contract.registry)
    for method in contract.methods:
        for binding in method.bindings:
            try:
                template = templates.parse(binding.template)
                _check_free(template, reserved)
                request = Request(method, binding, template, shapes, leniency)
                response = Response(method, binding, shapes.registry, spelling)
                route = _route(method, binding, request, response, open_channels)
            except (ContractUnusable, TemplateError) as error:
                where = f"{method.full_name} ({binding.verb} {binding.template})"
                raise ContractUnusable(f"{where}: {error}") from None
            routes.add(binding.verb, template, method.full_name, route)
    return routes


def _check_free(template: Template, reserved: Container[bytes]) -> None:
    if template.shape.encode() in reserved:
        raise ContractUnusable("the gateway answers this path itself")


def _route(method: Method, binding: Binding, request: Request, response: Response, open_channels: Channels) -> Route:
    rest = method.rest
    streams, uploads = method.kind == "server_streaming", method.kind == "client_streaming"
    if method.kind == "bidi_streaming":
        raise ContractUnusable("streams in both directions have no routes")
    if uploads and (request.raw or request.takes_forms or not request.takes_body):
        raise ContractUnusable("a stream of requests needs a body, of which each line of JSON is a message")
    if streams and (rest.etag or rest.location or rest.success_status == 204):
        raise ContractUnusable("a stream has no entity tag and no location, and its status is never 204")
    if not streams and (rest.stream_id or rest.last_event_id):
        raise ContractUnusable("only the messages of a stream have ids")
    if not 200 <= rest.success_status <= 299:
        raise ContractUnusable(f"{rest.success_status} is not the status of a success")
    if not speaks(binding.verb) and binding.verb != ANY_METHOD:
        raise ContractUnusable(f"{binding.verb} is no method of HTTP that can be received")
    if not PRINTABLE.fullmatch(rest.cache_control.encode()):
        raise ContractUnusable("cache_control is no value of a header")
    if rest.error_style not in WRITERS:
        raise ContractUnusable(f"{int(rest.error_style)} is not an error style")
    reads = only_reads(method, binding)
    return Route(
        method=method.full_name,
        template=binding.template,
        request=request,
        response=response,
        rpc=open_channels.rpc(method) if method.kind == "unary" else None,
        stream=open_channels.stream(method) if streams else None,
        upload=open_channels.upload(method) if uploads else None,
        success_status=rest.success_status,
        cache_control=(rest.cache_control or ("no-cache" if reads else "no-store")).encode(),
        body=Accepted(request.raw, request.takes_forms, uploads) if request.takes_body else None,
        manner=Manner(WRITERS[rest.error_style], basic=request.takes(USERNAME) or request.takes(PASSWORD)),
        reads=reads,
        quotes=rest.if_match_quoted,
        rate_class=rate_class(method, binding),
        access=method.access,
    )
