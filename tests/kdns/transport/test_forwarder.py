"""The forwarder over real loopback sockets, against upstreams that do what a script says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from kdns.errors import UpstreamError, WrongReply
from kdns.metrics import Metrics
from kdns.transport import forwarder as forwarder_module
from kdns.transport import policy
from kdns.transport.address import Address
from kdns.transport.forwarder import Forwarder, Route
from kdns.transport.upstream import Exchange, Health, Manner, Upstream
from kdns.wire import codes, message, names
from kdns.wire.edns import Edns
from kdns.wire.records import Message
from tests.kdns.asking import question
from tests.kdns.upstream import (
    CLOSE,
    Received,
    Script,
    address_of_name,
    closed_port,
    other_question,
    reply,
    silence,
    upstream,
    with_rcode,
    wrong_id,
)
from tests.kdns.upstream import Upstream as Scripted

WWW = question("www.example.org. A")
QUICK = Health(interval=0.01)


class Counter:
    """How often it was called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def forwarder(
    *addresses: Address, broken: Counter | None = None, health: Health = QUICK, **route: object
) -> AsyncIterator[Forwarder]:
    """A forwarder that asks the addresses in order, closed behind the block."""
    manner = Manner(health=health)
    upstreams = tuple(Upstream(address, manner, Metrics()) for address in addresses)
    fields = {"attempts": 2 * len(addresses), "read_timeout": 0.2, **route}
    made = Forwarder(upstreams, policy.sequential, Route(**fields), Random(1), broken or Counter())  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


def addresses_in(found: Message) -> list[str]:
    """The answer section as RDATA texts."""
    return [message.to_text(rr).split()[-1] for rr in found.answer]


@pytest.mark.parametrize("proto", ["udp", "tcp"])
async def test_asks_over_the_protocol_that_the_client_used(proto: str) -> None:
    async with upstream(address_of_name) as server, forwarder(server.address) as forward:
        found = await forward.ask(WWW, proto)

    assert addresses_in(found) == ["192.0.2.1"]
    assert [received.proto for received in server.received] == [proto]


@pytest.mark.parametrize(
    ("route", "client", "asked"),
    [({"force_tcp": True}, "udp", "tcp"), ({"prefer_udp": True}, "tcp", "udp"),
     ({"force_tcp": True, "prefer_udp": True}, "udp", "tcp")],
)  # fmt: skip
async def test_the_protocol_can_be_chosen(route: dict[str, bool], client: str, asked: str) -> None:
    async with upstream(address_of_name) as server, forwarder(server.address, **route) as forward:
        await forward.ask(WWW, client)

    assert [received.proto for received in server.received] == [asked]


async def test_sends_the_clients_own_query_under_another_id() -> None:
    edns = Edns(1232, b"\x00\x0a\x00\x08clientck", flags=0x8000)
    asked = question("WwW.example.org. AAAA", flags=codes.RD | codes.CD | codes.AD, edns=edns)
    async with upstream(with_rcode(codes.NXDOMAIN)) as server, forwarder(server.address) as forward:
        found = await forward.ask(asked, "udp")

    assert found.rcode == codes.NXDOMAIN
    assert server.received[0].question == asked._replace(id=server.received[0].question.id)


async def test_ids_and_source_ports_vary() -> None:
    async with upstream(address_of_name) as server, forwarder(server.address) as forward:
        for number in range(64):
            await forward.ask(question(f"n{number}.example.org. A"), "udp")

    assert len({received.question.id for received in server.received}) > 60
    assert len({received.source[1] for received in server.received}) == 4  # a socket serves sixteen queries


async def test_one_flight_serves_all_who_ask_the_same() -> None:
    land = asyncio.Event()

    async def late(received: Received) -> list[bytes]:
        await land.wait()
        return [*address_of_name(received)]

    async with upstream(late) as server, forwarder(server.address, read_timeout=5.0) as forward:
        asked = [question("www.example.org. A"), question("WWW.example.ORG. A")] * 50
        answers = asyncio.gather(*(forward.ask(one, "udp") for one in asked))
        await server.until_received(1)
        land.set()
        assert {addresses_in(found)[0] for found in await answers} == {"192.0.2.1"}

    assert len(server.received) == 1


