"""What is asked, of whom: the workloads by name, and how a round of one is run.

The servers of a workload take turns, round after round, and the medians count, so that a machine that is busy for a
while does not decide. Where each question may be asked but once, every server and every round has questions of its own
kind: a server is asked a slice of them a round, and no slice twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.cluster import OUTSIDE, PLAIN, Cluster, plain_names
from bench.dnsperf import Measured, Questions, Rate, latency, middle, rate, write
from bench.servers import Running, is_here

ROUNDS = 5
SECONDS = 1.0  # of a round
LATENCY_SECONDS = 1.0
HOT = 1_000
EVEN = 10_000
ABSENT = 80_000  # names a slice
OUTSIDE_NAMES = 40_000  # names a slice
STORM = 2_000

C_SERVERS = ("NSD", "Knot DNS", "BIND", "unbound", "dnsmasq")
FILE_SERVERS = ("kdns, file", "kdns without C, file", "NSD, file", "Knot DNS, file", "CoreDNS, file")


class Workload(NamedTuple):
    """A title, who is measured (the first is kdns), whom the others are compared with, and what is asked.

    `asked(cluster, slice)` are the questions of a slice; with `again` there is but one slice. The answers have this
    RCODE; without one, any.
    """

    title: str
    servers: tuple[str, ...]
    peer: str
    asked: Callable[[Cluster, int], Iterator[str]]
    rcode: str = "NOERROR"
    transport: str = "udp"
    edns: bool = False
    again: bool = True


def _hot(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"{name} A" for name in islice(cluster.names(), HOT))


def _even(cluster: Cluster, part: int) -> Iterator[str]:
    yield from (f"{name} A" for name in cluster.names())
    yield from (f"{name} A" for name in islice(cluster.endpoint_names(), max(0, EVEN - cluster.services)))


def _fresh(cluster: Cluster, part: int) -> Iterator[str]:
    size = cluster.endpoints // (ROUNDS + 1)
    return (f"{name} A" for name in islice(cluster.endpoint_names(), part * size, (part + 1) * size))


def _absent(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"absent-{n}.ns-0.svc.cluster.local A" for n in range(part * ABSENT, (part + 1) * ABSENT))


def _storm(cluster: Cluster, part: int) -> Iterator[str]:
    names = (f"host-{n}.{OUTSIDE}.default.svc.cluster.local" for n in range(STORM))
    return (f"{name} {kind}" for name in names for kind in ("A", "AAAA"))


def _srv(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"{name} SRV" for name in cluster.srv_names())


def _outside(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"host-{n}.{OUTSIDE} A" for n in range(HOT))


def _outside_fresh(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"new-{n}.{OUTSIDE} A" for n in range(part * OUTSIDE_NAMES, (part + 1) * OUTSIDE_NAMES))


def _zone_hot(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"{name} A" for name in islice(plain_names(), HOT))


def _zone_fresh(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"{name} A" for name in islice(plain_names(), part, None, ROUNDS + 1))


def _zone_absent(cluster: Cluster, part: int) -> Iterator[str]:
    return (f"absent-{n}.{PLAIN} A" for n in range(part * ABSENT, (part + 1) * ABSENT))


def _mixed(cluster: Cluster, part: int) -> Iterator[str]:
    """Seven of ten are hot names, the others absent, of endpoints, and SRV of a headless service."""
    hot, even, absent, srv = _hot(cluster, 0), _fresh(cluster, 0), _absent(cluster, 0), list(_srv(cluster, 0))
    for number, (one, other, none) in enumerate(zip(hot, even, absent, strict=False)):
        yield from (one, f"svc-{number % 100}.ns-{number % 10}.svc.cluster.local A", other if number % 3 else none)
        if number % 10 == 0:
            yield srv[number // 10 % len(srv)]


WORKLOADS: Mapping[str, Workload] = {
    "hot": Workload(
        "1,000 names of the cluster, again and again",
        ("kdns", "kdns without C", *C_SERVERS, "CoreDNS", "canned answer, C"), "NSD", _hot,
    ),
    "even": Workload(
        "10,000 names of the cluster, evenly",
        ("kdns", "kdns without C", *C_SERVERS[:2], "CoreDNS", "canned answer, C"), "NSD", _even,
    ),
    "fresh": Workload(
        "every question for a name never asked for before",
        ("kdns", "kdns without C", *C_SERVERS[:2], "CoreDNS"), "NSD", _fresh, again=False,
    ),
    "nxdomain": Workload(
        "a flood of names that are not there",
        ("kdns", "kdns without C", *C_SERVERS[:2], "CoreDNS"), "NSD", _absent, "NXDOMAIN", again=False,
    ),
    "storm": Workload(
        "the search path's first name of outside names (ndots:5), with autopath",
        ("kdns, autopath", "CoreDNS, autopath"), "CoreDNS, autopath", _storm,
    ),
    "srv": Workload(
        "SRV of headless services of 100 endpoints",
        ("kdns", "NSD", "Knot DNS", "CoreDNS"), "NSD", _srv, edns=True,
    ),
    "forward": Workload(
        "outside names that are in the cache",
        ("kdns", "unbound", "BIND", "dnsmasq", "CoreDNS"), "unbound", _outside,
    ),
    "miss": Workload(
        "outside names that an upstream has to be asked for",
        ("kdns", "unbound", "BIND", "CoreDNS"), "CoreDNS", _outside_fresh, again=False,
    ),
    "tcp": Workload(
        "1,000 names of the cluster over TCP, pipelined", ("kdns", "NSD", "Knot DNS", "CoreDNS"), "NSD", _hot,
        transport="tcp",
    ),
    "zone-hot": Workload(
        "1,000 names of a zone of 100,000, again and again", FILE_SERVERS, "NSD, file", _zone_hot,
    ),
    "zone-fresh": Workload(
        "names of a zone of 100,000, each for the first time", FILE_SERVERS, "NSD, file", _zone_fresh, again=False,
    ),
    "zone-nxdomain": Workload(
        "a flood of names that are not in the zone", FILE_SERVERS, "NSD, file", _zone_absent, "NXDOMAIN", again=False,
    ),
    "tls": Workload("1,000 names of the cluster over TLS", ("kdns, DoT", "NSD"), "NSD", _hot, transport="dot"),
    "mixed": Workload("names of all kinds at once", ("kdns", "CoreDNS"), "CoreDNS", _mixed, rcode=""),
}  # fmt: skip


def slices(workload: Workload, cluster: Cluster, directory: Path, rounds: int = ROUNDS) -> list[Questions]:
    """The questions of the warm-up and of each round."""
    parts = range(1 if workload.again else rounds + 1)
    found = [
        Questions(
            write(directory / f"questions-{workload.asked.__name__}-{part}", workload.asked(cluster, part)),
            workload.rcode,
            workload.transport,
            workload.edns,
            workload.again,
        )
        for part in parts
    ]
    return found * (rounds + 1) if workload.again else found


def measure(
    workload: Workload,
    cluster: Cluster,
    running: Running,
    directory: Path,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> dict[str, Measured]:
    """The medians of every server of a workload that can be had here."""
    warm, *asked = slices(workload, cluster, directory, rounds)
    names = [name for name in workload.servers if is_here(name)]
    times = {name: latencies(running, name, warm, seconds) for name in names}  # warms up as well
    rates: dict[str, list[Rate]] = {name: [] for name in names}
    for number in range(rounds):
        for name in turn(names, number):
            rates[name].append(rate(running[name], asked[number], seconds))
    return {name: Measured(middle(rates[name]), *times[name], running[name].memory()) for name in names}


def latencies(running: Running, name: str, asked: Questions, seconds: float) -> tuple[float, float]:
    """p50 and p99 of a server at an even pace, after a short while at full speed where questions may come again."""
    if asked.again:
        rate(running[name], asked, seconds / 2)
    return latency(running[name], asked, min(seconds, LATENCY_SECONDS))


def turn(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: another server begins each time."""
    start = number % len(names)
    return [*names[start:], *names[:start]]
