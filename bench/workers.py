"""What a second process costs and brings: kdns with `multisocket 2` beside kdns with one process.

On a machine of two cores the load generator has one of them, so both processes run on the other: what they could do
with a core each follows from the processor time that the busier one of them uses. What is asked is a flood that keeps
that core busy: a server that waits for its client takes fewer queries at a wake-up, so that each of them costs more,
and two that share the client's rate wait more often than one.
"""

from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.cluster import Cluster
from bench.dnsperf import Questions, command, number, said
from bench.processes import Server, cpu, family
from bench.servers import KDNS, corefile, place
from bench.workloads import WORKLOADS, slices

CLIENTS = ("-c", "200", "-q", "400")  # sources, by which the system spreads queries over sockets; enough for both
PROCESSES = {"one process": "", "two processes": "multisocket 2"}


class Divided(NamedTuple):
    """Microseconds of processor time a query, queries a second if every process has a core, memory in MB."""

    cpu: float
    capacity: float
    memory: float


def measure(rounds: int, seconds: float) -> dict[str, Divided]:
    """Names that are not there, in turns, on a cluster of full size; and the memory once others were asked for too."""
    cluster = Cluster()
    with (
        TemporaryDirectory() as directory,
        place(Path(directory), cluster, with_zone=False) as at,
        ExitStack() as until,
    ):
        servers = {
            title: until.enter_context(corefile(KDNS, at, "kdns-", more=more)) for title, more in PROCESSES.items()
        }
        hot = slices(WORKLOADS["hot"], cluster, Path(directory))[0]
        fresh = slices(WORKLOADS["fresh"], cluster, Path(directory), 1)[1]
        floods = slices(WORKLOADS["nxdomain"], cluster, Path(directory), rounds)[1:]
        taken: dict[str, list[tuple[float, float]]] = {title: [] for title in servers}
        for server in servers.values():
            _used(server, hot, seconds)
            _used(server, fresh, seconds)
        for flood in floods:
            for title, server in servers.items():
                taken[title].append(_used(server, flood, seconds))
        return {
            title: Divided(
                median(each for each, _ in taken[title]),
                median(busiest for _, busiest in taken[title]),
                server.memory(),
            )
            for title, server in servers.items()
        }


def _used(server: Server, asked: Questions, seconds: float) -> tuple[float, float]:
    """Microseconds of processor time a query, and queries for each second of the busiest process."""
    before = {pid: cpu(pid) for pid in family(server.pid)}
    completed = number(said(command(server, asked, seconds, CLIENTS)), "Queries completed")
    spent = [cpu(pid) - at for pid, at in before.items()]
    return sum(spent) / completed * 1e6, completed / max(spent)