@pytest.mark.parametrize(
    "other",
    [
        question("www.example.org. AAAA"),
        question("w.example.org. A"),
        question("www.example.org. A", flags=codes.RD | codes.CD),
        question("www.example.org. A", edns=Edns(1232)),
        question("www.example.org. A", edns=Edns(1232, flags=0x8000)),
        question("www.example.org. A", edns=Edns(1232, b"\x00\x08\x00\x04\x00\x01\x00\x00")),
        question("www.example.org. A", qclass=codes.CH),
    ],
)
async def test_questions_that_may_have_other_answers_fly_alone(other: object) -> None:
    async with upstream(address_of_name) as server, forwarder(server.address) as forward:
        await asyncio.gather(forward.ask(WWW, "udp"), forward.ask(other, "udp"))  # type: ignore[arg-type]

    assert len(server.received) == 2


async def test_all_who_share_a_flight_are_told_of_its_exchanges_and_who_does_not_care_is_not() -> None:
    land = asyncio.Event()
    told: list[tuple[str, Exchange]] = []

    async def late(received: Received) -> list[bytes]:
        await land.wait()
        return [*address_of_name(received)]

    async with upstream(late) as server, forwarder(server.address, read_timeout=5.0) as forward:
        taps = [None, *(lambda exchange, name=name: told.append((name, exchange)) for name in "ab")]
        answers = asyncio.gather(*(forward.ask(WWW, "udp", tap) for tap in taps))
        await server.until_received(1)
        land.set()
        await answers

    (first, exchange), (second, same) = told
    assert (first, second, exchange) == ("a", "b", same)
    assert (exchange.proto, exchange.to, exchange.local) == ("udp", server.address, server.received[0].source)
    assert exchange.reply is not None
    assert exchange.seconds > 0


async def test_an_exchange_without_a_reply_is_told_too() -> None:
    told: list[Exchange] = []
    nobody = closed_port()
    async with forwarder(nobody, attempts=2, max_fails=0) as forward:
        with pytest.raises(UpstreamError):
            await forward.ask(WWW, "udp", told.append)

    assert [(exchange.to, exchange.reply) for exchange in told] == [(nobody, None)] * 2


@pytest.mark.parametrize("proto", ["udp", "tcp"])
async def test_a_fault_in_who_is_told_does_not_keep_a_flight_in_the_air(proto: str) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))

    def fails(exchange: Exchange) -> None:
        raise RuntimeError("no disk")

    async with upstream(address_of_name) as server, forwarder(server.address) as forward:
        with suppress(UpstreamError):  # over TCP it is the asking Task that fails
            assert addresses_in(await forward.ask(WWW, proto, fails)) == ["192.0.2.1"]
        assert addresses_in(await forward.ask(WWW, proto)) == ["192.0.2.1"]

    assert list(map(str, faults)) == ["no disk"]


async def test_who_is_told_first_and_fails_does_not_keep_the_others_from_the_reply() -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))

    def fails(reply: Message | None) -> None:
        raise RuntimeError("no room")

    async with upstream(address_of_name) as server, forwarder(server.address) as forward:
        assert forward.depart(WWW, fails)
        assert addresses_in(await forward.ask(WWW, "udp")) == ["192.0.2.1"]

    assert list(map(str, faults)) == ["no room"]


async def test_a_client_that_goes_away_does_not_end_the_flight_of_another() -> None:
    land = asyncio.Event()

    async def late(received: Received) -> list[bytes]:
        await land.wait()
        return [*address_of_name(received)]

    async with upstream(late) as server, forwarder(server.address, read_timeout=5.0) as forward:
        first = asyncio.create_task(forward.ask(WWW, "udp"))
        second = asyncio.create_task(forward.ask(WWW, "udp"))
        await server.until_received(1)
        first.cancel()
        land.set()
        assert addresses_in(await second) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "junk",
    [
        lambda received: wrong_id(reply(received, "www.example.org. 60 IN A 192.0.2.66")),
        other_question,
        lambda received: b"",
        lambda received: b"\x00" * 11,
        lambda received: received.packet,  # the query itself: QR is clear
        lambda received: received.packet[:2] + b"\x81\x80" + b"\xff" * 40,
        lambda received: b"\xff" * 512,
    ],
)
async def test_junk_before_the_right_reply_is_ignored(junk: object) -> None:
    def forged_then_right(received: Received) -> list[bytes]:
        return [junk(received), *address_of_name(received)]  # type: ignore[operator]

    async with upstream(forged_then_right) as server, forwarder(server.address) as forward:
        assert addresses_in(await forward.ask(WWW, "udp")) == ["192.0.2.1"]
    assert len(server.received) == 1


