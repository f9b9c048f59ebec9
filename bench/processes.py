"""The servers that are measured, each in processes of its own on the loopback, and the processor time that they use."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
COREFILE = """\
cluster.local:{port} {{
    bind 127.0.0.1
    errors
    prometheus 127.0.0.1:{admin}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint {ipamd}
        pods verified
        ttl 30
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loadbalance
}}
"""
NSD = """\
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    database: ""
    pidfile: "{directory}/nsd.pid"
    xfrdfile: "{directory}/xfrd.state"
    zonelistfile: "{directory}/zone.list"
    zonesdir: "{directory}"
    server-count: 1
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: cluster.local
    zonefile: cluster.local.zone
"""
KNOT = """\
server:
    rundir: "{directory}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{directory}/knot"
zone:
  - domain: cluster.local
    storage: "{directory}"
    file: cluster.local.zone
"""

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]  # the same one on a machine that has but one


class Server(NamedTuple):
    """A server that runs: its main process and its port on 127.0.0.1."""

    pid: int
    port: int

    def cpu(self) -> float:
        """Seconds of processor time, in user and kernel mode, that it and its children have used so far."""
        return sum(map(_cpu, _family(self.pid)))


@contextmanager
def ipamd(directory: Path) -> Iterator[Server]:
    """An ipamd with a store of its own in `directory`."""
    store = f"sqlite:{directory / 'ipamd.sqlite'}"
    command = [sys.executable, "-m", "ipamd", "--listen", "127.0.0.1:0", "--store", store]
    with running(command, "listening on") as (process, line):
        yield Server(process.pid, int(line.rsplit(":", 1)[1]))


@contextmanager
def kdns(directory: Path, ipamd_port: int) -> Iterator[Server]:
    """A kdns that answers for that ipamd's cluster, with the plugins that kubeadm configures."""
    port = free_port()
    corefile = directory / "Corefile"
    corefile.write_text(COREFILE.format(port=port, admin=free_port(), ipamd=f"http://127.0.0.1:{ipamd_port}"))
    with running([sys.executable, "-m", "kdns", "-conf", str(corefile)], "kdns-") as (process, _):
        yield Server(process.pid, port)


@contextmanager
def nsd(directory: Path, zone: str) -> Iterator[Server]:
    """An NSD with one server process and this text as the zone cluster.local."""
    with _authoritative(["nsd", "-d", "-c"], NSD, directory, zone) as server:
        yield server


@contextmanager
def knot(directory: Path, zone: str) -> Iterator[Server]:
    """A Knot DNS with one UDP worker and this text as the zone cluster.local."""
    with _authoritative(["knotd", "-c"], KNOT, directory, zone) as server:
        yield server


@contextmanager
def limit(directory: Path, compiler: str) -> Iterator[Server]:
    """The least that a UDP server can do: limit.c, compiled."""
    port = free_port()
    binary = directory / "limit"
    source = Path(__file__).with_name("limit.c")
    subprocess.run([compiler, "-O2", "-o", str(binary), str(source)], check=True)
    with running([str(binary), str(port)], "ready") as (process, _):
        yield Server(process.pid, port)


@contextmanager
def echo() -> Iterator[Server]:
    """An aiohttp server that sends back what it gets."""
    with running([sys.executable, "-m", "bench.echo"], "ready") as (process, line):
        yield Server(process.pid, int(line.split()[1]))


@contextmanager
def running(
    command: Sequence[str], word: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process of a command on the servers' core, from when it prints a line with `word` (none: from the start).

    Gives that line too. It is ended at the end.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            on_core(SERVER_CORE, command), stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        assert process.stdout is not None
        try:
            line = ""
            while word and word not in line:
                line = process.stdout.readline().decode()
                if not line:
                    errors.seek(0)
                    raise RuntimeError(f"{command[0]} ended: {errors.read().decode(errors='replace')}")
            yield process, line
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """The command, to run on one core: what is measured is then not who was moved where."""
    return ["taskset", "--cpu-list", str(core), *command]


def free_port() -> int:
    """A port that is free now, for UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


@contextmanager
def _authoritative(command: Sequence[str], config: str, directory: Path, zone: str) -> Iterator[Server]:
    port = free_port()
    (directory / "cluster.local.zone").write_text(zone)
    file = directory / f"{command[0]}.conf"
    file.write_text(config.format(port=port, directory=directory))
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    with running([*command, str(file)], "", {**os.environ, "PATH": path}) as (process, _):
        _wait_for_udp(port)
        yield Server(process.pid, port)


def _wait_for_udp(port: int) -> None:
    query = b"\0\1\0\0\0\1\0\0\0\0\0\0\7cluster\5local\0\0\6\0\1"
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", port))
        for _ in range(200):
            try:
                sock.send(query)
                sock.recv(4096)
            except OSError:  # not there yet: refused at once, or silent
                time.sleep(0.05)
            else:
                return
    raise RuntimeError(f"nobody answers on port {port}")


def _family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _cpu(pid: int) -> float:
    """Seconds of utime and stime of a process, all its threads together (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
