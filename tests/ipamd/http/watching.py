"""A client of a watch, for tests."""

import http.client
import json
from typing import Any

from tests.ipamd.daemon import Daemon


class Watcher:
    """A watch that is open on a daemon. Reading waits for what comes, and fails after ten seconds without anything."""

    def __init__(self, daemon: Daemon, path: str, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
        self._connection.request("GET", path, None, headers or {})
        self.response = self._connection.getresponse()

    def next(self) -> Any:
        """The next event; None when the watch has ended."""
        line = self.response.readline()
        return json.loads(line) if line else None

    def take(self, count: int) -> list[tuple[str, str]]:
        """The types of the next events, and the names of their objects."""
        events = [self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]

    def rest(self) -> list[Any]:
        """All events until the watch ends."""
        return [json.loads(line) for line in self.response.read().splitlines()]

    def close(self) -> None:
        """Goes away without a word."""
        self._connection.close()