@pytest.mark.parametrize("proto", ["udp", "tcp"])
async def test_an_upstream_that_answers_another_question_is_told_apart(proto: str) -> None:
    async with upstream(lambda received: [other_question(received)]) as server, forwarder(server.address) as forward:
        with pytest.raises(WrongReply):
            await forward.ask(WWW, proto)
    assert WrongReply.rcode == codes.FORMERR


async def test_silence_ends_in_a_timeout_after_two_tries() -> None:
    async with upstream(silence) as server, forwarder(server.address, max_fails=0, read_timeout=0.05) as forward:
        with pytest.raises(UpstreamError, match=rf"^read udp 127\.0\.0\.1:\d+->{server.to}: i/o timeout$"):
            await forward.ask(WWW, "udp")
        assert len(server.received) == 2


@pytest.mark.parametrize(
    ("proto", "text"),
    [("udp", r"read udp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: read: connection refused"),
     ("tcp", r"dial tcp 127\.0\.0\.1:\d+: connect: connection refused")],
)  # fmt: skip
async def test_a_refused_connection_is_reported_in_the_known_words(proto: str, text: str) -> None:
    async with forwarder(closed_port()) as forward:
        with pytest.raises(UpstreamError, match=text):
            await forward.ask(WWW, proto)


@pytest.mark.parametrize("proto", ["udp", "tcp"])
async def test_the_next_upstream_is_asked_when_one_fails(proto: str) -> None:
    async with upstream(address_of_name) as server, forwarder(closed_port(), server.address) as forward:
        assert addresses_in(await forward.ask(WWW, proto)) == ["192.0.2.1"]


async def test_all_who_share_a_socket_hear_of_a_refusal_at_once() -> None:
    async with (
        upstream(address_of_name) as server,
        forwarder(closed_port(), server.address, read_timeout=5.0) as forward,
    ):
        asked = [question(f"n{number}.example.org. A") for number in range(40)]
        found = await asyncio.wait_for(asyncio.gather(*(forward.ask(one, "udp") for one in asked)), 4.0)

    assert len(found) == len(server.received) == 40


async def test_failover_asks_each_upstream_once_and_gives_the_last_reply() -> None:
    rcodes = frozenset({codes.SERVFAIL, codes.REFUSED})
    async with (
        upstream(with_rcode(codes.SERVFAIL)) as first,
        upstream(with_rcode(codes.REFUSED)) as second,
        forwarder(first.address, second.address, failover=rcodes) as forward,
    ):
        found = await forward.ask(WWW, "udp")

    assert found.rcode == codes.REFUSED
    assert (len(first.received), len(second.received)) == (1, 1)


async def test_an_error_code_is_a_reply_like_any_other_without_failover() -> None:
    async with (
        upstream(with_rcode(codes.SERVFAIL)) as first,
        upstream(address_of_name) as second,
        forwarder(first.address, second.address) as forward,
    ):
        assert (await forward.ask(WWW, "udp")).rcode == codes.SERVFAIL
    assert not second.received


def truncated_over_udp(received: Received) -> list[bytes]:
    """An honest server whose answers do not fit into a datagram."""
    return [reply(received, flags=codes.TC)] if received.proto == "udp" else [*address_of_name(received)]


async def test_a_truncated_reply_is_passed_on() -> None:
    async with upstream(truncated_over_udp) as server, forwarder(server.address) as forward:
        found = await forward.ask(WWW, "udp")

    assert found.flags & codes.TC
    assert len(server.received) == 1


