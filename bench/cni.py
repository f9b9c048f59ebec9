"""How long an ADD of the CNI plugin takes as a process, beside Debian's host-local: alone, and 16 at once.

Both are called as a runtime calls them, for a network that is new and for one with thousands of leases. They take
turns, and the medians count. ipamd has each lease on disk before it answers; host-local does not wait for the disk.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from bench.processes import CORES, running
from ipamd.cni.installing import NAME, install

HOST_LOCAL = Path("/usr/lib/cni/host-local")
LEASES = 4000  # in the network that is not new
FULL = "full"
ADDS = 60  # of one round
ROUNDS = 3
AT_ONCE = 16
SUBNET = "10.0.0.0/16"
FIRST = IPv4Address("10.0.0.2")


class Row(NamedTuple):
    """What was measured, and the median milliseconds of an ADD by either plugin."""

    title: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Ours by theirs."""
        return self.ours / self.theirs


Add = Callable[[str, str], None]
"""One ADD for a container, by its id, to a network, by its name, in a process of its own."""


def rows(directory: Path) -> list[Row]:
    """For both networks and both ways of calling."""
    ways = (("alone", 1), (f"{AT_ONCE} at once", AT_ONCE))
    with plugins(directory) as adders:
        empty = [row(f"{text}, a new network", adders, at_once, "new-{}-{}") for text, at_once in ways]
        return empty + [row(f"{text}, {LEASES:,} leases", adders, at_once, FULL) for text, at_once in ways]


def row(title: str, adders: Mapping[str, Add], at_once: int, network: str) -> Row:
    """The time of an ADD by each plugin."""
    taken: dict[str, list[float]] = {name: [] for name in adders}
    for number in range(ROUNDS):
        for name, add in adders.items():
            taken[name].append(seconds_each(add, network.format(at_once, number), f"c{at_once}-{number}", at_once))
    ours, theirs = (statistics.median(taken[name]) * 1e3 for name in ("ipamd", "host-local"))
    return Row(title, ours, theirs)


def seconds_each(add: Add, network: str, prefix: str, at_once: int) -> float:
    """The median wall time of an ADD, while so many are under way."""

    def timed(number: int) -> float:
        begun = time.perf_counter()
        add(f"{prefix}-{number}", network)
        return time.perf_counter() - begun

    with ThreadPoolExecutor(at_once) as callers:
        return statistics.median(callers.map(timed, range(ADDS)))


@contextmanager
def plugins(directory: Path, leases: int = LEASES) -> Iterator[dict[str, Add]]:
    """Both plugins, each with so many leases in one network."""
    path, store = directory / "cni.sock", f"sqlite:{directory / 'cni.sqlite'}"
    command = [sys.executable, "-m", "ipamd", "--listen", "127.0.0.1:0", "--store", store, "--cni-socket", str(path)]
    install(directory)
    with running(command, "listening on") as (process, _):
        os.sched_setaffinity(process.pid, CORES)  # host-local may run wherever there is room, so this may too
        fill_ipamd(path, leases)
        fill_host_local(directory, leases)
        yield {"ipamd": adder(directory / NAME, path), "host-local": adder(HOST_LOCAL, path)}


def config(network: str, directory: Path) -> bytes:
    """The configuration of a network."""
    ipam = {"type": "host-local", "subnet": SUBNET, "dataDir": str(directory)}
    return json.dumps({"cniVersion": "1.0.0", "name": network, "type": "bridge", "ipam": ipam}).encode()


def adder(executable: Path, path: Path) -> Add:
    """How one of them is called."""
    fixed = {"CNI_COMMAND": "ADD", "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0", "CNI_PATH": "/usr/lib/cni"}

    def add(container: str, network: str) -> None:
        environment = {**fixed, "CNI_CONTAINERID": container, "IPAMD_CNI_SOCKET": str(path)}
        stdin = config(network, path.parent)
        subprocess.run([executable], input=stdin, env=environment, check=True, stdout=subprocess.DEVNULL)

    return add


def fill_ipamd(path: Path, leases: int) -> None:
    """Have so many containers attached to the network of that size, asked for over the socket itself."""
    stdin = config(FULL, path.parent)
    for number in range(leases):
        variables = (
            f"CNI_COMMAND=ADD\0CNI_CONTAINERID=f{number}\0CNI_NETNS=/n\0CNI_IFNAME=eth0\0CNI_PATH=/\0\0".encode()
        )
        request = variables + stdin
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(len(request).to_bytes(4, "big") + request)
            if connection.recv(1) != b"\0":
                raise RuntimeError(connection.recv(1 << 16).decode())


def fill_host_local(directory: Path, leases: int) -> None:
    """The files that host-local would have made for so many containers."""
    place = directory / FULL
    place.mkdir()
    for number in range(leases):
        (place / str(FIRST + number)).write_text(f"f{number}\r\neth0")
    (place / "last_reserved_ip.0").write_text(str(FIRST + leases - 1))
    os.sync()
