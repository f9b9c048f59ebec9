"""The short way: what goes it is answered, counted and asked upstream as the chain does it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from socket import SOCK_DGRAM, socket
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Client, Departure, Reply, Request, Step, link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.passage import Passage, passage
from kdns.plugins import cache, chaos, errors, forward, loadbalance, log, loop, prometheus
from kdns.wire import codes, names
from kdns.wire.records import read_message
from tests.kdns.asking import args, question, records
from tests.kdns.server import query
from tests.kdns.upstream import (
    Received,
    address_of_name,
    other_question,
    reply,
    silence,
    upstream,
    wrong_id,
)

UDP = Client("192.0.2.1", 4000, "udp", "192.0.2.53", 53)
IPV6 = Client("2001:db8::1", 4000, "udp", "2001:db8::53", 53)
TCP = Client("192.0.2.1", 4000, "tcp", "192.0.2.53", 53)
SOA = "example.org. 20 IN SOA ns.example.org. root.example.org. 1 2 3 4 5"
NS = "example.org. 99 IN NS ns.example.org."
OPT = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"
BY_CHANCE = ("_seconds", "proxy_")  # families whose numbers depend on how long things take, or who is asked


def said(received: Received) -> Sequence[bytes]:
    """What the upstream says of a name: its first label tells."""
    name = names.show(received.question.qname)
    if name == ".":  # a probe
        return [reply(received)]
    address = f"{name} 60 IN A 192.0.2.1"
    match names.labels(received.question.key)[0][:4]:
        case b"nxdo":
            return [reply(received, authority=SOA, rcode=codes.NXDOMAIN)]
        case b"node":
            return [reply(received, authority=SOA)]
        case b"fail":
            return [reply(received, rcode=codes.SERVFAIL)]
        case b"refu":
            return [reply(received, rcode=codes.REFUSED)]
        case b"trun":
            return [reply(received, address, flags=codes.TC | codes.RA)]
        case b"auth":
            return [reply(received, address, authority=NS, flags=codes.AA | codes.AD)]
        case b"many":
            return [reply(received, "\n".join(f"{name} {60 + n} IN A 192.0.2.{n}" for n in range(5)), authority=NS)]
        case b"alia":
            return [reply(received, f"{name} 30 IN CNAME a.example.net.\na.example.net. 10 IN A 192.0.2.9")]
        case b"elsw":
            return [reply(received, f"{name} 30 IN CNAME a.example.net.")]
        case b"big\0" | b"big":
            return [reply(received, "\n".join(f'{name} 60 IN TXT "{n}{"x" * 99}"' for n in range(9)))]
        case b"brok":
            return [reply(received, address)[:-3]]
        case b"junk":
            return [
                b"",
                b"\0" * 11,
                wrong_id(reply(received, address)),
                other_question(received),
                reply(received, address),
            ]
        case b"edns":
            octets = reply(received, address)
            return [octets[:10] + b"\0\1" + octets[12:] + OPT]
        case b"zero":
            return [reply(received, f"{name} 0 IN A 192.0.2.1")]
        case b"none":
            return [reply(received)]
    return address_of_name(received)


class Asked(NamedTuple):
    """One question: its name, type, form, and who asks it."""

    name: str
    kind: str
    form: str
    client: Client

    def packet(self) -> bytes:
        octets = query(f"{self.name} {self.kind}", 7)
        head, rest = octets[:10], octets[12:]
        match self.form:
            case "+cd":
                return octets[:3] + b"\x10" + octets[4:]
            case "+ad":
                return octets[:3] + b"\x20" + octets[4:]
            case "+edns":
                return head + b"\0\1" + rest + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
            case "+do":
                return head + b"\0\1" + rest + OPT
            case "+cookie":
                return head + b"\0\1" + rest + b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08clientck"
            case "+version":
                return head + b"\0\1" + rest + b"\0\0\x29\x04\xd0\0\1\0\0\0\0"
            case "+upper":
                return octets.replace(b"example", b"eXAMple")
            case "+chaos":
                return octets[:-1] + b"\3"
            case "+nord":
                return octets[:2] + b"\0" + octets[3:]
        return octets


class Config(NamedTuple):
    """The properties of forward and cache, and whether the first upstream refuses."""

    forward: str = ""
    cache: str = ""
    refusing: bool = False


LABELS = (
    "nxdomain nodata fail refused truncated auth many alias elsewhere big broken junk edns zero none www loc"
).replace("elsewhere", "elsw").split()  # fmt: skip
QUESTIONS = st.builds(
    Asked,
    st.builds(lambda label, n: f"{label}{n}.example.org.", st.sampled_from([*LABELS, "spared.sub"]), st.just("")),
    st.sampled_from(["A", "A", "A", "AAAA", "TXT", "DS", "ANY", "CNAME", "AXFR"]),
    st.sampled_from(["", "", "", "+cd", "+ad", "+edns", "+do", "+cookie", "+version", "+upper", "+chaos", "+nord"]),
    st.sampled_from([UDP, UDP, UDP, IPV6, TCP]),
)
ROUNDS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.5, 12.0, 70.0]), st.lists(QUESTIONS, min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)
CONFIGS = st.builds(
    Config,
    st.sampled_from(
        ["", "policy round_robin", "policy sequential", "max_concurrent 1", "failover SERVFAIL REFUSED",
         "next NXDOMAIN", "force_tcp", "prefer_udp", "max_fails 0", "except sub.example.org",
         "failfast_all_unhealthy_upstreams"]
    ),
    st.sampled_from(
        ["", "serve_stale 1h", "serve_stale 1h verify", "servfail 0", "disable denial", "keepttl",
         "success 9984 20 15", "prefetch 1 1m 90%"]
    ),
    st.booleans(),
)  # fmt: skip


class Server:
    """A block as kubeadm's, before its own upstreams; with the short way or without."""

    def __init__(self, config: Config, upstreams: str, *, short: bool) -> None:
        self.metrics = Metrics()
        self.log: list[str] = []
        properties = f"{{\nread_timeout 1s\n{config.forward}\n}}"
        texts = {
            prometheus: "prometheus",
            errors: "errors",
            log: "log",
            loadbalance: "loadbalance",
            cache: f"cache 30 {{\n{config.cache}\n}}",
            loop: "loop",
            forward: f"forward . {upstreams} {properties}",
        }
        self.plugins: list[Any] = [
            module.setup(args(text, metrics=self.metrics, log=lambda level, text: self.log.append(f"{level} {text}")))
            for module, text in texts.items()
        ]
        way = passage(self.plugins) if short else None
        self.answers = Answers(
            "dns://:53",
            {names.ROOT: (Block(names.ROOT, link(self.plugins), "", None, way),)},
            True,
            self.metrics,
            _fault,
        )
        self.memo = Memo(1 << 20)

    async def ask(self, now: float, asked: Sequence[Asked]) -> list[bytes]:
        """The replies to questions that are asked at once."""
        loop = asyncio.get_running_loop()
        replies: list[asyncio.Future[Any]] = [loop.create_future() for _ in asked]
        for each, future in zip(asked, replies, strict=True):
            self.answers.respond(each.packet(), each.client, now, self.memo, future.set_result)
        found = await asyncio.gather(*replies)
        while self.plugins[4]._refreshes:
            await asyncio.wait(self.plugins[4]._refreshes)
        return found

    def counted(self) -> dict[str, Any]:
        """What every metric says that neither time nor chance has a part in."""
        for entry in (*self.memo.hot.values(), *self.memo._young.values()):
            entry.settle()
        counters = {name: dict(family.values) for name, family in self.metrics.families.items()}
        sizes = {name: dict(histogram.values) for name, histogram in self.metrics.histograms.items()}
        return {name: of for name, of in (counters | sizes).items() if not any(part in name for part in BY_CHANCE)}


