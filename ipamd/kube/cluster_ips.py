"""The ClusterIPs that Services have, in order, and what has been counted of giving them.

Strategy: the IPAddress objects of Services are the truth; this is what is kept of them in memory, so that how many lie
in a CIDR is known without reading them. It follows the store: a change that is taken back is taken back here.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable

from ipamd.json import stored_object
from ipamd.kube.document import strings
from ipamd.kube.kinds import IP_ADDRESS
from ipamd.ranges import read_address, read_cidr
from ipamd.stores import Change, Tx, View

MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"

DYNAMIC, STATIC = "dynamic", "static"  # how an address was got: as the next one, or by asking for it
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds; the default ones of Prometheus


class ClusterIPs:
    """All of them. `clock` gives seconds, for how long it takes to find one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.allocations: Counter[tuple[str, str]] = Counter()  # by CIDR and scope
        self.errors: Counter[tuple[str, str]] = Counter()
        self.durations: dict[str, list[int]] = {}  # by CIDR: how many fell in each bucket
        self.seconds: dict[str, float] = {}
        self._sorted: dict[int, list[int]] = {4: [], 6: []}  # by family

    def load(self, view: View) -> None:
        """Learn what is stored."""
        for stored in view.list(IP_ADDRESS.name):
            if is_of_service(stored.body):
                family, value = read_address(stored.name)
                self._sorted[family].append(value)
        for found in self._sorted.values():
            found.sort()

    def follow(self, tx: Tx, change: Change) -> None:
        """Keep up with IPAddress objects that come and go."""
        was, is_ = is_of_service(change.previous), change.op != "DELETED" and is_of_service(change.body)
        if was == is_:
            return
        family, value = read_address(change.name)
        if is_:
            self._add(family, value)
            tx.on_rollback(lambda: self._remove(family, value))
        else:
            self._remove(family, value)
            tx.on_rollback(lambda: self._add(family, value))

    def within(self, cidr: str) -> list[int]:
        """The ClusterIPs in a CIDR, as numbers."""
        family, base, last = bounds(cidr)
        found = self._sorted[family]
        return found[bisect_left(found, base) : bisect_right(found, last)]

    def count(self, cidr: str) -> int:
        """How many ClusterIPs there are in a CIDR."""
        family, base, last = bounds(cidr)
        found = self._sorted[family]
        return bisect_right(found, last) - bisect_left(found, base)

    def allocated(self, tx: Tx, cidr: str, scope: str, begun: float) -> None:
        """Count an address that a Service got; `begun` is what the clock said before."""
        self.allocations[cidr, scope] += 1
        tx.on_rollback(lambda: self.allocations.subtract({(cidr, scope): 1}))
        seconds = self.clock() - begun
        self.durations.setdefault(cidr, [0] * (len(BUCKETS) + 1))[bisect_left(BUCKETS, seconds)] += 1
        self.seconds[cidr] = self.seconds.get(cidr, 0.0) + seconds

    def failed(self, cidr: str, scope: str) -> None:
        """Count an address that could not be had."""
        self.errors[cidr, scope] += 1

    def _add(self, family: int, value: int) -> None:
        insort(self._sorted[family], value)

    def _remove(self, family: int, value: int) -> None:
        found = self._sorted[family]
        del found[bisect_left(found, value)]


def is_of_service(body: bytes | None) -> bool:
    """Whether it is an IPAddress object that stands for the ClusterIP of a Service."""
    if body is None or MANAGER.encode() not in body:  # only a document that has the word is worth decoding
        return False
    return strings(stored_object(body), "metadata", "labels").get(MANAGED_BY) == MANAGER


def bounds(cidr: str) -> tuple[int, int, int]:
    """Family, first and last address of a CIDR."""
    read = read_cidr(cidr)
    return read.family, read.base, read.last
