"""The daemon as a process: flags, signals, kill -9, a full disk."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ipamd.app import run_until
from tests.ipamd.daemon import Daemon

CLIENTS = 64
ROUNDS = 20


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    """Run ipamd to its end."""
    return subprocess.run([sys.executable, "-m", "ipamd", *flags], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--nope"], "unrecognized arguments: --nope"),
        (["--listen", "nowhere"], "ipamd: listen is HOST:PORT, not 'nowhere'"),
        (["--store", "etcd:x"], "ipamd: store is sqlite:PATH, not 'etcd:x'"),
        (["--config", "/nope.toml"], "ipamd: cannot read /nope.toml: No such file or directory"),
    ],
)
def test_wrong_flags_are_told_with_status_2(flags: list[str], complaint: str) -> None:
    ended = run(*flags)

    assert ended.returncode == 2
    assert complaint in ended.stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout == "ipamd 0.1.0\n"


def test_a_store_in_use_and_a_port_in_use_are_told_with_status_1(daemon: Daemon, tmp_path: Path) -> None:
    store = run("--listen", "127.0.0.1:0", "--store", f"sqlite:{daemon.store}")
    port = run("--listen", f"127.0.0.1:{daemon.port}", "--store", f"sqlite:{tmp_path}/other/other.sqlite")

    assert (store.returncode, port.returncode) == (1, 1)
    assert store.stderr == f"ipamd: the store {daemon.store} is in use by another ipamd\n"
    assert port.stderr.startswith(f"ipamd: cannot listen on 127.0.0.1:{daemon.port}: ")
    assert port.stderr.endswith("address already in use\n")


@pytest.mark.parametrize(
    ("flags", "config", "complaint"),
    [
        (["--listen", "127.0.0.1:{port}"], "", "cannot listen on"),
        (["--cni-socket", "/dev/null/cni.sock"], "", "cannot listen on"),
        ([], '[pools.a]\ncidrs = ["10.0.0.0/8"]\n[pools.b]\ncidrs = ["10.1.0.0/16"]\n', "overlaps"),
    ],
)
def test_a_start_that_is_refused_leaves_no_store(
    daemon: Daemon, tmp_path: Path, flags: list[str], config: str, complaint: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "ipamd.toml").write_text(config)
    where = ["--listen", "127.0.0.1:0", "--config", f"{tmp_path}/ipamd.toml", "--store", f"sqlite:{other}/other.sqlite"]

    ended = run(*where, *(flag.format(port=daemon.port) for flag in flags))

    assert (ended.returncode, [*other.iterdir()]) == (1, [])
    assert complaint in ended.stderr


def test_a_start_that_is_refused_leaves_a_store_that_was_there(daemon: Daemon, tmp_path: Path) -> None:
    daemon.lease("kept")
    daemon.stop()
    before = {path.name for path in tmp_path.iterdir()}
    where = ["--store", f"sqlite:{daemon.store}", "--listen", "127.0.0.1:0"]
    assert run(*where, "--cni-socket", "/dev/null/cni.sock").returncode == 1

    assert {path.name for path in tmp_path.iterdir()} == before
    daemon.start()
    assert daemon.lease("kept").status == 200


def test_a_file_that_is_no_store_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("no database, but long enough to be the header of one " * 9)
    ended = run("--listen", "127.0.0.1:0", "--store", f"sqlite:{other}")

    assert (ended.returncode, ended.stderr) == (1, f"ipamd: cannot open the store {other}: file is not a database\n")
    assert other.read_text().startswith("no database")


def test_a_configuration_that_contradicts_the_leases_is_told(daemon: Daemon, tmp_path: Path) -> None:
    daemon.lease("c")
    daemon.stop()
    config = tmp_path / "ipamd.toml"
    config.write_text('[pools.pods]\ncidrs = ["10.99.0.0/16"]\n')
    refused = run("--config", str(config), "--listen", "127.0.0.1:0", "--store", f"sqlite:{daemon.store}")

    assert refused.returncode == 1
    assert "pool pods cannot be so: 10.244.0.2 is leased to Container c" in refused.stderr


def test_an_end_of_a_configured_pool_that_a_wider_service_cidr_gave_is_there_after_a_restart(daemon: Daemon) -> None:
    config = daemon.store.with_name("ipamd.toml")
    config.write_text('[pools.few]\ncidrs = ["10.5.0.0/29"]\npurpose = "services"\n')
    daemon.stop()
    daemon.flags = ["--config", str(config)]
    daemon.start()
    cidrs = "/apis/networking.k8s.io/v1/servicecidrs"
    wide = {"metadata": {"name": "wide"}, "spec": {"cidrs": ["10.5.0.0/28"]}}
    assert daemon.request("POST", cidrs, wide).status == 201
    web = {"metadata": {"name": "web"}, "spec": {"clusterIP": "10.5.0.7", "ports": [{"port": 80}]}}
    assert daemon.request("POST", "/api/v1/namespaces/default/services", web).status == 201

    daemon.restart()
    found = daemon.request("GET", "/v1/pools/few").body
    assert (found["capacity"], found["tags"]) == (7, ["wider-service-cidr"])

    assert daemon.request("DELETE", "/api/v1/namespaces/default/services/web").status == 200
    assert daemon.request("DELETE", f"{cidrs}/wide").status == 200
    found = daemon.request("GET", "/v1/pools/few").body
    assert (found["capacity"], found.get("tags", [])) == (6, [])
    assert daemon.stop() == 0


def test_a_clean_stop_leaves_the_store_in_one_file(daemon: Daemon) -> None:
    daemon.lease("c")
    assert daemon.store.with_name("ipamd.sqlite-wal").exists()
    assert daemon.stop() == 0
    assert sorted(path.name for path in daemon.store.parent.glob("ipamd.sqlite-*")) == []


def test_a_pool_that_rest_made_and_the_leases_are_there_after_a_restart(daemon: Daemon) -> None:
    daemon.request("POST", "/v1/pools", {"name": "lab", "cidrs": ["192.0.2.0/24"]})
    lease = daemon.lease("c", "lab").body
    assert daemon.stop() == 0
    daemon.start()

    assert daemon.lease("c", "lab").body == lease
    assert daemon.lease("d", "lab").body["address"] == "192.0.2.3"
    assert daemon.errors.read_text() == ""


async def test_a_loop_that_fails_ends_the_daemon() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    ended = asyncio.Event()

    async def go_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ZeroDivisionError):
        await run_until(asyncio.Event(), [go_on(), fail()])
    assert ended.is_set()


async def test_loops_end_without_complaint_when_it_is_time_to_stop() -> None:
    stopping = asyncio.Event()
    stopping.set()

    await run_until(stopping, [asyncio.Event().wait()])


class Clients:
    """Clients that lease and release until the daemon dies, and remember what was acknowledged."""

    def __init__(self, daemon: Daemon, number: int) -> None:
        self.daemon = daemon
        self.round = number
        self.held: dict[str, str] = {}  # acknowledged and not asked to be released: owner -> address
        self.released: set[str] = set()  # acknowledged releases
        self.acknowledged = 0

    async def run(self, deadline: int) -> None:
        """Have all clients at work until so many requests are acknowledged; then kill the daemon under them."""
        self._enough = asyncio.Event()
        self._deadline = deadline
        clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        await self._enough.wait()
        self.daemon.kill()
        await asyncio.gather(*clients)

    async def _client(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
        turn = 0
        try:
            while True:
                name = f"r{self.round}-c{number}-{turn}"
                body = {"pool": "pods", "owner": {"kind": "Pod" if number % 2 else "Container", "name": name}}
                lease = await self._ask(reader, writer, "POST /v1/leases", json.dumps(body).encode())
                self.held[name] = lease["address"]
                if turn % 3 == 2:
                    del self.held[name]  # from now on its fate is open
                    await self._ask(reader, writer, f"DELETE /v1/leases/{lease['id']}", b"")
                    self.released.add(name)
                turn += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, body: bytes) -> Any:
        writer.write(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = head.split()[1]
        assert status in ("201", "204"), head
        length = int(head.lower().partition("content-length:")[2].split()[0]) if status == "201" else 0
        reply = await reader.readexactly(length)
        self.acknowledged += 1
        if self.acknowledged >= self._deadline:
            self._enough.set()
        return json.loads(reply) if reply else None


def every_lease(daemon: Daemon) -> Iterator[Any]:
    """All leases of Pods and containers, page by page."""
    path = "/v1/leases?pool=pods&limit=1000"
    page = daemon.request("GET", path).body
    yield from page["leases"]
    while "continue" in page:
        page = daemon.request("GET", f"{path}&continue={page['continue']}").body
        yield from page["leases"]


async def test_twenty_kills_under_64_clients_lose_no_lease_and_double_none(daemon: Daemon) -> None:
    held: dict[str, str] = {}
    released: set[str] = set()
    for number in range(ROUNDS):
        clients = Clients(daemon, number)
        await clients.run(deadline=100 + 37 * number % 200)
        held |= clients.held
        released |= clients.released
        daemon.start()
        leases = [*every_lease(daemon)]
        stored = {lease["owner"]["name"]: lease["address"] for lease in leases}

        assert held.items() <= stored.items()
        assert released.isdisjoint(stored)
        assert len({lease["address"] for lease in leases}) == len(leases)
        assert daemon.request("GET", "/v1/pools/pods").body["used"] == len(leases)
        check_next_free(daemon, {lease["address"] for lease in leases})


def check_next_free(daemon: Daemon, taken: set[str]) -> None:
    """The next address is the lowest that nobody holds."""
    addresses = (f"10.244.{high}.{low}" for high in range(256) for low in range(256))
    free = (address for address in addresses if address not in {*taken, "10.244.0.0", "10.244.0.1"})
    lease = daemon.lease("next").body

    assert lease["address"] == next(free)
    assert daemon.request("DELETE", f"/v1/leases/{lease['id']}").status == 204


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose store is on a file system of its own, of two megabytes, one of which a ballast takes."""
    directory = tmp_path / "disk"
    directory.mkdir()
    made = Daemon(directory)
    made.errors = tmp_path / "errors.log"
    script = f"mount -t tmpfs -o size=2M tmpfs {directory} && head -c 1M /dev/zero > {directory}/ballast"
    made.prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh"]
    made.start()
    yield made
    made.stop()