def _fault(label: str, fault: Exception) -> None:
    raise fault


@asynccontextmanager
async def served(config: Config, *, short: bool = True, script: Any = said) -> AsyncIterator[tuple[Server, list[Any]]]:
    """A server with two upstreams of its own, and what these received."""
    async with AsyncExitStack() as stack:
        each = [await stack.enter_async_context(upstream(script)) for _ in range(2)]
        held = stack.enter_context(closing(socket(type=SOCK_DGRAM)))
        held.bind(("127.0.0.1", 0))
        held.connect(("127.0.0.1", each[0].port))  # so it refuses all others, and nobody else gets its port
        first = f"127.0.0.1:{held.getsockname()[1]}" if config.refusing else each[0].to
        server = Server(config, f"{first} {each[1].to}", short=short)
        await server.plugins[-1].start()
        try:
            yield server, [one.received for one in each]
        finally:
            await server.plugins[-1].close()


def received(of: list[list[Received]]) -> list[bytes]:
    """The queries that the upstreams got, without their IDs."""
    return sorted(each.packet[2:] for one in of for each in one if each.question.key != names.ROOT)


def lines(server: Server) -> list[str]:
    """What *log* has written, but for how long it took."""
    return sorted(line.rpartition(" ")[0] for line in server.log if line.startswith("LINE"))


async def compare(config: Config, rounds: Sequence[tuple[float, Sequence[Asked]]]) -> None:
    async with served(config) as (short, there), served(config, short=False) as (chain, here):
        now = 1000.0
        for step, asked in rounds:
            now += step
            for one, other in zip(await short.ask(now, asked), await chain.ask(now, asked), strict=True):
                assert (one and sorted(one)) == (other and sorted(other))  # loadbalance: any order
        assert short.counted() == chain.counted()
        if not config.refusing:
            assert received(there) == received(here)
        assert len(short.log) == len(chain.log)
        assert lines(short) == lines(chain)


@settings(max_examples=40)
@given(CONFIGS, ROUNDS)
def test_what_goes_the_short_way_is_what_the_chain_makes_of_it(
    config: Config, rounds: list[tuple[float, list[Asked]]]
) -> None:
    asyncio.run(compare(config, rounds))


