"""transfer: zones as a whole, for those who may have them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from kdns.chain import Client, Reply, Request
from kdns.errors import ConfigError, NoAnswer
from kdns.plugins import transfer
from kdns.wire import codes, message, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from tests.kdns.asking import args, ask, question, request, texts
from tests.kdns.asking import records as rrs
from tests.kdns.upstream import reply, upstream, with_rcode

SOA = "example.org. 30 IN SOA ns.example.org. admin.example.org. 7 7200 1800 86400 30"
ZONE = (SOA, "example.org. 30 IN NS ns.example.org.", "ns.example.org. 30 IN A 192.0.2.53", SOA)
CLIENT = Client("192.0.2.7", 40212, "tcp", "192.0.2.53", 53)


class Source:
    """A plugin with the zone example.org, at serial 7."""

    def transfer(self, zone: Name, serial: int | None) -> Sequence[RR] | None:
        if zone != names.parse("example.org."):
            return None
        return rrs(SOA) if serial == 7 else rrs("\n".join(ZONE))


def plugin(text: str = "transfer {\n to *\n}", *, zones: str = ".", said: list[str] | None = None) -> Any:
    made = transfer.setup(args(text, zones=zones, log=lambda _, line: (said if said is not None else []).append(line)))
    made.meet({"transfer": made, "whoami": object(), "kubernetes": Source()})
    return made


def incremental(*authority: RR) -> Request:
    asked = question("example.org. IXFR")._replace(authority=authority)
    return request(asked, client=CLIENT)


def known(serial: int) -> RR:
    return message.from_text(f"example.org. 0 IN SOA ns.example.org. admin.example.org. {serial} 1 1 1 1")


def test_gives_a_zone_as_a_whole_and_says_so() -> None:
    said: list[str] = []
    reply = ask(plugin(said=said), "Example.ORG. AXFR", client=CLIENT)

    assert texts(reply.answer) == list(ZONE)
    assert (reply.rcode, reply.flags, reply.by) == (codes.NOERROR, codes.AA, "transfer")
    assert said == ['Outgoing transfer of 4 records of zone "Example.ORG." to 192.0.2.7 for 7 SOA serial']


async def test_a_large_zone_is_gathered_with_turns_of_others_in_between() -> None:
    made, turns = plugin(), 0
    many = [*rrs("\n".join(ZONE[:2])), *rrs(ZONE[2]) * 25_000, *rrs(SOA)]
    made._sources = [lambda zone, serial: iter(many)]
    asking = asyncio.ensure_future(made(request("example.org. AXFR", client=CLIENT), None))
    while not asking.done():
        await asyncio.sleep(0)
        turns += 1
    assert asking.result().answer == tuple(many)
    assert turns >= 3


def test_an_increment_to_the_present_serial_is_the_soa_alone() -> None:
    said: list[str] = []
    reply = ask(plugin(said=said), incremental(known(7)))

    assert (texts(reply.answer), reply.flags) == ([SOA], 0)
    assert said == [
        'Outgoing noop, incremental transfer for up to date zone "example.org." to 192.0.2.7 for 7 SOA serial'
    ]


def test_an_increment_to_another_serial_is_the_whole_zone() -> None:
    assert texts(ask(plugin(), incremental(known(6))).answer) == list(ZONE)


@pytest.mark.parametrize(
    ("authority", "rcode"),
    [
        ((), codes.SERVFAIL),
        ((known(1), known(2)), codes.SERVFAIL),
        (rrs("example.org. 0 IN A 192.0.2.1"), codes.SERVFAIL),
        ((records.make(names.ROOT, codes.SOA, 0, b"\0\0"),), codes.FORMERR),
    ],
)
def test_an_increment_needs_the_one_soa_that_the_client_has(authority: tuple[RR, ...], rcode: int) -> None:
    with pytest.raises(NoAnswer) as unwritten:
        ask(plugin(), incremental(*authority))
    assert unwritten.value.rcode == rcode


def test_quic_will_do() -> None:
    client = Client("192.0.2.7", 40212, "udp", "192.0.2.53", 853, is_stream=True)
    assert len(ask(plugin(), "example.org. AXFR", client=client).answer) == 4


def test_udp_will_not_do() -> None:
    with pytest.raises(NoAnswer) as unwritten:
        ask(plugin(), "example.org. AXFR")
    assert unwritten.value.rcode == codes.REFUSED


@pytest.mark.parametrize(
    ("to", "client", "rcode"),
    [
        ("192.0.2.7", "192.0.2.7", codes.NOERROR),
        ("192.0.2.7:5353", "192.0.2.7", codes.NOERROR),
        ("192.0.2.8 192.0.2.7", "192.0.2.7", codes.NOERROR),
        ("192.0.2.8 *", "192.0.2.7", codes.NOERROR),
        ("[2001:DB8::7]:53", "2001:db8::7", codes.NOERROR),
        ("fe80::7%eth0", "fe80::7", codes.NOERROR),
        ("192.0.2.8", "192.0.2.7", codes.REFUSED),
    ],
)
def test_only_those_named_may_have_the_zone(to: str, client: str, rcode: int) -> None:
    asked = request("example.org. AXFR", client=CLIENT._replace(address=client))
    reply = ask(plugin(f"transfer {{\n to {to}\n}}"), asked)
    assert (reply.rcode, bool(reply.answer)) == (rcode, rcode == codes.NOERROR)


def test_the_longest_zone_says_who_may() -> None:
    made = plugin("transfer . {\n to 192.0.2.8\n}\ntransfer example.org {\n to *\n}\ntransfer org {\n to 192.0.2.8\n}")
    assert ask(made, "example.org. AXFR", client=CLIENT).rcode == codes.NOERROR
    assert ask(made, "a.org. AXFR", client=CLIENT).rcode == codes.REFUSED


@pytest.mark.parametrize("asked", ["example.org. A", "sub.example.org. AXFR", "example.com. AXFR"])
def test_hands_on_what_is_no_zone_of_the_block(asked: str) -> None:
    below = Reply(codes.NOTAUTH, by="below")
    assert ask(plugin(zones="org"), asked, below, client=CLIENT) == below


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("transfer", "'to' is required"),
        ("transfer {\n to\n}", "Wrong argument count or unexpected line ending after 'to'"),
        ("transfer {\n to a.test\n}", "must specify an IP address: `a.test'"),
        ("transfer {\n to a.test:53\n}", "must specify an IP address: `a.test'"),
        ("transfer {\n to *\n source\n}", "Wrong argument count or unexpected line ending after 'source'"),
        ("transfer {\n to *\n source here\n}", 'invalid source address "here"'),
        ("transfer {\n to *\n source 192.0.2.1\n source 192.0.2.1\n}", "source already specified"),
        ("transfer {\n to *\n colour blue\n}", 'unknown property "colour"'),
    ],
)
def test_says_what_is_wrong_in_the_corefile(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        plugin(text)


def test_a_source_for_notifications_is_read() -> None:
    assert ask(plugin("transfer {\n to *\n source 2001:db8::1\n}"), "example.org. AXFR", client=CLIENT).answer


async def test_tells_the_servers_of_the_longest_zone_that_fits() -> None:
    async with upstream(lambda came: [reply(came)]) as near, upstream(with_rcode(codes.REFUSED)) as far:
        made = transfer.setup(
            args(
                f"transfer example.org {{\n to {near.to} *\n source 127.0.0.2\n}}\n"
                f"transfer a.example.org {{\n to {near.to} {far.to}\n}}"
            )
        )
        assert await made.notify(names.parse("example.org.")) == []
        assert [each.source[0] for each in near.received] == ["127.0.0.2"]
        (fault,) = await made.notify(names.parse("a.example.org."))
        assert fault.endswith('was not accepted by "' + far.to + '": rcode was "REFUSED"')
        assert await made.notify(names.parse("example.net.")) == []
    assert [each.text for each in near.received] == ["example.org. SOA", "a.example.org. SOA"]
