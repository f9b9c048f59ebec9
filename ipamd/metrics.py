"""What the daemon counts, and how Prometheus gets to see it.

Strategy: numbers are added where things happen, at the cost of a dictionary entry; metric families are only built when
somebody scrapes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ipamd import VERSION
from ipamd.model import LEASE
from ipamd.service import Service
from ipamd.stores import Change

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)  # seconds of a COMMIT
LEASE_OPS = {"ADDED": "created", "MODIFIED": "renewed", "DELETED": "released"}

Sampled = CounterMetricFamily | GaugeMetricFamily
Family = Sampled | HistogramMetricFamily


class Metrics(Collector):
    """The counters of one daemon, and the state of its service; `more` are shown with them."""

    def __init__(self, service: Service, more: Sequence[Collector] = ()) -> None:
        self._service = service
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._leases: Counter[str] = Counter()
        self._commits = [0] * (len(BUCKETS) + 1)
        self._commit_seconds = 0.0
        self._registry = CollectorRegistry(auto_describe=False)
        for each in (self, *more):
            self._registry.register(each)
        service.store.listen(self._committed)

    def count_request(self, method: str, route: str, status: int) -> None:
        """Count an answered HTTP request; `route` is the pattern of its path, so that there are few of them."""
        self._requests[method, route, status] += 1

    def exposition(self) -> bytes:
        """All metrics in the text format 0.0.4 of Prometheus."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """The metric families at this moment."""
        yield labelled(GaugeMetricFamily("ipamd_build_info", "Which ipamd runs.", labels=["version"]), {(VERSION,): 1})
        yield from self._pool_families()
        yield GaugeMetricFamily("ipamd_revision", "The last committed revision.", self._service.store.revision)
        compacted = self._service.store.compacted
        yield GaugeMetricFamily("ipamd_compacted_revision", "The last revision that the log has forgotten.", compacted)
        changes = CounterMetricFamily("ipamd_lease_changes", "Leases created, renewed and released.", labels=["op"])
        yield labelled(changes, {(op,): self._leases[op] for op in LEASE_OPS.values()})
        names = ["method", "route", "status"]
        requests = CounterMetricFamily("ipamd_http_requests", "HTTP requests answered.", labels=names)
        yield labelled(requests, {(method, route, str(code)): n for (method, route, code), n in self._requests.items()})
        yield self._commit_family()

    def _pool_families(self) -> Iterator[Family]:
        pools = self._service.list_pools()
        columns = {
            "ipamd_pool_addresses": ("Addresses that the pool can give.", [each.capacity for each in pools]),
            "ipamd_pool_used_addresses": ("Addresses of the pool that are leased.", [each.used for each in pools]),
            "ipamd_pool_free_addresses": ("Addresses that are free.", [each.free for each in pools]),
            "ipamd_pool_cooling_addresses": ("Addresses given back a moment ago.", [each.cooling for each in pools]),
            "ipamd_pool_reserved_addresses": ("Addresses kept for those named.", [each.reserved for each in pools]),
            "ipamd_pool_leases": ("Leases that stand in the pool.", [each.leases for each in pools]),
        }
        for name, (text, values) in columns.items():
            family = GaugeMetricFamily(name, text, labels=["pool"])
            yield labelled(family, {(each.pool.name,): value for each, value in zip(pools, values, strict=True)})

    def _commit_family(self) -> HistogramMetricFamily:
        bounds = [*map(str, BUCKETS), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(self._commits)), strict=True))
        text = "Seconds until a batch of changes was durable."
        return HistogramMetricFamily("ipamd_commit_duration_seconds", text, buckets, self._commit_seconds)

    def _committed(self, changes: Sequence[Change], seconds: float) -> None:
        self._commits[bisect_left(BUCKETS, seconds)] += 1
        self._commit_seconds += seconds
        for change in changes:
            if change.kind == LEASE:
                self._leases[LEASE_OPS[change.op]] += 1


def labelled(family: Sampled, values: dict[tuple[str, ...], float]) -> Sampled:
    """The family with a sample for every set of label values."""
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
