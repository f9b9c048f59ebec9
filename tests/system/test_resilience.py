"""What does not stop the system: an ipamd that dies, packets that are no questions."""

import random
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.ports import free_port
from kdns.wire import codes
from tests.ipamd.daemon import Daemon
from tests.kdns.server import Kdns, query

COREFILE = """\
.:@PORT@ {
    bind 127.0.0.1
    errors
    kubernetes cluster.local in-addr.arpa {
        endpoint http://127.0.0.1:%d
        pods verified
    }
    cache 30
    loadbalance
}
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    made.flags = ["--listen", f"127.0.0.1:{free_port()}"]
    made.start()
    yield made
    made.stop()


def lease(daemon: Daemon, name: str) -> str:
    """Lease an address for a Pod; the name of its record."""
    owner = {"kind": "Pod", "namespace": "default", "name": name}
    reply = daemon.request("POST", "/v1/leases", {"pool": "pods", "owner": owner})
    assert reply.status == 201
    return f"{reply.body['address'].replace('.', '-')}.default.pod.cluster.local. A"


def asked_until_there(server: Kdns, name: str) -> None:
    """Ask for a name until it has an address; every answer on the way must be that it is not there yet."""
    while (reply := server.ask(name)).rcode != codes.NOERROR:
        assert reply.rcode == codes.NXDOMAIN


def test_a_dead_ipamd_leaves_kdns_answering_and_a_restarted_one_is_caught_up_with(
    daemon: Daemon, kdns: Callable[[str], Kdns]
) -> None:
    server = kdns(COREFILE % daemon.port)
    names = [lease(daemon, f"pod-{number}") for number in range(20)]
    for name in names:
        asked_until_there(server, name)

    for round_ in range(3):
        daemon.kill()
        for name in names:
            assert len(server.answers(name)) == 1
        assert server.ask("203-0-113-1.default.pod.cluster.local. A").rcode == codes.NXDOMAIN
        daemon.start()
        fresh = lease(daemon, f"fresh-{round_}")
        for name in names:
            assert len(server.answers(name)) == 1
        asked_until_there(server, fresh)
        names.append(fresh)


def test_names_that_went_while_ipamd_was_away_are_gone_when_it_is_back(
    daemon: Daemon, kdns: Callable[[str], Kdns]
) -> None:
    server = kdns(COREFILE % daemon.port)
    name = lease(daemon, "brief")
    asked_until_there(server, name)
    server.signal(signal.SIGSTOP)
    (held,) = daemon.request("GET", "/v1/leases?name=brief").body["leases"]
    assert daemon.request("DELETE", f"/v1/leases/{held['id']}").status in (200, 204)
    daemon.restart()
    server.signal(signal.SIGCONT)

    while server.ask(name).rcode == codes.NOERROR:
        continue
    assert server.ask(name).rcode == codes.NXDOMAIN


def mutated(packet: bytes, chance: random.Random) -> bytes:
    """The packet with a few octets changed, cut, or doubled."""
    octets = bytearray(packet)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(octets))
        octets[at] = chance.choice((0, 0xFF, 0xC0, 0x3F, chance.randrange(256)))
    if chance.random() < 0.2:
        del octets[chance.randrange(len(octets)) :]
    if chance.random() < 0.1:
        octets += octets[: chance.randrange(len(octets) + 1)] * chance.randint(1, 8)
    return bytes(octets[:4000])


def resident(pid: int) -> int:
    """Kibibytes of a process's memory that are in use."""
    fields = Path(f"/proc/{pid}/status").read_text().split()
    return int(fields[fields.index("VmRSS:") + 1])


def test_fifty_thousand_malformed_packets_change_nothing(daemon: Daemon, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(COREFILE % daemon.port)
    chance = random.Random(1)
    real = [
        query("kubernetes.default.svc.cluster.local. A"),
        query("_https._tcp.kubernetes.default.svc.cluster.local. SRV"),
        query("1.0.96.10.in-addr.arpa. PTR")[:-4] + b"\0\x0c\0\1\0\0\x29\x04\xd0\0\0\x80\0\0\x0c\0\x0a\0\x08abcdefgh",
    ]
    sizes = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", server.port))
        for round_ in range(100):
            for _ in range(500):
                sock.send(mutated(chance.choice(real), chance))
            assert server.answers("kubernetes.default.svc.cluster.local. A", tcp=round_ % 2 == 0)
            drain(sock)
            sizes.append(resident(server.process.pid))

    assert sizes[-1] - sizes[50] < 8_192  # the memo fills up to its bound; nothing grows for ever
    said = server.output.read_text()
    assert "panic" not in said


def drain(sock: socket.socket) -> None:
    """Read what replies there are."""
    try:
        while sock.recv(65535):
            continue
    except BlockingIOError:
        return
