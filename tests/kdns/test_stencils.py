"""Stencils: names never asked before get the octets that the chain would have sent, and are counted as it does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kdns.answer import Answers
from kdns.block import Block
from kdns.chain import Client, link, repeatable
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.plugins import cache, errors, kubernetes, loadbalance, prometheus
from kdns.wire import names
from tests.kdns.asking import args
from tests.kdns.cluster.making import Object, external, namespace, service, slice_of
from tests.kdns.cluster.taking import complete, take
from tests.kdns.server import query

CLIENT = Client("192.0.2.1", 4000, "udp", "192.0.2.53", 53)
ROOMY = 1 << 22  # octets
HTTP = [("http", 80, "TCP")]
THINGS: tuple[Object, ...] = (
    namespace("ns"),
    service("web", ["10.96.0.7"], HTTP),
    service("wob", ["10.96.0.8"], HTTP, ns="ns"),
    service("two", ["10.96.0.9", "2001:db8::9"], HTTP, ns="ns"),
    service("db", ["None"], HTTP, ns="ns"),
    service("one", ["None"], HTTP, ns="ns"),
    external("out", "www.example.org", ns="ns"),
    external("in", "wob.ns.svc.cluster.local", ns="ns"),
    slice_of(
        "db", [{"addresses": [f"10.244.0.{number}"], "hostname": f"db-{number}"} for number in (1, 2)], HTTP, ns="ns"
    ),
    slice_of("one", ["10.244.0.9"], HTTP, ns="ns"),
)
LABELS = ["web", "wob", "two", "db", "one", "out", "in", "nope", "nop2", "db-1", "_http", "_tcp", "ns", "other", "dns"]
TOPS = ["svc.cluster.local.", "pod.cluster.local.", "cluster.local.", "96.10.in-addr.arpa.", "example.org."]
NAMES = st.builds(
    lambda labels, top: ".".join([*labels, top]), st.lists(st.sampled_from(LABELS), max_size=4), st.sampled_from(TOPS)
)
QUESTIONS = st.tuples(
    NAMES,
    st.sampled_from(["A", "AAAA", "SRV", "PTR", "TXT", "SOA", "NS", "MX", "DS", "ANY"]),
    st.sampled_from(["", "+do", "+edns", "+upper"]),
)


class Server:
    """A stock cluster block over THINGS, with or without stencils."""

    def __init__(self, *, cuts: bool, fallthrough: str = "in-addr.arpa") -> None:
        self.metrics = Metrics()
        text = (
            f"kubernetes cluster.local 10.in-addr.arpa {{\nendpoint http://127.0.0.1:1\nfallthrough {fallthrough}\n}}"
        )
        self.cluster: Any = kubernetes.setup(args(text, metrics=self.metrics))
        take(self.cluster, *THINGS)
        complete(self.cluster)
        self.cluster._state.index.serial = 1  # and not the time, which may differ between two servers
        plugins = [
            errors.setup(args("errors", metrics=self.metrics)),
            prometheus.setup(args("prometheus", metrics=self.metrics)),
            loadbalance.setup(args("loadbalance", metrics=self.metrics)),
            cache.setup(args("cache 30", metrics=self.metrics)),
            self.cluster,
        ]
        blocks = {names.ROOT: (Block(names.ROOT, link(plugins)),)}
        self.answers = Answers("dns://:53", blocks, False, self.metrics, self.fault)
        self.answers.keeps = cuts
        self.memo = Memo(ROOMY)

    def ask(self, packet: bytes, now: float = 100.0) -> bytes:
        sent: list[Any] = []
        self.answers.respond(packet, CLIENT, now, self.memo, sent.append)
        (reply,) = sent
        assert isinstance(reply, bytes)
        return reply

    def counted(self) -> dict[str, dict[Any, float]]:
        """What every counter says, and how many a histogram has seen of each size."""
        self.answers.stencils.settle()
        for entry in (*self.memo.hot.values(), *self.memo._young.values()):
            entry.settle()
        counters = {name: dict(family.values) for name, family in self.metrics.families.items()}
        sizes = {
            name: {
                (labels, place): count for labels, row in histogram.values.items() for place, count in enumerate(row)
            }
            for name, histogram in self.metrics.histograms.items()
            if name.endswith("size_bytes")
        }
        return counters | sizes

    def fault(self, label: str, fault: Exception) -> None:
        raise fault


def packet(asked: tuple[str, str, str], number: int = 7) -> bytes:
    name, kind, form = asked
    octets = query(f"{name} {kind}")
    octets = number.to_bytes(2, "big") + octets[2:]
    match form:
        case "+upper":
            return octets.replace(b"cluster", b"ClusteR")
        case "+edns":
            return octets[:10] + b"\0\1" + octets[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
        case "+do":
            return octets[:10] + b"\0\1" + octets[12:] + b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"
    return octets


@given(st.lists(QUESTIONS, min_size=1, max_size=40))
def test_every_reply_is_the_chains_own(asked: list[tuple[str, str, str]]) -> None:
    with_stencils, without = Server(cuts=True), Server(cuts=False)
    for number, each in enumerate(asked):
        octets = packet(each, number)
        assert sorted(with_stencils.ask(octets)) == sorted(without.ask(octets))  # loadbalance: any order


@given(st.lists(QUESTIONS.filter(lambda asked: "db" not in asked[0]), min_size=1, max_size=40, unique=True))
def test_every_question_is_counted_as_the_chain_counts_it(asked: list[tuple[str, str, str]]) -> None:
    with_stencils, without = Server(cuts=True), Server(cuts=False)
    for each in asked:
        with_stencils.ask(packet(each))
        without.ask(packet(each))
    assert with_stencils.counted() == without.counted()


def test_names_of_one_kind_take_the_chain_once() -> None:
    server = Server(cuts=True)
    for number in range(100):
        server.ask(packet((f"x{number:03}.ns.svc.cluster.local.", "A", "")))
    (cut,) = server.answers.stencils._cuts.values()
    (stencil,) = cut.kinds.values()
    assert stencil.hits == 99


def test_what_is_asked_for_twice_is_kept() -> None:
    server = Server(cuts=True)
    asked = [packet((f"{name}.svc.cluster.local.", "A", "")) for name in ("web.default", "wob.ns00000", "xyz.ns00000")]
    for octets in (*asked, *asked, *asked):
        server.ask(octets)
    assert asked[2][2:] in server.memo.hot


def test_a_change_is_seen_by_the_next_query() -> None:
    server = Server(cuts=True)
    for number in range(3):
        server.ask(packet((f"x{number}x.ns.svc.cluster.local.", "A", "")))
    new = packet(("x9x.ns.svc.cluster.local.", "A", ""))
    assert server.ask(new)[3] & 15 == 3

    changed = server.cluster._state.index.put_service(service("x9x", ["10.96.0.99"], HTTP, ns="ns"))
    server.memo.forget(changed)

    assert server.ask(new)[-4:] == bytes((10, 96, 0, 99))


def test_a_stencil_ends_when_its_reply_would() -> None:
    server = Server(cuts=True)
    asked = [packet((f"x{number}x.ns.svc.cluster.local.", "A", "")) for number in range(3)]
    server.ask(asked[0])
    server.ask(asked[1])
    server.cluster._state.index.serial = 4711

    replies = [server.ask(octets, now=200.0) for octets in asked]

    assert all((4711).to_bytes(4, "big") in reply for reply in replies)


def test_a_plugin_that_looks_at_names_keeps_them_apart() -> None:
    """As rewrite does: repeatable, but another name may be answered otherwise."""
    server = Server(cuts=True)

    @repeatable
    async def looks(request: Any, rest: Any) -> Any:
        return await rest(request)

    server.answers.blocks = {names.ROOT: (Block(names.ROOT, link([looks, server.cluster])),)}
    for number in range(3):
        server.ask(packet((f"x{number}x.ns.svc.cluster.local.", "A", "")))
    assert not server.answers.stencils._cuts


def test_names_that_another_block_has_keep_a_zone_from_being_cut() -> None:
    server = Server(cuts=True)
    inner = names.parse("inner.svc.cluster.local")
    server.answers.blocks = {**server.answers.blocks, inner: (Block(inner, None),)}
    for number in range(3):
        server.ask(packet((f"x{number}x.ns.svc.cluster.local.", "A", "")))
    assert not server.answers.stencils._cuts


@given(st.binary(max_size=80))
def test_octets_that_are_no_query_are_replied_to_as_ever(noise: bytes) -> None:
    with_stencils, without = Server(cuts=True), Server(cuts=False)
    known = packet(("x1x.ns.svc.cluster.local.", "A", ""))
    octets = known[:12] + noise + known[len(known) - 20 :]
    with_stencils.ask(known)
    assert with_stencils.ask(octets) == without.ask(octets)


def test_a_name_with_a_zero_octet_in_a_label_is_read_to_its_end() -> None:
    server = Server(cuts=True)
    known = packet(("x1x.ns.svc.cluster.local.", "A", ""))
    server.ask(known)
    false_end = bytearray(known)
    false_end[12] = 60  # a label that goes on over what looks like the end of the name
    assert server.ask(bytes(false_end))[3] & 15 == 1


def test_another_configuration_begins_anew() -> None:
    server = Server(cuts=True)
    server.ask(packet(("x1x.ns.svc.cluster.local.", "A", "")))
    server.answers.stencils.clear()
    assert not server.answers.stencils._cuts
