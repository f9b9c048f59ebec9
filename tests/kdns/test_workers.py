"""Several processes that serve one Corefile: as clients, operators and the API server see them."""

import asyncio
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.kdns.apiserver import ApiServer, Json
from tests.kdns.server import Kdns

Start = Callable[..., Kdns]

TRIES = 24  # clients whose ports the kernel spreads over the sockets: that one of two gets none of them is 1 in 2**23
SERVICES, NAMESPACES = "/api/v1/services", "/api/v1/namespaces"
HOSTS = """\
.:@PORT@ {
    bind 127.0.0.1
    multisocket 2
    errors
    prometheus 127.0.0.1:%d
    cache
    hosts {
        %s a.example
    }
}
"""
CLUSTER = """\
.:@PORT@ {
    bind 127.0.0.1
    multisocket 2
    kubernetes cluster.local {
        endpoint %s
        %s
    }
}
"""


def workers(server: Kdns) -> set[int]:
    """The processes beside the first one."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def everybody(server: Kdns, name: str = "a.example.", *, tcp: bool = False) -> set[str]:
    """What clients on many ports are answered."""
    return {text.split()[-1] for _ in range(TRIES) for text in server.answers(f"{name} A", tcp=tcp)}


def counted(admin: int, family: str) -> float:
    """The sum of a family on the metrics' page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as page:
        text = page.read().decode()
    return sum(float(value) for value in re.findall(rf"^{family}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("tcp", [False, True])
def test_every_socket_is_read_and_the_queries_of_all_are_counted(kdns: Start, tcp: bool) -> None:
    admin = free_port()
    server = kdns(HOSTS % (admin, "192.0.2.1"))

    assert len(workers(server)) == 1
    assert everybody(server, tcp=tcp) == {"192.0.2.1"}
    assert counted(admin, "coredns_dns_requests_total") == TRIES
    assert counted(admin, "coredns_dns_request_size_bytes_count") == TRIES
    assert counted(admin, "coredns_build_info") == 1
    assert all(_busy(pid) for pid in workers(server))


def _busy(pid: int) -> bool:
    """Whether a process has had something to do: it was woken more often than to begin."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1]) > 2  # type: ignore[index]


def test_one_that_dies_is_replaced_and_no_query_is_lost(kdns: Start) -> None:
    admin = free_port()
    server = kdns(HOSTS % (admin, "192.0.2.1"))
    everybody(server)
    before = counted(admin, "coredns_dns_requests_total")
    (victim,) = workers(server)
    os.kill(victim, signal.SIGKILL)

    assert everybody(server) == {"192.0.2.1"}
    server.wait_for(f"worker 1 (process {victim}) ended: signal 9; replacing it")
    assert len(workers(server) - {victim}) == 1
    assert counted(admin, "coredns_dns_requests_total") == before + TRIES


def test_a_reload_is_everybodys(kdns: Start) -> None:
    admin = free_port()
    server = kdns(HOSTS % (admin, "192.0.2.1"))
    old = workers(server)
    everybody(server)
    server.write(HOSTS % (admin, "192.0.2.2"))
    server.signal(signal.SIGUSR1)
    server.wait_for("Reloading complete")

    assert everybody(server) == {"192.0.2.2"}
    assert len(workers(server)) == 1
    assert not workers(server) & old
    assert counted(admin, "coredns_dns_requests_total") == 2 * TRIES


def test_what_was_counted_before_a_reload_is_never_missing(kdns: Start) -> None:
    admin = free_port()
    server = kdns(HOSTS % (admin, "192.0.2.1"))
    (old,) = workers(server)
    everybody(server)
    assert counted(admin, "coredns_dns_requests_total") == TRIES
    os.kill(old, signal.SIGSTOP)  # so that it takes its time to end
    server.write(HOSTS % (admin, "192.0.2.2"))
    server.signal(signal.SIGUSR1)
    while not workers(server) - {old}:
        continue

    assert counted(admin, "coredns_dns_requests_total") == TRIES
    os.kill(old, signal.SIGCONT)
    server.wait_for("Reloading complete")
    assert counted(admin, "coredns_dns_requests_total") == TRIES


def test_all_end_with_the_first(kdns: Start) -> None:
    server = kdns(HOSTS % (free_port(), "192.0.2.1"))
    (worker,) = workers(server)

    assert server.stop() == 0
    assert not Path(f"/proc/{worker}").exists()
    assert "Traceback" not in server.output.read_text()


def test_all_end_when_the_first_is_killed(kdns: Start) -> None:
    server = kdns(HOSTS % (free_port(), "192.0.2.1"))
    (worker,) = workers(server)
    ended = os.pidfd_open(worker)
    server.signal(signal.SIGKILL)
    server.process.wait()

    with asyncio.Runner() as runner:
        runner.run(_readable(ended))
    os.close(ended)


async def _readable(descriptor: int) -> None:
    """Return when a descriptor can be read."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.add_reader(descriptor, done.set_result, None)
    await asyncio.wait_for(done, 20)
    loop.remove_reader(descriptor)


def test_a_zone_that_only_one_process_can_follow_is_served_by_one(kdns: Start) -> None:
    server = kdns(
        ".:@PORT@ {\n bind 127.0.0.1\n multisocket 2\n whoami\n}\n"
        "b.example:@PORT@ {\n bind 127.0.0.1\n secondary {\n  transfer from 127.0.0.9\n }\n}\n"
    )

    assert not workers(server)
    for _ in range(TRIES):
        assert server.ask("x.a.example. A").additional


def service(address: str) -> Json:
    spec = {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address]}
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": spec}


async def test_what_changes_in_the_cluster_is_known_to_all_and_read_by_one(kdns: Start) -> None:
    api = ApiServer()
    await api.start()
    name = "web.default.svc.cluster.local."
    try:
        api.put(NAMESPACES, {"metadata": {"name": "default"}})
        api.put(SERVICES, service("10.0.0.1"))
        server = await asyncio.to_thread(kdns, CLUSTER % (api.url, ""))
        assert await asyncio.to_thread(everybody, server, name) == {"10.0.0.1"}
        await api.watched(3)
        assert len(api.queries(watch=True)) == 3

        api.put(SERVICES, service("10.0.0.2"))
        while await asyncio.to_thread(everybody, server, name) != {"10.0.0.2"}:
            continue
        api.delete(SERVICES, "default", "web")
        while await asyncio.to_thread(everybody, server, name):
            continue
    finally:
        await api.stop()


ZONED = """\
example.org:@PORT@ {
    bind 127.0.0.1
    multisocket 2
    transfer {
        to 127.0.0.1:%d
    }
    %s
}
"""
ZONE = "@ 60 SOA ns host {serial} 2 3 4 5\n@ 60 NS ns\na 60 A 192.0.2.{serial}\n"


@pytest.mark.parametrize(
    "directive",
    ["file DIR/zones/db.example.org {\n reload 1s\n}", "auto {\n directory DIR/zones\n reload 1s\n}"],
    ids=["file", "auto"],
)
def test_of_a_zone_that_changes_all_know_and_one_tells(kdns: Start, tmp_path: Path, directive: str) -> None:
    (tmp_path / "zones").mkdir()
    zone = tmp_path / "zones/db.example.org"
    zone.write_text(ZONE.format(serial=1))
    with socket.socket(type=socket.SOCK_DGRAM) as secondary:
        secondary.settimeout(20)
        secondary.bind(("127.0.0.1", 0))
        server = kdns(ZONED % (secondary.getsockname()[1], directive.replace("DIR", str(tmp_path))))
        assert everybody(server, "a.example.org.") == {"192.0.2.1"}
        accept(secondary)
        zone.write_text(ZONE.format(serial=2))
        accept(secondary)
        assert everybody(server, "a.example.org.") == {"192.0.2.2"}
        assert len(workers(server)) == 1
        assert server.stop() == 0
        secondary.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody else has told of it
            secondary.recv(512)
    said = server.output.read_text()
    assert said.count("Successfully reloaded zone") == 1
    assert "Traceback" not in said


def accept(secondary: socket.socket) -> None:
    """Take a NOTIFY, and say so."""
    packet, sender = secondary.recvfrom(512)
    secondary.sendto(packet[:2] + bytes((packet[2] | 0x80,)) + packet[3:], sender)


async def test_all_answer_from_a_snapshot_until_the_api_server_is_back(kdns: Start, tmp_path: Path) -> None:
    api = ApiServer()
    await api.start()
    name = "web.default.svc.cluster.local."
    corefile = CLUSTER % (api.url, f"snapshot {tmp_path}/cluster.snapshot")
    try:
        api.put(NAMESPACES, {"metadata": {"name": "default"}})
        api.put(SERVICES, service("10.0.0.1"))
        server = await asyncio.to_thread(kdns, corefile)
        assert await asyncio.to_thread(everybody, server, name) == {"10.0.0.1"}
        await asyncio.to_thread(server.stop)
        await api.stop()

        server = await asyncio.to_thread(kdns, corefile)
        assert await asyncio.to_thread(everybody, server, name) == {"10.0.0.1"}
        assert "serving a snapshot of " in server.output.read_text()
        api.put(SERVICES, service("10.0.0.2"))
        await api.start()
        await asyncio.to_thread(server.wait_for, "the lists are complete: the snapshot of ")
        while await asyncio.to_thread(everybody, server, name) != {"10.0.0.2"}:
            continue
    finally:
        await api.stop()