async def test_with_prefer_udp_a_truncated_reply_is_asked_for_again_over_tcp() -> None:
    async with upstream(truncated_over_udp) as server, forwarder(server.address, prefer_udp=True) as forward:
        found = await forward.ask(WWW, "udp")

    assert not found.flags & codes.TC
    assert addresses_in(found) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "broken",
    [
        lambda received: reply(received, "\n".join(f"www.example.org. 60 IN A 192.0.2.{n}" for n in range(40))),
        lambda received: reply(received, "www.example.org. 60 IN A 192.0.2.1")[:-3],
    ],
    ids=["longer than announced", "broken off"],
)
async def test_a_datagram_that_cannot_be_read_whole_becomes_an_empty_truncated_reply(broken: object) -> None:
    async with upstream(lambda received: [broken(received)]) as server, forwarder(server.address) as forward:  # type: ignore[operator]
        found = await forward.ask(WWW, "udp")

    assert found.flags & codes.TC
    assert not found.answer


async def test_octets_that_are_no_message_fail_a_stream() -> None:
    def garbled(received: Received) -> list[bytes]:
        return [reply(received, "www.example.org. 60 IN A 192.0.2.1")[:-3]]

    async with upstream(garbled) as server, forwarder(server.address) as forward:
        with pytest.raises(UpstreamError, match="past the message"):
            await forward.ask(WWW, "tcp")


async def test_a_connection_serves_many_queries_and_replies_may_come_in_any_order() -> None:
    slow = asyncio.Event()

    async def first_is_slow(received: Received) -> list[bytes]:
        if received.text.startswith("slow"):
            await slow.wait()
        return [*address_of_name(received)]

    async with upstream(first_is_slow) as server, forwarder(server.address, read_timeout=5.0) as forward:
        waiting = asyncio.create_task(forward.ask(question("slow.example.org. A"), "tcp"))
        await server.until_received(1)
        for number in range(20):
            await forward.ask(question(f"n{number}.example.org. A"), "tcp")
        slow.set()
        await waiting

    assert server.accepted == 2


async def test_a_connection_that_the_upstream_closed_while_idle_is_replaced_without_a_failure() -> None:
    async with upstream(address_of_name) as server, forwarder(server.address, attempts=1) as forward:
        await forward.ask(WWW, "tcp")
        for transport in server.connections:
            transport.close()
        assert addresses_in(await forward.ask(WWW, "tcp")) == ["192.0.2.1"]
        assert forward.upstreams[0].fails == 0
    assert server.accepted == 2


async def test_a_fresh_connection_that_is_closed_without_a_reply_is_a_failure() -> None:
    async with upstream(lambda received: [CLOSE]) as server, forwarder(server.address, attempts=1) as forward:
        with pytest.raises(UpstreamError, match="EOF"):
            await forward.ask(WWW, "tcp")


def probes(server: Scripted) -> list[Received]:
    """The health checks that came."""
    return [received for received in server.received if received.text.endswith(" NS")]


def only_probes_are_answered(received: Received) -> list[bytes]:
    """A server that refuses to tell the root's name servers, and has nothing to say to anything else."""
    return [reply(received, rcode=codes.REFUSED)] if received.text.endswith(" NS") else []


async def test_an_upstream_is_probed_only_after_a_failure_and_any_reply_will_do() -> None:
    async with upstream(address_of_name) as server, forwarder(server.address, attempts=1, read_timeout=0.02) as forward:
        await forward.ask(WWW, "udp")
        server.script = only_probes_are_answered
        assert not probes(server)
        with pytest.raises(UpstreamError):
            await forward.ask(WWW, "udp")
        await server.until_received(3)
        assert [probe.text for probe in probes(server)] == [". NS"]
        assert probes(server)[0].question.flags & codes.RD
        assert forward.upstreams[0].fails == 0


async def test_the_probe_can_ask_for_another_name_and_without_recursion() -> None:
    health = Health(interval=0.01, domain=names.parse("health.example."), recursion=False)
    async with (
        upstream(only_probes_are_answered) as server,
        forwarder(server.address, attempts=1, read_timeout=0.02, health=health) as forward,
    ):
        with pytest.raises(UpstreamError):
            await forward.ask(WWW, "udp")
        await server.until_received(2)
        assert probes(server)[0].text == "health.example. NS"
        assert not probes(server)[0].question.flags & codes.RD


