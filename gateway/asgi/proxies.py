"""Who the client is, and how it came here, as far as proxies that are trusted say so."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.proxies import Network, client_address, is_within
from gateway.asgi.headers import Headers


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str
    """Empty where there is none, as behind a Unix socket."""
    scheme: str


def client(peer: Client, headers: Headers, trusted: Sequence[Network]) -> Client:
    """The client behind who speaks to us."""
    if not is_within(peer.address, trusted):
        return peer
    sent = headers.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower()
    scheme = sent.decode() if sent in (b"http", b"https") else peer.scheme
    return Client(client_address(peer.address, headers.get(b"x-forwarded-for", b"").decode("latin-1"), trusted), scheme)
