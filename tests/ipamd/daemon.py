"""An ipamd in a process of its own, for tests that speak to it as its clients do."""

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """A response, its body decoded if it is JSON or text."""

    status: int
    headers: dict[str, str]
    body: Any


class Daemon:
    """An ipamd in a process of its own, on a free port, with its store in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.store = directory / "ipamd.sqlite"
        self.errors = directory / "errors.log"
        self.flags: list[str] = []
        self.prefix: list[str] = []  # a command that runs the daemon in its own surroundings
        self.port = 0

    def start(self) -> None:
        """Start it, and return when it listens."""
        flags = ["--listen", "127.0.0.1:0", "--store", f"sqlite:{self.store}", *self.flags]
        command = [*self.prefix, sys.executable, "-m", "ipamd", *flags]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
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
        media = response.headers.get("Content-Type") or "text/plain"
        shown: Any = content
        if "json" in media:
            shown = json.loads(content)
        elif media.startswith("text/"):
            shown = content.decode()
        return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, shown)

    def raw(self, method: str, path: str) -> bytes:
        """The octets of a reply's body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path)
        body = connection.getresponse().read()
        connection.close()
        return body

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
