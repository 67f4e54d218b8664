"""What the door knows of a route, and what a client's headers ask of it."""

from dataclasses import dataclass

from gateway.asgi import conditions, headers
from gateway.asgi.exchange import Manner
from gateway.asgi.headers import Accepted, Headers
from gateway.asgi.streams import FORMS, Form
from gateway.errors import Refusal, refused
from gateway.rates.classes import RateClass
from gateway.transcode.request import IDEMPOTENCY_KEY, IF_MATCH, LAST_EVENT_ID, PASSWORD, USERNAME, Request
from gateway.transcode.response import Response
from gateway.upstream.channels import Rpc, StreamRpc, UploadRpc


@dataclass(frozen=True, slots=True)
class Route:
    """A method behind one of its templates."""

    method: str
    template: str
    request: Request
    response: Response
    rpc: Rpc | None
    stream: StreamRpc | None
    upload: UploadRpc | None
    """One of the three: the method takes one message and answers once, or in a stream, or it takes a stream."""
    success_status: int
    cache_control: bytes
    body: Accepted | None
    manner: Manner
    reads: bool
    """Whether it changes nothing, so that conditions are about the answer."""
    quotes: bool = False
    """Whether the server takes entity tags in their quotes."""
    rate_class: RateClass = RateClass.WRITE
    access: str = ""
    """Who may call, as the contract puts it; empty where it says nothing."""


def form(route: Route, sent: Headers) -> Form | None:
    """How a stream is written to this client; None where its messages say what they are.

    Raises:
        Refusal: The client takes no form that there is.
    """
    if route.response.raw:
        return None
    media = headers.preferred(sent, tuple(FORMS))
    if media is None:
        raise not_acceptable(" or ".join(FORMS))
    return FORMS[media]


def not_acceptable(media: str) -> Refusal:
    """406, with what there is."""
    return refused(406, "INVALID_ARGUMENT", "NOT_ACCEPTABLE", f"answers are {media}")


def said_by(route: Route, sent: Headers) -> dict[str, str]:
    """The headers that go into the request, by their names.

    Raises:
        Refusal: One of them cannot be kept, or is malformed.
    """
    said = {}
    wanted = _condition(route, sent)
    if wanted is not None:
        said[IF_MATCH] = wanted
    if route.request.takes(IDEMPOTENCY_KEY):
        key = headers.idempotency_key(sent)
        if key is not None:
            said[IDEMPOTENCY_KEY] = key
    if route.request.takes(LAST_EVENT_ID):
        last = headers.last_event_id(sent)
        if last is not None:
            said[LAST_EVENT_ID] = last
    if route.manner.basic and (credentials := headers.basic(sent)) is not None:
        halves = zip((USERNAME, PASSWORD), credentials, strict=True)
        said |= {source: value for source, value in halves if route.request.takes(source)}
    return said


def _condition(route: Route, sent: Headers) -> str | None:
    """What `If-Match` demands of the server.

    Raises:
        Refusal: Nothing can keep the conditions.
    """
    if route.reads:
        return None  # the answer itself is compared
    if b"if-none-match" in sent:
        raise conditions.unkeepable("If-None-Match")
    if_match = sent.get(b"if-match")
    if if_match is None:
        return None
    wanted = conditions.wanted_version(if_match, quoted=route.quotes)
    if wanted is not None and not route.request.takes(IF_MATCH):
        raise conditions.unkeepable("If-Match")
    return wanted
