"""How many leases a second ipamd grants to 64 clients, beside an aiohttp handler that only decodes and echoes it.

Every lease is on disk before it is answered. The servers take turns, and the medians count.
"""

from collections.abc import Mapping

from bench.dnsperf import Rate, middle
from bench.http_load import posts_a_second
from bench.processes import Server
from bench.workloads import ROUNDS

LEASES = 6000  # a round; ROUNDS of them for each kind fit into a /16


def rates(ipamd: Server, echo: Server) -> dict[str, Rate]:
    """The median rate of each: the echo, plain leases, and leases that make a Pod each."""
    turns: Mapping[str, tuple[Server, str]] = {
        "echo": (echo, "Container"),
        "lease": (ipamd, "Container"),
        "lease of a Pod": (ipamd, "Pod"),
    }
    measured: dict[str, list[Rate]] = {name: [] for name in turns}
    for number in range(ROUNDS):
        for name, (server, kind) in turns.items():
            measured[name].append(_round(server, kind, number))
    return {name: middle(each) for name, each in measured.items()}


def _round(server: Server, kind: str, number: int) -> Rate:
    names = [f"{kind.lower()}-{number}-{n}" for n in range(LEASES)]
    wanted = [{"pool": "pods", "owner": {"kind": kind, "namespace": "load", "name": name}} for name in names]
    before = server.cpu()
    rate = posts_a_second(server.port, "/v1/leases", wanted)
    return Rate(rate, (server.cpu() - before) / LEASES * 1e6)
