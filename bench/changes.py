"""Answers while the cluster changes: what 100 changed endpoints a second cost, and how old answers are.

The API server of the measurement changes an endpoint and asks for it until the answer shows it; dnsperf asks meanwhile
as in `mixed`. Quiet rounds and rounds with changes take turns.
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import quantiles
from typing import NamedTuple

from bench.dnsperf import Questions, Rate, middle, rate
from bench.processes import Server

A_SECOND = 100


class Moving(NamedTuple):
    """The rate while nothing changes, the rate while endpoints do, and the delays of the changes in seconds."""

    quiet: Rate
    moving: Rate
    delays: list[float]

    @property
    def p50(self) -> float:
        """Seconds until half of the changes were seen."""
        return quantiles(self.delays, n=100, method="inclusive")[49]

    @property
    def p99(self) -> float:
        """Seconds until all but one in a hundred were seen."""
        return quantiles(self.delays, n=100, method="inclusive")[98]


def measure(api: Server, server: Server, asked: Questions, rounds: int, seconds: float) -> Moving:
    """One server, in turns quiet and not."""
    quiet, moving, delays = [], [], []
    rate(server, asked, seconds / 2)
    with ThreadPoolExecutor(1) as aside:
        for _ in range(rounds):
            quiet.append(rate(server, asked, seconds))
            changes = aside.submit(change, api, server, seconds)
            moving.append(rate(server, asked, seconds))
            delays += changes.result()
    return Moving(middle(quiet), middle(moving), delays)


def change(api: Server, server: Server, seconds: float) -> list[float]:
    """Have the API server change endpoints; the seconds until the DNS server showed each."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    with closing(connection):
        connection.request("POST", f"/changes?port={server.port}&seconds={seconds}&rate={A_SECOND}")
        found: list[float] = json.loads(connection.getresponse().read())
        return found
