"""How many leases a second ipamd grants to 64 clients, beside an aiohttp handler that only decodes and echoes it.

Every lease is on disk before it is answered. The servers take turns, and the medians count.
"""

import json
import time
from collections.abc import Mapping
from urllib.request import Request, urlopen

from bench.dnsperf import Rate, middle
from bench.http_load import posts_a_second
from bench.processes import Server
from bench.workloads import ROUNDS

LEASES = 6000  # a round; ROUNDS of them for each kind fit into a /16
BATCH = 10_000  # leases
BATCHES = 15
LARGE = {"name": "large", "cidrs": ["11.0.0.0/8"]}


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


def batches(ipamd: Server, count: int = BATCHES, size: int = BATCH) -> Rate:
    """The median rate of leases that one client gets in batches, one after the other, from a pool of its own."""
    post(ipamd, "/v1/pools", json.dumps(LARGE).encode())
    measured = []
    for number in range(count):
        owners = [{"kind": "Container", "namespace": "load", "name": f"batch-{number}-{each}"} for each in range(size)]
        body = json.dumps({"leases": [{"pool": "large", "owner": owner} for owner in owners]}).encode()
        before, begun = ipamd.cpu(), time.perf_counter()
        post(ipamd, "/v1/leases:batch", body)
        rate = size / (time.perf_counter() - begun)
        measured.append(Rate(rate, (ipamd.cpu() - before) / size * 1e6))
    return middle(measured)


def post(server: Server, path: str, body: bytes) -> None:
    """POST a body to 127.0.0.1. HTTPError unless it is answered with success."""
    with urlopen(Request(f"http://127.0.0.1:{server.port}{path}", body)) as reply:
        reply.read()
