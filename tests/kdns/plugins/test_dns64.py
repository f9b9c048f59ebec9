"""dns64: IPv6 addresses out of IPv4 ones, for whom and of what."""

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdns.chain import Client, Keep, Reply, Request
from kdns.errors import ConfigError, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import dns64
from kdns.wire import codes
from kdns.wire.names import Name
from tests.kdns.asking import args, ask, question, records, texts

SIX = Client("2001:db8::7", 40212, "udp", "2001:db8::53", 53)
SOA = "example.org. 70 IN SOA ns.example.org. admin.example.org. 1 7200 1800 86400 30"
NO_DATA = Reply(authority=records(SOA), flags=codes.AA)


def answering(found: Reply) -> Any:
    """An internal lookup that gives this, for A only."""

    async def lookup(request: Request, name: Name, qtype: int, /) -> Reply:
        assert (name, qtype) == (request.question.key, codes.A)
        return found

    return lookup


def translated(
    text: str, below: Reply, found: Reply, client: Client = SIX, asked: str = "www.Example.org. AAAA"
) -> Reply:
    return ask(dns64.setup(args(text)), asked, rest=below, client=client, ask=answering(found))


def of(text: str) -> Reply:
    return Reply(answer=records(text), flags=codes.AA)


def test_a_name_without_ipv6_addresses_gets_translated_ones() -> None:
    found = Reply(
        answer=records("www.example.org. 300 IN CNAME a.example.org.\na.example.org. 60 IN A 192.0.2.42"),
        authority=records("example.org. 30 IN NS ns.example.org."),
        additional=records("ns.example.org. 30 IN A 192.0.2.53"),
        flags=codes.AA | codes.TC,
    )

    reply = translated("dns64", NO_DATA, found)

    assert texts(reply.answer) == [
        "www.example.org. 300 IN CNAME a.example.org.",
        "a.example.org. 60 IN AAAA 64:ff9b::c000:22a",
    ]
    assert (reply.authority, reply.additional) == (found.authority, found.additional)
    assert (reply.rcode, reply.flags, reply.by, reply.keep) == (codes.NOERROR, codes.TC, "dns64", None)


@pytest.mark.parametrize(
    ("below", "seconds"),
    [(NO_DATA, 70), (Reply(), 600), (Reply(codes.REFUSED), 600), (Reply(codes.SERVFAIL, authority=records(SOA)), 70)],
)
def test_the_ttl_is_bounded_by_how_long_there_is_no_ipv6_address(below: Reply, seconds: int) -> None:
    (rr,) = texts(translated("dns64", below, of("www.example.org. 5000 IN A 192.0.2.1")).answer)
    assert rr == f"www.example.org. {seconds} IN AAAA 64:ff9b::c000:201"


@pytest.mark.parametrize(
    "below",
    [
        of("www.example.org. 60 IN AAAA 2001:db8::1"),
        Reply(codes.NXDOMAIN, authority=records(SOA)),
    ],
)
def test_what_has_addresses_or_is_no_name_stays(below: Reply) -> None:
    assert translated("dns64", below, of("www.example.org. 60 IN A 192.0.2.1")) == below


def test_all_are_translated_where_that_is_asked_for() -> None:
    below = of("www.example.org. 60 IN AAAA 2001:db8::1")
    reply = translated("dns64 {\n translate_all\n}", below, of("www.example.org. 60 IN A 192.0.2.1"))
    assert texts(reply.answer) == ["www.example.org. 60 IN AAAA 64:ff9b::c000:201"]


def test_clients_of_ipv4_are_served_only_where_that_is_allowed() -> None:
    four = Client("192.0.2.7", 40212, "udp", "192.0.2.53", 53)
    found = of("www.example.org. 60 IN A 192.0.2.1")

    assert translated("dns64", NO_DATA, found, four) == NO_DATA
    assert len(translated("dns64 {\n allow_ipv4\n}", NO_DATA, found, four).answer) == 1


