"""What the memo sends of what the cache keeps: always the octets that the chain would have sent, and counted so."""

import asyncio
from typing import Any

import pytest
from dnslib import DNSRecord
from dnslib.dns import EDNS0
from hypothesis import given, settings
from hypothesis import strategies as st

from kdns.answer import Answers, Sent
from kdns.block import Block
from kdns.chain import Client, Reply, Request, link
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.plugins import prometheus
from kdns.plugins.bufsize import setup as bufsize
from kdns.plugins.cache import Cache
from kdns.plugins.cache import read as read_settings
from kdns.wire import codes, names
from tests.kdns.asking import args, canned, records

CLIENT = Client("192.0.2.7", 40212, "udp", "192.0.2.53", 53)
ANSWERS = {
    b"\x01a": ("a.example. {0} IN A 192.0.2.1", codes.NOERROR, ""),
    b"\x01b": ("b.example. {0} IN CNAME c.example.\nc.example. {1} IN A 192.0.2.1", codes.NOERROR, ""),
    b"\x01d": ("\n".join(f"d.example. {{0}} IN A 192.0.2.{n}" for n in range(1, 40)), codes.NOERROR, ""),
    b"\x01e": ("", codes.NXDOMAIN, "example. {0} IN SOA ns.example. root.example. 1 60 60 60 {1}"),
    b"\x01f": ("", codes.NOERROR, "example. {0} IN SOA ns.example. root.example. 1 60 60 60 {1}"),
    b"\x01g": ("", codes.SERVFAIL, ""),
    b"\x01h": ("", codes.NOERROR, ""),
}
SETTINGS = (
    "cache",
    "cache 7",
    "cache {\n keepttl\n}",
    "cache {\n prefetch 3 1h 60%\n}",  # what the memo sends is no time for the gap: it is known to the second only
    "cache {\n serve_stale 3s\n}",
    "cache {\n success 9984 9 3\n denial 9984 4 2\n}",
)


class Server:
    """A listener with a cache before an upstream whose TTLs are other ones each time it is asked."""

    def __init__(self, directive: str, ttls: tuple[int, int], *, keeps: bool) -> None:
        self.metrics = Metrics()
        self._ttls = ttls
        self._asked = 0
        cache = Cache(read_settings(args(directive)), self.metrics, lambda n: 0, lambda: 1e9)
        counting = prometheus.Prometheus("", None, (), self.metrics, lambda: 0.0)
        chain = link([bufsize(args("bufsize 512")), counting, cache, canned(self._upstream)])  # type: ignore[list-item]
        blocks = {names.ROOT: (Block(names.ROOT, chain),)}
        self._answers = Answers("dns://:53", blocks, False, self.metrics, self._fault)
        self._answers.keeps = keeps
        self.memo = Memo(1 << 20)

    async def ask(self, packet: bytes, now: float) -> Sent:
        sent: list[Sent] = []
        self._answers.respond(packet, CLIENT, now, self.memo, sent.append)
        for _ in range(5):  # what is fetched ahead of time comes in the background
            await asyncio.sleep(0)
        (reply,) = sent
        return reply

    def counted(self) -> dict[str, dict[Any, float]]:
        self.memo.settle()
        for entry in self.memo._young.values():
            entry.settle()
        wanted = ("dns_requests_total", "dns_responses_total", "cache_hits_total", "cache_misses_total")
        return {name: self.metrics.family(name).values for name in (*wanted, "cache_prefetch_total")}

    def _upstream(self, request: Request) -> Reply:
        self._asked += 1
        answer, rcode, authority = ANSWERS[request.question.key[:2]]
        ttls = [ttl + self._asked % 3 for ttl in self._ttls]
        return Reply(rcode, records(answer.format(*ttls)), records(authority.format(*ttls)), flags=codes.RA, by="up")

    def _fault(self, label: str, fault: Exception) -> None:
        raise fault


def packet(name: bytes, number: int, flavour: str) -> bytes:
    query = DNSRecord.question(f"{name[1:].decode()}.example", "A")
    query.header.id = number
    if flavour != "plain":
        query.add_ar(EDNS0(udp_len=1232, flags="do" if flavour == "do" else ""))
    return bytes(query.pack())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(ANSWERS)),
        st.sampled_from(["plain", "edns", "do"]),
        st.sampled_from([0.0, 0.0, 0.1, 0.4, 0.9, 1.0, 1.7, 3.0]),
    ),
    max_size=60,
)


@pytest.mark.parametrize("directive", SETTINGS)
@settings(deadline=None)  # an event loop is made for each example
@given(steps=STEPS, ttls=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_every_reply_is_the_chains_own_and_is_counted_so(
    directive: str, steps: list[tuple[bytes, str, float]], ttls: tuple[int, int]
) -> None:
    async def compare() -> None:
        kept, plain = (Server(directive, ttls, keeps=keeps) for keeps in (True, False))
        now = 1000.0
        for number, (name, flavour, passed) in enumerate(steps):
            now += passed
            # An entry is told of repeats when their packet's second is over: one packet each where that matters.
            query = packet(name, number, "plain" if "prefetch" in directive else flavour)
            assert await kept.ask(query, now) == await plain.ask(query, now)
        assert kept.counted() == plain.counted()

    asyncio.run(compare())


async def test_what_counts_down_is_asked_of_the_chain_no_more_until_its_end() -> None:
    server = Server("cache", (9, 9), keeps=True)
    query = packet(b"\x01a", 7, "plain")
    for second in range(12):
        await server.ask(query, 1000.0 + second)
        if second == 1:
            (entry,) = server.memo._young.values()
    assert entry.hits == 8  # the first was a miss, the second made the entry; TTL 10 ends behind the tenth
