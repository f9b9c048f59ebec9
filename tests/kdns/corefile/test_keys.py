"""What server blocks are served on."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork

from kdns.corefile import Served, inspect
from kdns.corefile.keys import Key, named, read_key, zones
from kdns.errors import ConfigError
from kdns.wire import names


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (".", ["dns://.:1053"]),
        ("", ["dns://.:1053"]),
        ("Example.ORG", ["dns://example.org.:1053"]),
        ("example.org.:54", ["dns://example.org.:54"]),
        ("dns://example.org", ["dns://example.org.:1053"]),
        ("tls://example.org", ["tls://example.org.:853"]),
        ("QUIC://example.org", ["quic://example.org.:853"]),
        ("grpc://example.org", ["grpc://example.org.:443"]),
        ("https://example.org:8443", ["https://example.org.:8443"]),
        ("https3://example.org", ["https3://example.org.:443"]),
        ("10.0.0.0/15:53", ["dns://0.10.in-addr.arpa.:53", "dns://1.10.in-addr.arpa.:53"]),
        ("10.0.0.0/a", ["dns://10.0.0.0/a.:1053"]),  # no prefix length: a name
    ],
)
def test_a_key_is_scheme_zone_and_port(text: str, keys: list[str]) -> None:
    assert list(map(str, read_key(text, 1053))) == keys


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("10.0.0.0/8", ["10.in-addr.arpa."]),
        ("10.1.2.3/16", ["1.10.in-addr.arpa."]),  # host bits do not matter
        ("192.0.2.0/24", ["2.0.192.in-addr.arpa."]),
        ("192.0.2.16/31", ["16.2.0.192.in-addr.arpa.", "17.2.0.192.in-addr.arpa."]),
        ("192.0.2.1/32", ["1.2.0.192.in-addr.arpa."]),
        ("2001:db8::/32", ["8.b.d.0.1.0.0.2.ip6.arpa."]),
        ("2001:db8::/31", ["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."]),
        ("0.0.0.0/0", ["in-addr.arpa."]),
        ("::/0", ["ip6.arpa."]),
    ],
)
def test_a_cidr_stands_for_reverse_zones(host: str, found: list[str]) -> None:
    assert [names.show(zone) for zone in zones(host)] == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (":5353", "zone is not a valid domain name: $"),
        ("example.org:", 'expecting data after last colon: "example.org:"'),
        ("example.org:70000", "invalid port 70000"),
        ("gopher://example.org", "invalid protocol 'gopher'"),
        ("a" * 256, "specified zone is too long: 256 > 255"),
        ("a..b", r"zone is not a valid domain name: a\.\.b"),
        ("a" * 64, "zone is not a valid domain name: aaaa"),
        ("10.0.0.0/33", "invalid CIDR 10.0.0.0/33"),
        ("10.0.0.256/8", "invalid CIDR 10.0.0.256/8"),
        ("::1/129", "invalid CIDR ::1/129"),
    ],
)
def test_says_what_is_wrong_with_a_key(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_key(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Cluster.Local", ["cluster.local."]),
        ("cluster.local:5353", ["cluster.local."]),
        ("tls://cluster.local:853", ["cluster.local."]),
        ("10.0.0.0/15", ["0.10.in-addr.arpa.", "1.10.in-addr.arpa."]),
        ("a..b", []),
        ("10.0.0.0/33", []),
        ("a.test:", []),
        ("", []),  # of a variable that is not set: it must not become the root
        ("dns://", []),
    ],
)
def test_an_argument_names_zones_whatever_port_and_transport_it_has(text: str, found: list[str]) -> None:
    assert [names.show(zone) for zone in named(text)] == found


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_an_address_is_in_a_network_if_its_name_is_in_one_of_the_zones(base: int, prefix: int, any_host: int) -> None:
    network = IPNetwork((base, prefix), version=4).cidr
    inside = IPAddress(network.first + any_host % network.size)
    found = zones(str(network))

    covering = [zone for zone in found if names.is_below(names.parse(inside.reverse_dns), zone)]

    assert len(covering) == 1
    assert len(set(found)) == len(found)


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_an_ipv6_network_has_the_zones_of_its_nibbles(base: int, prefix: int) -> None:
    network = IPNetwork((base, prefix), version=6).cidr

    found = zones(str(network))

    assert len(found) == 1 << (-prefix % 4)
    assert all(len(names.labels(zone)) == 2 + -(-prefix // 4) for zone in found)
    assert names.is_below(names.parse(IPAddress(network.first, 6).reverse_dns), found[0])


@given(st.text(max_size=300))
def test_any_text_is_a_key_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert all(key.zone == key.zone.lower() for key in read_key(text))


def served(zone: str, *addresses: str, port: int = 53, scheme: str = "dns", has_view: bool = False) -> Served:
    return Served([Key(scheme, names.parse(zone), port)], addresses, has_view)


@pytest.mark.parametrize(
    "blocks",
    [
        [served("."), served("a.")],
        [served("."), served(".", port=54)],
        [served(".", port=853), served(".", port=853, scheme="tls")],
        [served(".", "127.0.0.1"), served(".", "127.0.0.2")],
        [served("."), served(".", has_view=True), served(".", has_view=True)],
    ],
    ids=["zones", "ports", "schemes", "addresses", "views"],
)
def test_blocks_may_differ_in_one_thing(blocks: list[Served]) -> None:
    inspect(blocks)


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        ([served("."), served(".")], "cannot serve dns://.:53 - it is already defined"),
        (
            [served("a.", "::1"), served("a.", "::1")],
            "cannot serve dns://a.:53 on ::1 - it is already defined",
        ),
        (
            [served("."), served(".", "127.0.0.1")],
            "cannot serve dns://.:53 on 127.0.0.1 - zone overlap listener capacity with dns://.:53",
        ),
        (
            [served("a.", "127.0.0.1"), served("a.")],
            "cannot serve dns://a.:53 - zone overlap listener capacity with dns://a.:53 on 127.0.0.1",
        ),
    ],
)
def test_two_blocks_cannot_claim_the_same(blocks: list[Served], complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        inspect(blocks)

    assert str(refused.value) == complaint
