"""Who the client is, and what of an address is counted."""

from ipaddress import ip_network

import pytest

from chassis.proxies import client_address, is_within, network


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_of_ipv6_the_network_is_counted(address: str, counted: str) -> None:
    assert network(address) == counted


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("::ffff:10.0.0.1", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.0/104"),
        ("10.0.0.1", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8::/32"),
    ],
)
def test_an_address_of_ipv4_may_be_written_as_one_of_ipv6(address: str, trusted: str) -> None:
    """As it is where one socket listens for both."""
    assert is_within(address, [ip_network(trusted)])


@pytest.mark.parametrize(
    ("address", "trusted"), [("::ffff:11.0.0.1", "10.0.0.0/8"), ("", "::/0"), ("11.0.0.1", "::/0")]
)
def test_others_are_in_no_network(address: str, trusted: str) -> None:
    assert not is_within(address, [ip_network(trusted)])


def test_a_client_has_one_address_whoever_tells_it() -> None:
    trusted = [ip_network("10.0.0.0/8")]
    assert client_address("::ffff:10.0.0.1", "::ffff:203.0.113.7, ::ffff:10.0.0.2", trusted) == "203.0.113.7"
    assert client_address("::ffff:10.0.0.1", "[::ffff:203.0.113.7]:4711", trusted) == "203.0.113.7"
