"""What size costs: from the start to the first answer, memory, one change, and an answer among a million names."""

import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.changes import change
from bench.cluster import Cluster
from bench.dnsperf import Questions, Rate, middle, rate, write
from bench.processes import Server, wait_for_udp
from bench.servers import STARTS, Place, is_here, place

SIZES = {
    "1,000 services": Cluster(1_000, 0),
    "10,000 services": Cluster(10_000, 0),
    "10,000 services, 150,000 endpoints": Cluster(),
}
FEW, MILLION = Cluster(1_000, 240), Cluster(1_000, 10_000)
FRESH = 24_000  # endpoints that are asked for
VERSIONS = 5  # runs of `kdns --version`


class Scale(NamedTuple):
    """Seconds from the start of a server to its first right answer, then its memory in MB, then p50 of a change."""

    seconds: float
    memory: float
    change: float


def formula(cluster: Cluster) -> float:
    """What CoreDNS's documentation says that it takes in a cluster, in MB: (pods + services) / 1000 + 54."""
    return (cluster.endpoints + cluster.services + cluster.sets) / 1000 + 54


def measure(at: Place, cluster: Cluster, name: str) -> Scale:
    """A server of `servers.STARTS` that is started at a place."""
    with ExitStack() as running:
        begun = time.perf_counter()
        server = running.enter_context(STARTS[name](at))
        wait_for_udp(server.port, last_name(cluster), 1)
        seconds = time.perf_counter() - begun
        time.sleep(1.0)  # what the lists left behind is given back
        return Scale(seconds, server.memory(), median(change(at.api, server, 1.0)))


def rows(names: tuple[str, ...] = ("kdns", "CoreDNS")) -> dict[str, dict[str, Scale]]:
    """For the clusters of a few, of all services, and of all endpoints: what each server that is here took."""
    found: dict[str, dict[str, Scale]] = {}
    for title, cluster in SIZES.items():
        with TemporaryDirectory() as directory, place(Path(directory), cluster, with_zone=False) as at:
            found[title] = {name: measure(at, cluster, name) for name in names if is_here(name)}
    return found


def last_name(cluster: Cluster) -> str:
    """The name that a server which lists in order knows last."""
    *_, name = cluster.endpoint_names() if cluster.sets else cluster.names()
    return name


def among_a_million(rounds: int, seconds: float) -> dict[str, dict[str, Rate]]:
    """CPU and rate of questions, among FEW names and among a million: hot ones, and ones never asked for before."""
    found: dict[str, dict[str, list[Rate]]] = {}
    with ExitStack() as until:
        for title, cluster in (("few", FEW), ("a million", MILLION)):
            directory = Path(until.enter_context(TemporaryDirectory()))
            at = until.enter_context(place(directory, cluster, with_zone=False))
            found[title] = asked(until.enter_context(STARTS["kdns"](at)), cluster, directory, rounds, seconds)
    return {title: {kind: middle(rates) for kind, rates in each.items()} for title, each in found.items()}


def asked(server: Server, cluster: Cluster, directory: Path, rounds: int, seconds: float) -> dict[str, list[Rate]]:
    """The rates of one server for services again and again, and for endpoints once each."""
    names = list(islice(cluster.endpoint_names(), 0, None, max(1, cluster.endpoints // FRESH)))
    hot = Questions(write(directory / "hot", (f"{name} A" for name in cluster.names())), "NOERROR")
    rate(server, hot, seconds)
    taken: dict[str, list[Rate]] = {"hot": [], "fresh": []}
    for number in range(rounds):
        part = names[number::rounds]
        fresh = Questions(write(directory / f"fresh-{number}", (f"{name} A" for name in part)), "NOERROR", again=False)
        taken["hot"].append(rate(server, hot, seconds))
        taken["fresh"].append(rate(server, fresh, seconds))
    return taken


def version_seconds() -> float:
    """The median time of `kdns --version`."""
    taken = []
    for _ in range(VERSIONS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "kdns", "-version"], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begun)
    return median(taken)
