"""How many leases a second ipamd grants to 64 clients, beside an aiohttp handler that only decodes and echoes it.

Every lease is on disk before it is answered. The servers take turns, and the medians count.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.request import Request, urlopen

from bench.dnsperf import Rate, middle
from bench.http_load import posts
from bench.processes import Server
from bench.processes import ipamd as ipamd_in
from bench.workloads import ROUNDS

LEASES = 6000  # a round; ROUNDS of them for each kind fit into a /16
BATCH = 10_000  # leases
BATCHES = 15
LARGE = {"name": "large", "cidrs": ["11.0.0.0/8"]}
COUNTS = (1_000, 1_000_000)  # leases that stores of several sizes have
SOME = 2000  # leases, to see what one more costs in each of them


class Granted(NamedTuple):
    """What clients see of one kind of request: the rate, and the milliseconds that 99 of 100 do not wait longer for."""

    rate: Rate
    p99: float


class Sized(NamedTuple):
    """An ipamd with so many leases: seconds from its start to the first answer, MB, seconds that it takes to list them
    and MB after that, and microseconds of processor time that one more lease costs.
    """

    start: float
    memory: float
    listed: float
    memory_after: float
    cost: float


def rates(ipamd: Server, echo: Server) -> dict[str, Granted]:
    """The medians of each: the echo, plain leases, and leases that make a Pod each."""
    turns: Mapping[str, tuple[Server, str]] = {
        "echo": (echo, "Container"),
        "lease": (ipamd, "Container"),
        "lease of a Pod": (ipamd, "Pod"),
    }
    measured: dict[str, list[Granted]] = {name: [] for name in turns}
    for number in range(ROUNDS):
        for name, (server, kind) in turns.items():
            names = [f"{kind.lower()}-{number}-{each}" for each in range(LEASES)]
            measured[name].append(granted(server, "pods", kind, names))
    return {
        name: Granted(middle([each.rate for each in found]), median(each.p99 for each in found))
        for name, found in measured.items()
    }


def granted(server: Server, pool: str, kind: str, names: Sequence[str]) -> Granted:
    """Lease from a pool for owners of these names, over all connections at once."""
    wanted = [{"pool": pool, "owner": {"kind": kind, "namespace": "load", "name": name}} for name in names]
    before = server.cpu()
    load = posts(server.port, "/v1/leases", wanted)
    return Granted(Rate(load.rate, (server.cpu() - before) / len(names) * 1e6), load.p99 * 1e3)


def batches(ipamd: Server, count: int = BATCHES, size: int = BATCH) -> Rate:
    """The median rate of leases that one client gets in batches, one after the other, from a pool of its own."""
    post(ipamd, "/v1/pools", json.dumps(LARGE).encode())
    measured = []
    for number in range(count):
        before, begun = ipamd.cpu(), time.perf_counter()
        batch(ipamd, number, size)
        rate = size / (time.perf_counter() - begun)
        measured.append(Rate(rate, (ipamd.cpu() - before) / size * 1e6))
    return middle(measured)


def sizes(directory: Path, counts: Sequence[int] = COUNTS, some: int = SOME) -> dict[int, Sized]:
    """What it is to have so many leases in a /8; for what one more costs the stores take turns."""
    with ExitStack() as until:
        servers: dict[int, Server] = {}
        seen: dict[int, tuple[float, float, float, float]] = {}
        for count in counts:
            place = directory / str(count)
            filled(place, count)
            begun = time.perf_counter()
            servers[count] = until.enter_context(ipamd_in(place))
            get(servers[count], "/v1/pools/large")
            start, memory = time.perf_counter() - begun, servers[count].memory()
            seen[count] = start, memory, listing(servers[count], count), servers[count].memory()
        costs: dict[int, list[float]] = {count: [] for count in counts}
        for number in range(ROUNDS):
            for count, server in servers.items():
                names = [f"more-{number}-{each}" for each in range(some)]
                costs[count].append(granted(server, "large", "Container", names).rate.cpu)
        return {count: Sized(*seen[count], median(costs[count])) for count in counts}


def filled(place: Path, count: int) -> None:
    """Make a store with a pool of a /8 that has so many leases."""
    place.mkdir()
    with ipamd_in(place) as server:
        post(server, "/v1/pools", json.dumps(LARGE).encode())
        for number in range(-(-count // BATCH)):
            batch(server, number, min(BATCH, count))


def listing(server: Server, count: int) -> float:
    """The seconds in which all leases are exported. RuntimeError if that is not so many."""
    begun = time.perf_counter()
    with urlopen(f"http://127.0.0.1:{server.port}/v1/export") as reply:
        listed = sum(b'"large"' in line and b'"prefix_length"' in line for line in reply)
    if listed != count:
        raise RuntimeError(f"{listed} leases are listed, and there are {count}")
    return time.perf_counter() - begun


def batch(server: Server, number: int, size: int) -> None:
    """Lease so many addresses at once, for owners whom no other number has."""
    owners = [{"kind": "Container", "namespace": "load", "name": f"batch-{number}-{each}"} for each in range(size)]
    wanted = {"leases": [{"pool": "large", "owner": owner} for owner in owners]}
    post(server, "/v1/leases:batch", json.dumps(wanted).encode())


def get(server: Server, path: str) -> bytes:
    """GET from 127.0.0.1. HTTPError unless it is answered with success."""
    with urlopen(f"http://127.0.0.1:{server.port}{path}") as reply:
        return bytes(reply.read())


def post(server: Server, path: str, body: bytes) -> None:
    """POST a body to 127.0.0.1. HTTPError unless it is answered with success."""
    with urlopen(Request(f"http://127.0.0.1:{server.port}{path}", body)) as reply:
        reply.read()
