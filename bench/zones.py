"""What a large zone costs: reading its file, giving it away whole (AXFR) while queries go on, and following a primary.

Knot is the primary of the secondaries: it sends them the whole zone first and, when a record is added, the difference.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from socket import SOCK_DGRAM, create_connection, socket
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import NamedTuple

from bench.cluster import PLAIN, plain_zone
from bench.ports import free_port
from bench.processes import Server, running, wait_for_udp
from bench.servers import KDNS, KNOT, NSD, SBIN, is_here, make_certificate

NAMES = 1_000_000
SMALL = 4  # records of the zone besides: SOA, NS, an address, and the SOA again
A, AXFR = b"\0\1\0\1", b"\0\xfc\0\1"
HEAD = b"\0\1\0\0\0\1\0\0\0\0\0\0"
PATIENCE = 120.0  # seconds for all of a zone, and for its change
FROM_FILE = (
    ".:{port} {{\n  bind 127.0.0.1\n  transfer {zone} {{\n    to *\n  }}\n  file {directory}/{zone}.zone {zone}\n}}\n"
)
FROM_PRIMARY = ".:{port} {{\n  bind 127.0.0.1\n  secondary {zone} {{\n    transfer from 127.0.0.1:{primary}\n  }}\n}}\n"
KNOT_KNOWS = """\
remote:
  - id: secondary
    address: 127.0.0.1@{secondary}
control:
    listen: {directory}/knot.sock
"""
KNOT_GIVES = """\
acl:
  - id: anybody
    address: 127.0.0.0/8
    action: transfer
template:
  - id: default
    acl: anybody
"""
KNOT_TELLS = """\
    notify: secondary
    zonefile-load: difference-no-serial
    journal-content: all
    zonefile-sync: -1
"""


class Owned(NamedTuple):
    """A primary: seconds of processor time until it served and for an AXFR, its MB before that, and the longest that a
    query waited meanwhile, in milliseconds.
    """

    load: float
    memory: float
    sent: float
    waited: float


class Followed(NamedTuple):
    """A secondary: seconds of processor time until it had the zone and until it had a change, its MB, and the longest
    that a query waited during the change, in milliseconds.
    """

    fetched: float
    memory: float
    changed: float
    waited: float


def primaries(names: int = NAMES) -> dict[str, Owned]:
    """What owning the zone costs each server that is here."""
    found: dict[str, Owned] = {}
    with TemporaryDirectory() as directory:
        _write_zone(Path(directory), names)
        make_certificate(Path(directory))
        for name, start in PRIMARIES.items():
            if is_here(name):
                with start(Path(directory)) as server:
                    found[name] = _owned(server, names)
    return found


def secondaries(names: int = NAMES) -> dict[str, Followed]:
    """What following a primary costs each server that is here."""
    found: dict[str, Followed] = {}
    for name, command in (("kdns", KDNS), ("CoreDNS", ["coredns"])):
        if is_here(name):
            with TemporaryDirectory() as directory, ExitStack() as until:
                found[name] = _followed(Path(directory), name, command, names, until)
    return found


def _owned(server: Server, names: int) -> Owned:
    load, memory = server.cpu(), server.memory()
    with waiting(server.port) as waits:
        fetch(server.port, names + SMALL)
    return Owned(load, memory, server.cpu() - load, max(waits) * 1e3)


def _followed(directory: Path, name: str, command: list[str], names: int, until: ExitStack) -> Followed:
    _write_zone(directory, names)
    port = free_port()
    knot = until.enter_context(
        _configured(["knotd", "-c"], KNOT + KNOT_KNOWS + KNOT_GIVES + KNOT_TELLS, directory, secondary=port)
    )
    secondary = until.enter_context(_corefile(command, f"{name}-", FROM_PRIMARY, directory, knot.port, port))
    fetched, memory = secondary.cpu(), secondary.memory()
    with waiting(secondary.port) as waits:
        for words in ("zone-begin", "zone-set", "zone-commit"):
            more = [f"new.{PLAIN}.", "30", "A", "192.0.2.1"] if words == "zone-set" else []
            command = ["knotc", "-s", str(directory / "knot.sock"), words, PLAIN, *more]
            subprocess.run(command, check=True, env=SBIN, stdout=subprocess.DEVNULL)
        wait_for_udp(secondary.port, f"new.{PLAIN}", 1)
    return Followed(fetched, memory, secondary.cpu() - fetched, max(waits) * 1e3)


@contextmanager
def waiting(port: int) -> Iterator[list[float]]:
    """A list that grows by the seconds which a query took to be answered, one after another, until the end."""
    waits: list[float] = []
    ended = Event()
    thread = Thread(target=_ask, args=(port, waits, ended))
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join()


def _ask(port: int, waits: list[float], ended: Event) -> None:
    with socket(type=SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        while not ended.is_set():
            begun = time.perf_counter()
            sock.send(HEAD + _name(f"host-1.{PLAIN}") + A)
            sock.recv(4096)
            waits.append(time.perf_counter() - begun)
            ended.wait(0.001)


def fetch(port: int, count: int) -> None:
    """Take a zone of so many records. RuntimeError if there are fewer."""
    query = HEAD + _name(PLAIN) + AXFR
    with create_connection(("127.0.0.1", port), PATIENCE) as sock, sock.makefile("rb", 1 << 20) as replies:
        sock.sendall(len(query).to_bytes(2, "big") + query)
        while count > 0:
            message = replies.read(int.from_bytes(replies.read(2), "big"))
            if len(message) < 12 or not message[6:8].strip(b"\0"):
                raise RuntimeError(f"the transfer ended {count} records too early")
            count -= int.from_bytes(message[6:8], "big")


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def _write_zone(directory: Path, names: int) -> None:
    with (directory / f"{PLAIN}.zone").open("w") as file:
        file.writelines(plain_zone(names))


@contextmanager
def _corefile(
    command: list[str], word: str, text: str, directory: Path, primary: int = 0, port: int = 0
) -> Iterator[Server]:
    port = port or free_port()
    file = directory / f"Corefile-{port}"
    file.write_text(text.format(port=port, zone=PLAIN, directory=directory, primary=primary))
    with running([*command, "-conf", str(file)], word) as (process, _):
        wait_for_udp(port, PLAIN)
        yield Server(process.pid, port)


@contextmanager
def _configured(words: list[str], text: str, directory: Path, **more: object) -> Iterator[Server]:
    port = free_port()
    own = directory / f"{words[0]}-{port}"
    own.mkdir()
    file = own / "conf"
    file.write_text(text.format(port=port, tls=free_port(), zone=PLAIN, directory=directory, own=own, **more))
    with running([*words, str(file)], "", SBIN, patient=False) as (process, _):
        wait_for_udp(port, PLAIN)
        yield Server(process.pid, port)


PRIMARIES: Mapping[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "kdns": partial(_corefile, KDNS, "kdns-", FROM_FILE),
    "CoreDNS": partial(_corefile, ["coredns"], "CoreDNS-", FROM_FILE),
    "NSD": partial(_configured, ["nsd", "-d", "-c"], NSD + "    provide-xfr: 127.0.0.0/8 NOKEY\n"),
    "Knot DNS": partial(_configured, ["knotd", "-c"], KNOT + KNOT_GIVES),
}
"""How each of them is started with the zone in a directory."""
