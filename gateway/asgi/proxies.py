"""Who the client is, where it comes through proxies: only what proxies that are trusted say counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from gateway.asgi.headers import Headers

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str
    """Empty where there is none, as behind a Unix socket."""
    scheme: str


def client(peer: Client, headers: Headers, trusted: Sequence[Network]) -> Client:
    """The client behind who speaks to us: the last address in `X-Forwarded-For` that is no trusted proxy's.

    Each proxy appends who spoke to it, so that whatever a client writes stands before the first one that is true.
    """
    if not _within(peer.address, trusted):
        return peer
    scheme, address = peer.scheme, peer.address
    sent = headers.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower()
    if sent in (b"http", b"https"):
        scheme = sent.decode()
    for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
        found = _address(hop.strip())
        if found is None:
            break  # nobody knows what stands before it
        address = found
        if not _within(found, trusted):
            break
    return Client(address, scheme)


def _address(text: str) -> str | None:
    """An address without its port, in the one way to write it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        known = ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in networks)
