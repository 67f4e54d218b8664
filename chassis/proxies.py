"""Who the client is, where it comes through proxies: only what proxies that are trusted say counts."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from chassis.config import listed

Network: TypeAlias = IPv4Network | IPv6Network


Networks: TypeAlias = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(listed)]
"""Addresses and networks, separated by commas."""

_NETWORK_BITS: Final = 64  # what one customer gets of IPv6


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The client behind who speaks to us: the last address in `X-Forwarded-For` that is no trusted proxy's.

    Each proxy appends who spoke to it, so that whatever a client writes stands before the first one that is true.
    """
    address = peer
    if not is_within(peer, trusted):
        return address
    for hop in reversed(forwarded_for.split(",")):
        found = _address(hop.strip())
        if found is None:
            break  # nobody knows what stands before it
        address = found
        if not is_within(found, trusted):
            break
    return address


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address belongs to one of the networks. What is no address does not."""
    try:
        written, known = ip_address(address), _read(address)
    except ValueError:
        return False
    return any(written in network or known in network for network in networks)


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """What stands for an address: of IPv6 the network, because whoever has one address has 2⁶⁴."""
    try:
        known = _read(address)
    except ValueError:
        return address
    return str(IPv6Network((known, _NETWORK_BITS), strict=False)) if isinstance(known, IPv6Address) else str(known)


def _address(text: str) -> str | None:
    """An address without its port, in the one way to write it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(_read(text))
    except ValueError:
        return None


def _read(text: str) -> IPv4Address | IPv6Address:
    """An address. One of IPv4 may be written as one of IPv6, as it is where one socket listens for both."""
    known = ip_address(text)
    return known.ipv4_mapped or known if isinstance(known, IPv6Address) else known
