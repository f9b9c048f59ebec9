"""What size costs: from the start to the first answer, memory, one change, and an answer among a million names."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.changes import change
from bench.cluster import Cluster
from bench.dnsperf import Questions, Rate, middle, rate, write
from bench.processes import wait_for_udp
from bench.servers import KDNS, STARTS, Place, corefile, is_here, place

SIZES = {
    "1,000 services": Cluster(1_000, 0),
    "10,000 services": Cluster(10_000, 0),
    "10,000 services, 150,000 endpoints": Cluster(),
}
FEW, MILLION = Cluster(1_000, 240), Cluster(1_000, 10_000)
FRESH = 24_000  # endpoints that are asked for
STARTED = 5  # starts out of a snapshot
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


def snapshot_seconds() -> float:
    """The median time from exec to the right answer for the last of 10,000 services, out of a snapshot.

    The API server is there, as after any restart. Modules are compiled, as they are where kdns is installed.
    """
    cluster = SIZES["10,000 services"]
    with TemporaryDirectory() as directory, place(Path(directory), cluster, with_zone=False) as at:
        installed = ["env", "-u", "PYTHONDONTWRITEBYTECODE", f"PYTHONPYCACHEPREFIX={directory}/compiled", *KDNS]
        words = f"snapshot {directory}/snapshot"
        with corefile(installed, at, "kdns-", patient=True, cluster=words) as server:
            wait_for_udp(server.port, last_name(cluster), 1)
        taken = []
        for _ in range(STARTED):
            begun = time.perf_counter()
            with corefile(installed, at, "", cluster=words) as server:
                wait_for_udp(server.port, last_name(cluster), 1)
                taken.append(time.perf_counter() - begun)
    return median(taken)


def last_name(cluster: Cluster) -> str:
    """The name that a server which lists in order knows last."""
    *_, name = cluster.endpoint_names() if cluster.sets else cluster.names()
    return name


def among_a_million(rounds: int, seconds: float) -> dict[str, dict[str, Rate]]:
    """CPU and rate of the same questions, in turns, to a server that knows FEW names and to one that knows a million.

    Hot ones, and ones never asked for before; both servers run at once, and are asked for as many names.
    """
    found: dict[str, dict[str, list[Rate]]] = {}
    with ExitStack() as until:
        asked = {}
        for title, cluster in (("few", FEW), ("a million", MILLION)):
            directory = Path(until.enter_context(TemporaryDirectory()))
            at = until.enter_context(place(directory, cluster, with_zone=False))
            asked[title] = until.enter_context(STARTS["kdns"](at)), questions(cluster, directory, rounds)
            found[title] = {"hot": [], "fresh": []}
        for number in range(rounds):
            for title, (server, (hot, fresh)) in asked.items():
                rate(server, hot, seconds / 4)  # so that neither begins from the other's processor cache
                found[title]["hot"].append(rate(server, hot, seconds))
                found[title]["fresh"].append(rate(server, fresh[number], seconds))
    return {title: {kind: middle(rates) for kind, rates in each.items()} for title, each in found.items()}


def questions(cluster: Cluster, directory: Path, rounds: int) -> tuple[Questions, list[Questions]]:
    """Services again and again; for each round endpoints of as many headless services in either cluster, each once."""
    apart = cluster.sets // FEW.sets
    each = cluster.endpoints // cluster.sets
    names = [name for number, name in enumerate(cluster.endpoint_names()) if number // each % apart == 0][:FRESH]
    hot = Questions(write(directory / "hot", (f"{name} A" for name in cluster.names())), "NOERROR")
    fresh = [
        write(directory / f"fresh-{number}", (f"{name} A" for name in names[number::rounds]))
        for number in range(rounds)
    ]
    return hot, [Questions(file, "NOERROR", again=False) for file in fresh]


def version_seconds() -> float:
    """The median time of `kdns --version`."""
    taken = []
    for _ in range(VERSIONS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "kdns", "-version"], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begun)
    return median(taken)
