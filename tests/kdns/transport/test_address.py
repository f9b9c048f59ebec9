"""Where an upstream is, as a Corefile spells it."""

import pytest

from kdns.transport.address import Address, is_ip, nameservers, parse, split, unique


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", Address("dns", "10.0.0.1", 53)),
        ("10.0.0.1:5353", Address("dns", "10.0.0.1", 5353)),
        ("2001:db8::1", Address("dns", "2001:db8::1", 53)),
        ("[2001:db8::1]", Address("dns", "2001:db8::1", 53)),
        ("[2001:db8::1]:5353", Address("dns", "2001:db8::1", 5353)),
        ("dns://10.0.0.1", Address("dns", "10.0.0.1", 53)),
        ("TLS://10.0.0.1", Address("tls", "10.0.0.1", 853)),
        ("tls://10.0.0.1%dns.example", Address("tls", "10.0.0.1", 853, "dns.example")),
        ("tls://10.0.0.1%dns.example:854", Address("tls", "10.0.0.1", 854, "dns.example")),
        ("tls://[2001:db8::1%dns.example]:854", Address("tls", "2001:db8::1", 854, "dns.example")),
        ("tls://10.0.0.1:854%dns.example", Address("tls", "10.0.0.1", 854, "dns.example")),
        ("tls://[2001:db8::1]:854%dns.example", Address("tls", "2001:db8::1", 854, "dns.example")),
        ("tls://fe80::1%dns.example", Address("tls", "fe80::1", 853, "dns.example")),
        ("https://10.0.0.1", Address("https", "10.0.0.1", 443)),
        ("dns.example:53", Address("dns", "dns.example", 53)),
    ],
)
def test_an_address_has_scheme_host_port_and_name(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize("text", ["", "tls://", "10.0.0.1:", "10.0.0.1:dns", "10.0.0.1:0", "10.0.0.1:65536"])
def test_what_has_no_host_or_a_bad_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid"):
        parse(text)


def test_ipv6_addresses_are_shown_in_brackets() -> None:
    assert str(Address("dns", "2001:db8::1", 53)) == "[2001:db8::1]:53"
    assert str(Address("tls", "10.0.0.1", 853)) == "10.0.0.1:853"


def test_a_port_may_be_missing() -> None:
    assert split("10.0.0.1") == ("10.0.0.1", None)
    assert split("[::1]:53") == ("::1", 53)


def test_a_resolv_conf_names_servers_in_order() -> None:
    text = """
    # nameserver 10.0.0.9
    search example.org
    nameserver 10.0.0.2
    nameserver fe80::1%eth0
    nameserver dns.example
    nameserver
    """
    assert [str(address) for address in nameservers(text)] == ["10.0.0.2:53", "[fe80::1]:53"]


def test_an_address_counts_once_whatever_its_scheme() -> None:
    twice = [parse("10.0.0.1"), parse("tls://10.0.0.1:53"), parse("10.0.0.1:54")]
    assert unique(twice) == (twice[0], twice[2])


@pytest.mark.parametrize(("text", "expected"), [("10.0.0.1", True), ("::1", True), ("dns.example", False), ("", False)])
def test_an_ip_address_is_told_from_a_name(text: str, expected: bool) -> None:
    assert is_ip(text) is expected