async def test_probes_go_on_until_one_is_answered_and_failed_ones_are_counted() -> None:
    metrics = Metrics()
    answered = asyncio.Event()

    def closes_three_times(received: Received) -> list[bytes]:
        if len(server.received) < 4:
            return [CLOSE]
        answered.set()
        return [reply(received)]

    async with upstream(closes_three_times) as server:
        one = Upstream(server.address, Manner(health=Health(interval=0.01, tcp=True)), metrics)
        one.check()
        one.check()
        await answered.wait()
        await one.close()

    assert metrics.family("proxy_healthcheck_failures_total").values == {("forward", server.to): 3}
    assert len(server.received) == 4


async def test_an_upstream_that_is_down_is_passed_over() -> None:
    async with (
        upstream(address_of_name) as first,
        upstream(address_of_name) as second,
        forwarder(first.address, second.address) as forward,
    ):
        forward.upstreams[0].fails = 3
        await forward.ask(WWW, "udp")

    assert (len(first.received), len(second.received)) == (0, 1)


async def test_with_max_fails_0_no_upstream_is_ever_down_or_probed() -> None:
    async with upstream(silence) as server, forwarder(server.address, max_fails=0, read_timeout=0.02) as forward:
        forward.upstreams[0].fails = 100
        with pytest.raises(UpstreamError):
            await forward.ask(WWW, "udp")
        assert not probes(server)


async def test_when_all_are_down_one_is_asked_all_the_same() -> None:
    broken = Counter()
    async with upstream(address_of_name) as server, forwarder(server.address, broken=broken) as forward:
        forward.upstreams[0].fails = 3
        assert addresses_in(await forward.ask(WWW, "udp")) == ["192.0.2.1"]
    assert broken.count == 1


async def test_with_failfast_nobody_is_asked_when_all_are_down() -> None:
    async with upstream(address_of_name) as server, forwarder(server.address, failfast=True) as forward:
        forward.upstreams[0].fails = 3
        with pytest.raises(UpstreamError, match="no healthy proxies"):
            await forward.ask(WWW, "udp")
    assert not server.received


async def test_what_happens_on_connections_is_counted() -> None:
    metrics = Metrics()
    async with upstream(address_of_name) as server:
        one = Upstream(server.address, Manner(), metrics)
        for proto in ("udp", "udp", "tcp", "tcp", "tcp"):
            await one.exchange(WWW, proto, 1.0)
        await one.close()

    assert metrics.family("proxy_conn_cache_misses_total").values == {
        ("forward", server.to, "udp"): 1,
        ("forward", server.to, "tcp"): 1,
    }
    assert metrics.family("proxy_conn_cache_hits_total").values == {
        ("forward", server.to, "udp"): 1,
        ("forward", server.to, "tcp"): 2,
    }
    durations = metrics.histogram("proxy_request_duration_seconds").values[("forward", server.to, "NOERROR")]
    assert sum(durations[:-1]) == 5


async def test_queries_leave_from_the_source_address() -> None:
    async with upstream(address_of_name) as server:
        one = Upstream(server.address, Manner(source="127.0.0.9"), Metrics())
        await one.exchange(WWW, "udp", 1.0)
        await one.exchange(WWW, "tcp", 1.0)
        await one.close()

    assert [received.source[0] for received in server.received] == ["127.0.0.9", "127.0.0.9"]


async def test_closing_waits_for_the_flights_under_way() -> None:
    land = asyncio.Event()

    async def late(received: Received) -> list[bytes]:
        await land.wait()
        return [*address_of_name(received)]

    async with upstream(late) as server, forwarder(server.address, read_timeout=5.0) as forward:
        answer = asyncio.create_task(forward.ask(WWW, "udp"))
        await server.until_received(1)
        closing = asyncio.create_task(forward.close())
        land.set()
        await closing
        assert answer.done()
        assert addresses_in(answer.result()) == ["192.0.2.1"]


@pytest.mark.parametrize("script", [silence, lambda received: [CLOSE]], ids=["silence", "closed connections"])
async def test_a_question_takes_no_longer_than_its_deadline(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder_module, "DEADLINE", 0.1)
    async with upstream(script) as server, forwarder(server.address, attempts=0, max_fails=0) as forward:
        with pytest.raises(UpstreamError, match=r"EOF|i/o timeout"):
            await forward.ask(WWW, "tcp")
        assert len(server.received) <= 4  # without a bound on tries there is a pause between them
