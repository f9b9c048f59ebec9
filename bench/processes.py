"""The servers that are measured, each in processes of its own on the loopback, and the processor time that they use."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bench.ports import free_port

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

SOA = 6

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]  # the same one on a machine that has but one


class Server(NamedTuple):
    """A server that runs: its main process, its port on 127.0.0.1, and the one for DNS over TLS if it has that."""

    pid: int
    port: int
    tls_port: int = 0

    def cpu(self) -> float:
        """Seconds of processor time, in user and kernel mode, that it and its children have used so far."""
        return sum(map(cpu, family(self.pid)))

    def memory(self) -> float:
        """Resident memory of it and its children in MB, what they share counted once (proc(5), smaps_rollup)."""
        return sum(map(_memory, family(self.pid)))

    def signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        for pid in family(self.pid):
            os.kill(pid, number)


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
    command: Sequence[str],
    word: str,
    environment: dict[str, str] | None = None,
    core: int = SERVER_CORE,
    patient: bool = True,
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process of a command on a core, from when it prints a line with `word` (none: from the start).

    Gives that line too. It is ended at the end: asked to if `patient`, else killed.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(on_core(core, command), stdout=subprocess.PIPE, stderr=errors, env=environment)
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
            if patient:
                process.terminate()
            else:
                process.kill()
            process.wait(30)
            process.stdout.close()


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """The command, to run on one core: what is measured is then not who was moved where."""
    return ["taskset", "--cpu-list", str(core), *command]


def keep_on_core(pid: int, core: int) -> None:
    """Bring all threads of a process to a core: some choose another one when they start (knotd's UDP workers do), and
    beside the client they would be measured under other conditions than everybody else."""
    for path in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that just ended
            os.sched_setaffinity(int(path.name), {core})


def wait_for_udp(port: int, name: str = "cluster.local", qtype: int = SOA) -> None:
    """Wait until a server answers for a name (its SOA, or another type). RuntimeError if not within a minute."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = b"\0\1\0\0\0\1\0\0\0\0\0\0" + labels + b"\0" + qtype.to_bytes(2, "big") + b"\0\1"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            sock.connect(("127.0.0.1", port))
            try:
                sock.send(query)
                reply = sock.recv(4096)
                if reply[3] & 0xF == 0 and (reply[7] or qtype == SOA):
                    return
            except OSError:  # not there yet: refused at once, or silent
                pass
        time.sleep(0.02)
    raise RuntimeError(f"nobody answers on port {port}")


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def cpu(pid: int) -> float:
    """Seconds on a processor, user and kernel, of all threads of a process: where `stat` has but ticks."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[0])
        except OSError:  # a thread that just ended
            continue
    return total / 1e9


def _memory(pid: int) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0
