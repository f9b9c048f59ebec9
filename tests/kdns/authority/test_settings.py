"""Properties that several plugins with zones have."""

import pytest

from kdns.authority.settings import addresses_of, reload_of
from kdns.corefile.args import Line
from kdns.errors import ConfigError
from kdns.transport.address import Address


def line(text: str) -> Line:
    return Line(tuple(text.split()), "Corefile", 3)


@pytest.mark.parametrize(("text", "seconds"), [("reload 10s", 10.0), ("reload 0", 0.0), ("reload 1m", 60.0)])
def test_reads_how_often(text: str, seconds: float) -> None:
    assert reload_of(line(text)) == seconds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("reload", "reload duration value is expected"), ("reload -1s", "invalid duration"), ("reload x", "x")],
)
def test_says_what_is_no_time(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        reload_of(line(text))


def test_reads_addresses_with_and_without_ports() -> None:
    found = addresses_of(line("to"), ("192.0.2.1", "192.0.2.2:5353", "2001:db8::1", "[2001:db8::2]:53"))
    assert list(found) == [
        Address("dns", "192.0.2.1", 53),
        Address("dns", "192.0.2.2", 5353),
        Address("dns", "2001:db8::1", 53),
        Address("dns", "2001:db8::2", 53),
    ]


def test_says_what_is_no_address() -> None:
    with pytest.raises(ConfigError, match=r"must specify an IP address: `ns\.example\.org'"):
        list(addresses_of(line("to"), ("ns.example.org:53",)))
