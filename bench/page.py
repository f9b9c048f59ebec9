"""What was measured as Markdown: the tables of docs/performance.md, each behind a comment with its name. Pure.

A run writes the blocks that it measured and leaves the rest of the page alone, so that the words around the tables are
written by people and no number is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bench.changes import Moving
from bench.dnsperf import Measured, Rate
from bench.scale import Scale
from bench.workers import Divided
from bench.workloads import WORKLOADS, Workload
from bench.zones import NAMES, Followed, Owned


def filled(page: str, name: str, block: str) -> str:
    """The page with another block of this name. ValueError if it has none."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise ValueError(f"the page has no place for {name}")
    return place.sub(lambda found: f"{found[1]}{block}{found[2]}", page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def workload(asked: Workload, measured: Mapping[str, Measured]) -> str:
    """The table of one workload: ratios to the peer, or to the first where the peer is not here."""
    peer = asked.peer if asked.peer in measured else next(iter(measured))
    head = (asked.title, "CPU µs a query", f"of {peer}", "queries/s", f"of {peer}", "p50 µs", "p99 µs", "RSS MB")
    beside = measured[peer].rate
    rows = [
        (
            name,
            f"{each.rate.cpu:.1f}",
            f"{each.rate.cpu / beside.cpu:.2f}",
            f"{each.rate.qps:,.0f}",
            f"{each.rate.qps / beside.qps:.2f}",
            f"{each.p50:,.0f}",
            f"{each.p99:,.0f}",
            f"{each.memory:,.0f}",
        )
        for name, each in measured.items()
    ]
    return table(head, rows)


def moving(measured: Mapping[str, Moving]) -> str:
    """The table of what changes cost, and of how old answers are."""
    head = (
        "100 changes a second",
        "queries/s",
        "of the quiet rate",
        "CPU, of quiet",
        "seen p50 ms",
        "p99 ms",
        "most ms",
    )
    rows = [
        (
            name,
            f"{each.moving.qps:,.0f}",
            f"{each.moving.qps / each.quiet.qps:.2f}",
            f"{each.moving.cpu / each.quiet.cpu:.2f}",
            *(f"{seconds * 1e3:.2f}" for seconds in (each.p50, each.p99, max(each.delays))),
        )
        for name, each in measured.items()
    ]
    return table(head, rows)


def sizes(measured: Mapping[str, Mapping[str, Scale]], bounds: Mapping[str, float]) -> str:
    """The table of what clusters of several sizes cost; `bounds` are CoreDNS's formula for them, in MB."""
    head = ("cluster", "server", "start to answer s", "RSS MB", "of the formula", "a change seen, ms")
    rows = [
        (
            title,
            name,
            f"{each.seconds:.2f}",
            f"{each.memory:.0f}",
            f"{each.memory / bounds[title]:.2f}",
            f"{each.change * 1e3:.2f}",
        )
        for title, servers in measured.items()
        for name, each in servers.items()
    ]
    return table(head, rows)


def workers(measured: Mapping[str, Divided]) -> str:
    """The table of what a second process costs and brings."""
    head = ("kdns", "CPU µs a query", "queries/s with a core each", "of one", "RSS MB", "of one")
    one = next(iter(measured.values()))
    rows = [
        (
            title,
            f"{each.cpu:.1f}",
            f"{each.capacity:,.0f}",
            f"{each.capacity / one.capacity:.2f}",
            f"{each.memory:.0f}",
            f"{each.memory / one.memory:.2f}",
        )
        for title, each in measured.items()
    ]
    return table(head, rows)


def million(measured: Mapping[str, Mapping[str, Rate]]) -> str:
    """The table of answers among a few names and among a million."""
    few, many = measured.values()
    head = ("kdns, CPU µs a query", "25,000 names", "1,025,000 names", "ratio")
    titles = {"hot": "1,000 names again and again", "fresh": "every name for the first time"}
    rows = [
        (title, f"{few[kind].cpu:.1f}", f"{many[kind].cpu:.1f}", f"{many[kind].cpu / few[kind].cpu:.2f}")
        for kind, title in titles.items()
    ]
    return table(head, rows)


def owned(measured: Mapping[str, Owned]) -> str:
    """The table of what owning a large zone costs."""
    head = (
        f"a zone of {NAMES:,} names",
        "CPU s until it serves",
        "RSS MB",
        "CPU s an AXFR",
        "a query waits at most, ms",
    )
    rows = [
        (name, f"{each.load:.1f}", f"{each.memory:.0f}", f"{each.sent:.2f}", f"{each.waited:.1f}")
        for name, each in measured.items()
    ]
    return table(head, rows)


def followed(measured: Mapping[str, Followed]) -> str:
    """The table of what following its primary costs."""
    head = ("a secondary of it", "CPU s until it serves", "RSS MB", "CPU s a change", "a query waits at most, ms")
    rows = [
        (name, f"{each.fetched:.1f}", f"{each.memory:.0f}", f"{each.changed:.2f}", f"{each.waited:.1f}")
        for name, each in measured.items()
    ]
    return table(head, rows)


class Fact(NamedTuple):
    """Something that was wanted, and what came out: at most `bound`, or at least it."""

    what: str
    wanted: str
    found: float
    bound: float
    at_least: bool = False
    who: str = "kdns"

    def row(self) -> tuple[str, ...]:
        """Its row of the table of targets."""
        met = self.found >= self.bound if self.at_least else self.found <= self.bound
        return self.what, self.who, self.wanted, f"{self.found:.3g}", "yes" if met else "no"


def of_changes(measured: Mapping[str, Moving]) -> list[Fact]:
    """What was wanted while endpoints change."""
    mine = measured["kdns"]
    return [
        Fact("100 changes a second", "rate at least 0.9 x quiet", mine.moving.qps / mine.quiet.qps, 0.9, at_least=True),
        Fact("100 changes a second", "p99 of the age of an answer at most 10 ms", mine.p99 * 1e3, 10.0),
    ]


def of_sizes(
    measured: Mapping[str, Mapping[str, Scale]], bounds: Mapping[str, float], version: float, snapshot: float
) -> list[Fact]:
    """What was wanted of clusters of several sizes, of `kdns -version`, and of a start out of a snapshot."""
    found = [
        Fact("kdns -version", "at most 0.1 s", version, 0.1),
        Fact("10,000 services in a snapshot", "from exec to answer at most 0.5 s", snapshot, 0.5),
    ]
    for title, servers in measured.items():
        mine = servers["kdns"]
        found.append(Fact(title, "from start to answer at most 5 s", mine.seconds, 5.0))
        found.append(Fact(title, "RSS at most 1 x CoreDNS's formula", mine.memory / bounds[title], 1.0))
    return found


def of_a_million(measured: Mapping[str, Mapping[str, Rate]]) -> list[Fact]:
    """What was wanted among a million names."""
    few, many = measured.values()
    return [
        Fact(f"a million names, {kind}", "CPU at most 1.1 x that among few", many[kind].cpu / few[kind].cpu, 1.1)
        for kind in few
    ]


def of_workers(measured: Mapping[str, Divided]) -> list[Fact]:
    """What was wanted of a second process."""
    one, two = measured.values()
    return [
        Fact("two processes", "rate at least 1.8 x one, a core each", two.capacity / one.capacity, 1.8, at_least=True),
        Fact("two processes", "memory grows by less than half of one", two.memory / one.memory, 1.5),
    ]


def of_zones(owned: Mapping[str, Owned], followed: Mapping[str, Followed]) -> list[Fact]:
    """What was wanted of a large zone: queries are answered in time while it is given away, or changes."""
    return [
        Fact("AXFR of a million names", "a query waits at most 100 ms", owned["kdns"].waited, 100.0),
        Fact("IXFR of a million names", "a query waits at most 100 ms", followed["kdns"].waited, 100.0),
    ]


def targets(measured: Mapping[str, Mapping[str, Measured]], facts: Iterable[Fact] = ()) -> str:
    """What was wanted of each workload that was measured, beside what came out; then what was wanted besides."""
    rows: list[tuple[str, ...]] = []
    for name, server, what, peer, bound in TARGETS:
        found = measured.get(name, {})
        if server in found and peer in found:
            ratio = _ratio(what, found[server], found[peer])
            met = ratio <= bound if what == "cpu" else ratio >= bound
            wanted = f"{'CPU at most' if what == 'cpu' else 'rate at least'} {bound:g} x {peer}"
            rows.append((f"{name}: {WORKLOADS[name].title}", server, wanted, f"{ratio:.2f}", "yes" if met else "no"))
    rows += (fact.row() for fact in facts)
    return table(("workload", "server", "wanted", "measured", "met"), rows)


def _ratio(what: str, mine: Measured, other: Measured) -> float:
    return mine.rate.cpu / other.rate.cpu if what == "cpu" else mine.rate.qps / other.rate.qps


Target = tuple[str, str, str, str, float]
TARGETS: tuple[Target, ...] = (
    *((name, "kdns", "cpu", peer, 1.0) for name in ("hot", "even") for peer in ("NSD", "Knot DNS")),
    *((name, "kdns without C", "cpu", peer, 1.5) for name in ("hot", "even") for peer in ("NSD", "Knot DNS")),
    *((name, "kdns", "cpu", "canned answer, C", 1.4) for name in ("hot", "even")),
    *((name, "kdns", "cpu", "NSD", 2.5) for name in ("fresh", "nxdomain", "srv")),
    *((name, "kdns", "rate", "CoreDNS", 2.0) for name in ("fresh", "nxdomain", "srv")),
    ("zone-hot", "kdns, file", "cpu", "NSD, file", 1.0),
    ("zone-hot", "kdns, file", "cpu", "Knot DNS, file", 1.0),
    ("zone-hot", "kdns without C, file", "cpu", "NSD, file", 1.5),
    *((name, "kdns, file", "cpu", "NSD, file", 2.5) for name in ("zone-fresh", "zone-nxdomain")),
    *((name, "kdns, file", "rate", "CoreDNS, file", 2.0) for name in ("zone-fresh", "zone-nxdomain")),
    ("forward", "kdns", "rate", "unbound", 0.8),
    ("miss", "kdns", "rate", "CoreDNS", 1.0),
    ("tcp", "kdns", "rate", "NSD", 0.7),
    ("tls", "kdns, DoT", "rate", "NSD", 0.7),
)
"""Workload, server, CPU (at most) or rate (at least), of which peer, times what."""
