"""Sets of networks, beside the library that they are made with."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.corefile.networks import Networks


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=5),
    st.integers(0, 255),
)
def test_a_set_of_networks_agrees_with_its_networks(nets: list[tuple[int, int]], host: int) -> None:
    cidrs = [f"192.0.2.{base}/{bits}" for base, bits in nets]
    address = f"192.0.2.{host}"

    inside = any(ip_address(address) in ip_network(cidr, strict=False) for cidr in cidrs)

    assert (address in Networks(cidrs)) == inside
    assert "2001:db8::1" not in Networks(cidrs)


def test_addresses_of_both_families_are_told_apart() -> None:
    networks = Networks(("192.0.2.1", "::/0"))

    assert ("192.0.2.1" in networks, "192.0.2.2" in networks, "c000:201::" in networks) == (True, False, True)
    assert (bool(networks), bool(Networks(()))) == (True, False)


def test_what_is_no_address_is_in_no_network() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        assert "localhost" in Networks(("10.0.0.0/8",))


@pytest.mark.parametrize(
    "word", ["10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "fe80::1%eth0", "fe80::%1/64", "10/8", ""]
)
def test_a_network_is_an_address_with_or_without_a_length(word: str) -> None:
    with pytest.raises(ValueError, match="network"):
        Networks((word,))