PLAIN = [Asked(f"{label}.example.org.", "A", "", UDP) for label in LABELS]


@pytest.mark.parametrize("refusing", [False, True])
async def test_every_kind_of_reply_goes_the_short_way_alike(refusing: bool) -> None:
    await compare(Config("policy sequential", refusing=refusing), [(1.0, [asked]) for asked in PLAIN])


async def test_a_plain_question_starts_no_chain() -> None:
    async with served(Config()) as (server, _):
        begun: list[Any] = []
        server.answers._serve = lambda *arguments: begun.append(arguments)  # type: ignore[assignment, method-assign]
        (found,) = await server.ask(1.0, [Asked("www.example.org.", "A", "", UDP)])
        assert found.endswith(bytes((192, 0, 2, 1)))
        assert not begun


async def test_silence_is_asked_about_again_and_ends_in_servfail() -> None:
    async with served(Config("policy sequential\nread_timeout 20ms"), script=silence) as (server, there):
        (found,) = await server.ask(1.0, PLAIN[:1])
        assert found[3] & 15 == codes.SERVFAIL
        assert len(received(there)) == 4
        assert "i/o timeout" in server.log[-1]
        assert not server.answers.pending.under_way


async def test_who_asks_the_same_meanwhile_shares_the_flight() -> None:
    async with served(Config("policy sequential")) as (server, there):
        found = await server.ask(1.0, [Asked("www.example.org.", "A", "", client) for client in (UDP, UDP, IPV6)])
        assert len({*found}) == 1
        assert len(there[0]) == 1


async def test_a_reply_with_the_wrong_question_only_is_a_format_error() -> None:
    for short in (True, False):
        config = Config("read_timeout 20ms")
        async with served(config, short=short, script=lambda one: [other_question(one)]) as (server, _):
            (found,) = await server.ask(1.0, PLAIN[:1])
            assert found[3] & 15 == codes.FORMERR


async def test_a_stop_waits_for_what_is_on_the_short_way() -> None:
    arrived, land = asyncio.Event(), asyncio.Event()

    async def late(one: Received) -> Sequence[bytes]:
        arrived.set()
        await land.wait()
        return address_of_name(one)

    async with served(Config(), script=late) as (server, _):
        asking = asyncio.create_task(server.ask(1.0, [Asked("www.example.org.", "A", "", UDP)]))
        await arrived.wait()
        finishing = asyncio.create_task(server.answers.pending.finish())
        land.set()
        await finishing
        (found,) = await asking
        assert found.endswith(bytes((192, 0, 2, 1)))


@pytest.mark.parametrize(
    "plugins",
    [
        [],
        [errors.setup(args("errors"))],
        [chaos.setup(args("chaos")), forward.setup(args("forward . 192.0.2.1"))],
        [loop.setup(args("loop")), cache.setup(args("cache")), forward.setup(args("forward . 192.0.2.1"))],
        [cache.setup(args("cache example.org")), forward.setup(args("forward . 192.0.2.1"))],
        [forward.setup(args("forward example.org 192.0.2.1"))],
        [forward.setup(args("forward example.org 192.0.2.1\nforward . 192.0.2.1"))],
    ],
)
def test_where_a_plugin_does_more_there_is_no_short_way(plugins: list[Any]) -> None:
    assert passage(plugins) is None


def test_names_that_a_plugin_is_there_for_do_not_go_it() -> None:
    departure = Departure(lambda question, told: True, (names.parse("other."),))
    way = Passage([Step((names.parse("cluster.local."),)), Step()], departure)

    assert way.handed_on(question("www.example.org. A")) == question("www.example.org. A")
    for name in ("cluster.local.", "a.cluster.local.", "b.other."):
        assert way.handed_on(question(f"{name} A")) is None


async def test_a_reply_that_a_plugin_fails_at_takes_none_with_it_that_came_at_once() -> None:
    def look(asked: Request, reply: Reply) -> Reply:
        if asked.question.key.startswith(b"\3bad"):
            raise LookupError("bad")
        return reply._replace(answer=records("good.example.org. 5 IN A 192.0.2.1"))

    faults: list[Exception] = []
    departure = Departure(lambda question, told: told(Reply()) is None)
    block = Block(names.ROOT, link([]), "", None, Passage([Step(returned=look), Step()], departure))
    answers = Answers("dns://:53", {names.ROOT: (block,)}, False, Metrics(), lambda label, fault: faults.append(fault))
    replies: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(3)]

    for future, name in zip(replies, ("good", "bad", "good"), strict=True):
        packet = query(f"{name}.example.org. A", 7)
        answers.respond(packet, UDP, 1.0, Memo(1 << 20), future.set_result)

    good, bad, other = [read_message(packet) for packet in await asyncio.gather(*replies)]
    assert good == other
    assert (good.rcode, len(good.answer)) == (codes.NOERROR, 1)
    assert (bad.rcode, bad.answer) == (codes.SERVFAIL, ())
    assert [str(fault) for fault in faults] == ["bad"]
    assert answers.pending.under_way == 0