@pytest.mark.parametrize("asked", ["www.example.org. A", "www.example.org. TXT"])
def test_other_questions_pass_with_what_may_be_kept(asked: str) -> None:
    assert translated("dns64", NO_DATA._replace(keep=Keep()), Reply(), asked=asked).keep == Keep()


def test_other_classes_pass() -> None:
    chaotic = question("www.example.org. AAAA", qclass=codes.CH)
    assert ask(dns64.setup(args("dns64")), chaotic, rest=NO_DATA, client=SIX) == NO_DATA


@pytest.mark.parametrize(("text", "kept"), [("dns64", None), ("dns64 {\n allow_ipv4\n}", Keep())])
def test_what_depends_on_the_client_is_not_repeated(text: str, kept: Keep | None) -> None:
    below = of("www.example.org. 60 IN AAAA 2001:db8::1")._replace(keep=Keep())
    assert translated(text, below, Reply()).keep == kept


def test_an_answer_that_nobody_gave_is_none() -> None:
    with pytest.raises(NoAnswer):
        ask(dns64.setup(args("dns64")), "www.example.org. AAAA", rest=NoAnswer(codes.SERVFAIL), client=SIX)


def test_translations_are_counted() -> None:
    metrics = Metrics()
    plugin = dns64.setup(args("dns64", metrics=metrics))
    ask(plugin, "www.example.org. AAAA", rest=NO_DATA, client=SIX, ask=answering(Reply()))
    ask(plugin, "www.example.org. AAAA", rest=Reply(codes.NXDOMAIN), client=SIX)
    assert metrics.family("dns64_requests_translated_total").values == {("dns://:53",): 1}


@pytest.mark.parametrize(
    ("prefix", "address"),
    [  # the table of RFC 6052 section 2.4
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ],
)
def test_addresses_are_embedded_as_the_rfc_has_them(prefix: str, address: str) -> None:
    found = dns64.synthesised(IPv6Network(prefix), IPv4Address("192.0.2.33").packed)
    assert found == ip_address(address).packed


@given(st.integers(4, 12), st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=4))
def test_every_address_can_be_read_back(octets: int, prefix: bytes, address: bytes) -> None:
    found = dns64.synthesised(IPv6Network((prefix, 8 * octets), strict=False), address)
    rest = found[octets:] if octets > 8 else found[octets:8] + found[9:]
    assert (len(found), found[:octets], rest[:4]) == (16, prefix[:octets], address)
    assert not any(rest[4:])


@pytest.mark.parametrize(
    "text",
    [
        "dns64 2001:db8::/64",
        "dns64 {\n prefix 2001:db8::/64\n}",
        "dns64 2001:db8::1/64",
        "dns64\ndns64 2001:db8::/64",
        "dns64 {\n translate_all prefix 2001:db8::/64\n}",
    ],
)
def test_the_prefix_may_stand_in_the_line_or_in_the_block(text: str) -> None:
    (rr,) = texts(translated(text, NO_DATA, of("www.example.org. 60 IN A 192.0.2.33")).answer)
    assert rr.endswith("AAAA 2001:db8::c0:2:2100:0")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("dns64 a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("dns64 {\n prefix\n}", "Wrong argument count or unexpected line ending after 'prefix'"),
        ("dns64 foobar", "invalid CIDR address: foobar"),
        ("dns64 64:ff9b::", "invalid CIDR address: 64:ff9b::"),
        ("dns64 fe80::%eth0/64", "invalid CIDR address: fe80::%eth0/64"),
        ("dns64 8.8.8.8/24", 'invalid netmask 32 IPv6 address: "8.8.8.0/24"'),
        ("dns64 64:ff9b::/52", 'invalid prefix length "64:ff9b::/52"'),
        ("dns64 64:ff9b::/104", 'invalid prefix length "64:ff9b::/104"'),
        ("dns64 {\n translate_all yes\n}", "unknown property 'yes'"),
        ("dns64 {\n whatever\n}", "unknown property 'whatever'"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        dns64.setup(args(text))
