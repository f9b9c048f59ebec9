"""autopath: names that are denied alike are answered and counted as if the chain below had been asked for each."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kdns.chain import Reply, Request, link
from kdns.metrics import Metrics
from kdns.plugins import autopath, cache, errors, kubernetes, prometheus
from kdns.wire import codes, names
from tests.kdns.asking import args, canned, records, request, step
from tests.kdns.cluster.making import Object, external, namespace, service
from tests.kdns.cluster.taking import complete, take

HTTP = [("http", 80, "TCP")]
THINGS: tuple[Object, ...] = (
    namespace("ns"),
    namespace("default"),
    service("web", ["10.96.0.7"], HTTP),
    service("wob", ["10.96.0.8"], HTTP, ns="ns"),
    external("out", "www.example.org", ns="ns"),
)
SOA = records("example.org. 30 IN SOA ns.example.org. root.example.org. 1 2 3 4 5")


class Block:
    """A block whose autopath learns from denials, or never does."""

    def __init__(self, *, learns: bool) -> None:
        self.metrics = Metrics()
        self.below = 0
        cluster = "kubernetes cluster.local {\nendpoint http://127.0.0.1:1\n}"
        self.cluster: Any = kubernetes.setup(args(cluster, metrics=self.metrics))
        take(self.cluster, *THINGS)
        complete(self.cluster)
        self.cluster._state.index.serial = 1
        walker: Any = autopath.setup(
            args("autopath @kubernetes {\nnamespace_of_name\n}", zones="cluster.local", metrics=self.metrics)
        )
        walker.meet({"kubernetes": self.cluster})
        if not learns:
            walker._learn = lambda *arguments: None
        self.chain = link(
            [
                prometheus.setup(args("prometheus", metrics=self.metrics)),
                errors.setup(args("errors", metrics=self.metrics)),
                walker,
                cache.setup(args("cache 30", metrics=self.metrics)),
                self._counted,
                self.cluster,
                canned(_outside),
            ]
        )

    async def _counted(self, asked: Request, rest: Any) -> Reply:
        self.below += 1
        reply: Reply = await rest(asked)
        return reply

    _counted.nameblind = _counted.repeatable = True  # type: ignore[attr-defined]

    def ask(self, text: str, server: str) -> Reply:
        """The reply to `NAME TYPE`, without what only a server does with it."""
        return self.reply(text, server).keeping(None)

    def reply(self, text: str, server: str) -> Reply:
        """The same with what the server does with it."""
        return step(self.chain(request(text, server=server, ask=_elsewhere)))

    def counted(self) -> dict[str, Any]:
        """What every counter says."""
        return {name: dict(family.values) for name, family in self.metrics.families.items()}


def _outside(asked: Request) -> Reply:
    qname = names.show(asked.question.qname)
    if qname.startswith("www"):
        return Reply(answer=records(f"{qname} 60 IN A 192.0.2.1"), by="canned")
    return Reply(codes.NXDOMAIN, authority=SOA, by="canned")


async def _elsewhere(asked: Request, name: bytes, qtype: int, /) -> Reply:
    return Reply()


NAMES = st.builds(
    lambda first, rest, top: f"{first}.{rest}{top}",
    st.sampled_from(["www", "wwww", "web", "wob.ns", "out", "nope", "nope2", "NoPe"]),
    st.sampled_from(["", "example.org.", "ns."]),
    st.sampled_from(["ns.svc.cluster.local.", "default.svc.cluster.local.", "svc.cluster.local.", "cluster.local."]),
)
ASKED = st.tuples(
    NAMES, st.sampled_from(["A", "A", "AAAA", "SRV", "TXT"]), st.sampled_from(["dns://:53", "tls://:853"])
)


@given(st.lists(ASKED, min_size=1, max_size=20))
def test_a_walk_ends_where_it_would_and_every_step_is_counted(asked: list[tuple[str, str, str]]) -> None:
    learning, asking = Block(learns=True), Block(learns=False)
    for name, kind, server in asked:
        assert learning.ask(f"{name} {kind}", server) == asking.ask(f"{name} {kind}", server)
    assert learning.counted() == asking.counted()


def test_names_that_are_denied_alike_are_looked_up_and_not_asked_for() -> None:
    block = Block(learns=True)
    block.ask("www.example.org.ns.svc.cluster.local. A", "dns://:53")
    assert block.below == 2  # the first name, and the bare one
    block.ask("www2.example.org.ns.svc.cluster.local. A", "dns://:53")
    assert block.below == 3


def test_a_new_service_is_found_by_the_next_walk() -> None:
    block = Block(learns=True)
    for _ in range(2):
        assert block.ask("www.nope.ns.svc.cluster.local. A", "dns://:53").answer[1].endswith(bytes((192, 0, 2, 1)))
    block.cluster._state.index.put_service(service("www", ["10.96.0.99"], HTTP, ns="nope"))
    block.cluster._state.namespaces.put(namespace("nope"))

    assert block.ask("www.nope.ns.svc.cluster.local. A", "dns://:53").answer[1].endswith(bytes((10, 96, 0, 99)))


NEW = [service("www", ["10.96.0.99"], HTTP, ns="ns"), service("www", ["10.96.0.98"], HTTP, ns="example")]
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["put_service", "delete_service"]), st.sampled_from(NEW)),
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from([namespace("example"), namespace("default")])),
)


def _change(block: Block, how: str, what: Object) -> set[bytes]:
    """Do it; the keys of what may be answered differently now."""
    state = block.cluster._state
    place = state.index if "service" in how else state.namespaces
    meta = what.metadata
    return set(getattr(place, how)(*((what,) if how.startswith("put") else (meta.namespace, meta.name))))


@given(st.lists(st.one_of(NAMES.map(lambda name: f"{name} A"), CHANGES), max_size=30))
def test_what_is_repeated_is_what_a_walk_would_find(steps: list[Any]) -> None:
    block, kept = Block(learns=True), dict[str, Reply]()
    for each in steps:
        if not isinstance(each, str):
            keys = _change(block, *each)
            kept = {asked: reply for asked, reply in kept.items() if reply.keep and not keys & {*reply.keep.names}}
            continue
        found = block.reply(each, "dns://:53")
        assert kept.get(each, found).keeping(None) == found.keeping(None)
        if found.keep is not None:
            kept[each] = found


def test_a_repetition_is_counted_as_another_walk() -> None:
    walking, repeating = Block(learns=True), Block(learns=True)
    asked = "www.example.org.ns.svc.cluster.local. A", "dns://:53"
    for _ in range(4):
        walking.ask(*asked)
    kept = [repeating.reply(*asked).keep for _ in range(3)][2]  # by then denials are learnt and the answer is cached

    assert kept is not None
    for tally in kept.tallies:
        tally(1)
    assert repeating.counted() == walking.counted()