def test_a_full_disk_refuses_and_loses_nothing_and_heals_by_itself(cramped: Daemon) -> None:
    leased: dict[str, str] = {}
    for number in range(3000):
        reply = cramped.lease(f"c{number}")
        if reply.status != 201:
            break
        leased[f"c{number}"] = reply.body["address"]

    assert (reply.status, reply.body["code"]) == (507, "store-full")
    assert cramped.lease("more").status == 507
    assert cramped.request("GET", "/readyz").status == 200
    assert {lease["owner"]["name"]: lease["address"] for lease in every_lease(cramped)} == leased
    assert cramped.request("GET", "/v1/pools/pods").body["used"] == len(leased)

    Path(f"/proc/{cramped.process.pid}/root{cramped.store.parent}/ballast").unlink()
    after = cramped.lease("after")
    assert (after.status, after.body["address"]) == (201, f"10.244.{(len(leased) + 2) >> 8}.{(len(leased) + 2) & 255}")
    assert cramped.lease("c0").body["address"] == leased["c0"]
    assert "Traceback" not in cramped.errors.read_text()


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    refused = run("--listen", "127.0.0.1:0", "--store", f"sqlite:{blocked}/store.sqlite")

    assert refused.returncode == 1
    assert "ipamd: cannot open the store" in refused.stderr
    assert os.linesep not in refused.stderr.strip()
