"""How many queries a second a server answers, and what one costs it, with dnsperf over the same names.

Two sets: the hot one is what clients ask again and again, and kdns has whole answers ready for it; the cold one is
names that are not there, so many that none is kept from one time to the next.

The servers take turns, ROUNDS times, and the medians count, so that a machine that is busy for a while does not decide.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.http_load import post_all
from bench.processes import CLIENT_CORE, Server, on_core

SERVICES = 1000
ABSENT = 200_000  # names of the cold set: several times what kdns keeps
ROUNDS = 5
SECONDS = 3


class Rate(NamedTuple):
    """Answers a second, and microseconds of processor time an answer."""

    qps: float
    cpu: float


class Questions(NamedTuple):
    """What is asked: a file for dnsperf, and the RCODE that every answer has to have."""

    file: Path
    rcode: str


def fill(ipamd: Server) -> dict[str, str]:
    """Make SERVICES services in an ipamd; their names and addresses."""
    path = "/api/v1/namespaces/default/services"
    wanted = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"svc-{n}"}, "spec": {"ports": [{"port": 80}]}}
        for n in range(SERVICES)
    ]
    made = post_all(ipamd.port, path, wanted)
    names = [(each["metadata"]["name"], each["spec"]["clusterIP"]) for each in made]
    return {f"{name}.default.svc.cluster.local": address for name, address in names}


def zone(names: Mapping[str, str]) -> str:
    """The same names as a zone file."""
    head = "$TTL 30\n@ IN SOA ns.dns hostmaster 1 7200 1800 86400 5\n@ IN NS ns.dns\nns.dns IN A 127.0.0.1\n"
    return head + "".join(f"{name}. IN A {address}\n" for name, address in names.items())


def hot(names: Mapping[str, str], directory: Path) -> Questions:
    """The names that are there."""
    return _written(directory / "hot", names, "NOERROR")


def cold(directory: Path) -> Questions:
    """Names that are not there."""
    names = [f"absent-{n}.default.svc.cluster.local" for n in range(ABSENT)]
    return _written(directory / "cold", names, "NXDOMAIN")


def rates(servers: Mapping[str, Server], asked: Questions) -> dict[str, Rate]:
    """The median rate of every server."""
    for server in servers.values():
        measure(server, asked, 1)  # everybody warm
    measured: dict[str, list[Rate]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, server in servers.items():
            measured[name].append(measure(server, asked, SECONDS))
    return {name: middle(each) for name, each in measured.items()}


def middle(measured: Sequence[Rate]) -> Rate:
    """The medians."""
    return Rate(median(rate.qps for rate in measured), median(rate.cpu for rate in measured))


def measure(server: Server, asked: Questions, seconds: float) -> Rate:
    """Ask one server for so many seconds. Raises RuntimeError if an answer is missing or has another RCODE."""
    before = server.cpu()
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", str(asked.file), "-l", str(seconds)]
    said = subprocess.run(on_core(CLIENT_CORE, command), check=True, capture_output=True, text=True).stdout
    used = server.cpu() - before
    completed = int(_number(said, "Queries completed"))
    lost = int(_number(said, "Queries lost"))
    if lost > completed // 100 or f"{asked.rcode} {completed} " not in said:
        raise RuntimeError(f"other answers than {asked.rcode}, or none:\n{said}")
    return Rate(_number(said, "Queries per second"), used / completed * 1e6)


def _written(file: Path, names: Iterable[str], rcode: str) -> Questions:
    file.write_text("".join(f"{name} A\n" for name in names))
    return Questions(file, rcode)


def _number(said: str, label: str) -> float:
    found = re.search(rf"{label}:\s+([\d.]+)", said)
    if found is None:
        raise RuntimeError(f"dnsperf says nothing of {label!r}:\n{said}")
    return float(found[1])
