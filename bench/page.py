"""What was measured as Markdown: the tables of docs/performance.md, each behind a comment with its name. Pure.

A run writes the blocks that it measured and leaves the rest of the page alone, so that the words around the tables are
written by people and no number is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from bench.changes import Moving
from bench.dnsperf import Measured, Rate
from bench.scale import Scale
from bench.workers import Divided
from bench.workloads import WORKLOADS, Workload


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


def rates(title: str, unit: str, measured: Mapping[str, Rate], peer: str) -> str:
    """A table of rates, each with its ratio to the peer's."""
    head = (title, unit, f"of {peer}", "CPU µs each", f"of {peer}")
    beside = measured[peer]
    rows = [
        (name, f"{rate.qps:,.0f}", f"{rate.qps / beside.qps:.2f}", f"{rate.cpu:.1f}", f"{rate.cpu / beside.cpu:.2f}")
        for name, rate in measured.items()
    ]
    return table(head, rows)


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


def targets(measured: Mapping[str, Mapping[str, Measured]]) -> str:
    """What was wanted of each workload that was measured, beside what came out."""
    rows = []
    for name, server, what, peer, bound in TARGETS:
        found = measured.get(name, {})
        if server in found and peer in found:
            ratio = _ratio(what, found[server], found[peer])
            met = ratio <= bound if what == "cpu" else ratio >= bound
            wanted = f"{'CPU at most' if what == 'cpu' else 'rate at least'} {bound:g} x {peer}"
            rows.append((f"{name}: {WORKLOADS[name].title}", server, wanted, f"{ratio:.2f}", "yes" if met else "no"))
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
    ("forward", "kdns", "rate", "unbound", 0.8),
    ("miss", "kdns", "rate", "CoreDNS", 1.0),
    ("tcp", "kdns", "rate", "NSD", 0.7),
    ("tls", "kdns, DoT", "rate", "NSD", 0.7),
)
"""Workload, server, CPU (at most) or rate (at least), of which peer, times what."""
