"""What the tests of ipamd share: a store in a temporary directory, and a daemon in a process of its own."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from ipamd.log import Log
from ipamd.model import Pool
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore

PODS = Pool("pods", ("10.244.0.0/16",), purpose="pods", block_size=24)
PODS_V6 = Pool("pods-v6", ("fd00:10:244::/56",), purpose="pods", block_size=64)
SERVICES = Pool("services", ("10.96.0.0/12",), purpose="services", strategy="random")
TINY = Pool("tiny", ("192.0.2.0/29",))


class Clock:
    """A clock that a test moves. Seconds since the epoch."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Reply(NamedTuple):
    """A response, its body decoded if there is one."""

    status: int
    headers: dict[str, str]
    body: Any


class Daemon:
    """An ipamd in a process of its own, on a free port, with its store in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.store = directory / "ipamd.sqlite"
        self.errors = directory / "errors.log"
        self.flags: list[str] = []
        self.port = 0

    def start(self) -> None:
        """Start it, and return when it listens."""
        command = [sys.executable, "-m", "ipamd", "--listen", "127.0.0.1:0", "--store", f"sqlite:{self.store}"]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen([*command, *self.flags], stdout=subprocess.PIPE, stderr=errors)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("ipamd: listening on http://127.0.0.1:"), self.errors.read_text()
        self.port = int(line.rsplit(":", 1)[1])

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it at once, as a power failure of the process would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Have it end by itself; returns the exit status."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it again on the same store."""
        self.kill()
        self.start()

    def request(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
        """Send a request: a body that is bytes goes as it is, any other as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, raw, headers or {})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        is_json = "json" in (response.headers.get("Content-Type") or "")
        shown = json.loads(content) if is_json else content.decode()
        return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, shown)

    def lease(self, name: str, pool: str = "pods", kind: str = "Container", **wish: object) -> Reply:
        """Ask for a lease."""
        return self.request("POST", "/v1/leases", {"pool": pool, "owner": {"kind": kind, "name": name}, **wish})

    def _end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on a new store, which the test may kill and start again."""
    made = Daemon(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ipamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that the tests of a module share; its log of errors has to stay empty."""
    made = Daemon(tmp_path_factory.mktemp("ipamd"))
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.errors.read_text()


@pytest.fixture
def clock() -> Clock:
    """The clock of `store`."""
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    opened = SqliteStore(tmp_path / "store.sqlite", clock)
    yield opened
    await opened.close()


@pytest.fixture
async def service(store: SqliteStore) -> Service:
    """A service on the empty store, with a few pools."""
    made = Service(store, Log(store, 1000), Random(1))
    await made.ensure_pools([PODS, PODS_V6, SERVICES, TINY])
    return made
