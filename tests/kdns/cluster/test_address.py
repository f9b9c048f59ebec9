"""Addresses in texts, labels and reverse names."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.cluster.address import IN_ADDR, IP6, dashed, is_reverse, of_reverse, packed, undashed
from kdns.wire import names
from tests.kdns.wire.strategies import domain_names


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("10.0.0.1", "0a000001"),
        ("2001:db8::1", "20010db8000000000000000000000001"),
        ("::ffff:10.0.0.1", "0a000001"),  # IPv4-mapped
        ("010.0.0.1", None),
        ("10.0.0", None),
        ("fe80::1%eth0", None),
        ("None", None),
        ("", None),
        ("١٠.0.0.1", None),
    ],
)
def test_an_address_is_read_as_go_reads_it(text: str, octets: str | None) -> None:
    found = packed(text)
    assert (found and found.hex()) == octets


@given(st.ip_addresses())
def test_a_name_made_of_an_address_spells_it(address: IPv4Address | IPv6Address) -> None:
    assert packed(undashed(dashed(str(address)).encode())) == packed(str(address))


@given(st.ip_addresses())
def test_a_reverse_name_stands_for_its_address(address: IPv4Address | IPv6Address) -> None:
    key = names.parse(address.reverse_pointer)
    assert of_reverse(key) == packed(str(address))
    assert is_reverse(key)


@given(st.binary(max_size=63), domain_names, st.sampled_from([names.ROOT, IN_ADDR, IP6]))
def test_any_octets_spell_an_address_or_none(octets: bytes, front: bytes, arpa: bytes) -> None:
    assert len(packed(undashed(octets)) or b"none") in (4, 16)
    assert len(of_reverse(front[:-1] + arpa) or b"none") in (4, 16)


@pytest.mark.parametrize(
    "name",
    ["10.in-addr.arpa", "x.1.0.0.10.in-addr.arpa", "256.0.0.10.in-addr.arpa", "0.0.1.ip6.arpa", "example.org",
     "ab." + "0." * 31 + "ip6.arpa", "0." * 33 + "ip6.arpa"],
)  # fmt: skip
def test_other_names_stand_for_no_address(name: str) -> None:
    assert of_reverse(names.parse(name)) is None


def test_the_roots_of_reverse_names_are_none_themselves() -> None:
    roots = [names.parse(name) for name in ("in-addr.arpa", "ip6.arpa", "example.org")]
    assert not any(map(is_reverse, roots))


def test_the_text_of_an_address_is_canonical_to_the_last_octet() -> None:
    assert packed(str(ip_address("255.255.255.255"))) == b"\xff" * 4
