"""Counters, gauges and histograms under CoreDNS's names, cheap where they are counted.

A family is a dict from label values to a number (or to bucket counts), so that counting costs a dict update. It becomes
Prometheus text only when somebody asks, through a prometheus_client collector. There is one `Metrics` a process: it
outlives reloads, as CoreDNS's registry does. Who counts what stands in `FAMILIES`, the one list of all names.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Labels = tuple[str, ...]
Snapshot = dict[str, list[tuple[Labels, list[float]]]]  # what a process has counted, by family

Rows = dict[Labels, list[float]]

ADDED_GAUGES = ("coredns_cache_entries", "coredns_dnssec_cache_entries")  # each process has entries of its own

TIME_BUCKETS = tuple(0.00025 * 2**n for n in range(16))  # seconds
SLIM_TIME_BUCKETS = tuple(0.00025 * 10**n for n in range(5))  # seconds
PROGRAMMING_BUCKETS = tuple(0.001 * 2**n for n in range(20))  # seconds
CLIENT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
SIZE_BUCKETS = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3)  # octets


class Described(NamedTuple):
    """One row of FAMILIES: kind is counter, gauge or histogram (with its buckets' upper bounds)."""

    kind: str
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()


_SZV = ("server", "zone", "view")
_SZV_CACHE = ("server", "zones", "view")
_TEMPLATE = (*_SZV, "class", "type")

FAMILIES: dict[str, Described] = {
    "coredns_build_info": Described(
        "gauge", "Version, revision and Python version of this build.", ("version", "revision", "goversion")
    ),
    "coredns_panics_total": Described("counter", "Queries whose handling failed unexpectedly."),
    "coredns_plugin_enabled": Described("gauge", "Whether a plugin is enabled, per server and zone.", (*_SZV, "name")),
    "coredns_dns_requests_total": Described("counter", "DNS requests made.", (*_SZV, "proto", "family", "type")),
    "coredns_dns_request_duration_seconds": Described("histogram", "Time that each request took.", _SZV, TIME_BUCKETS),
    "coredns_dns_request_size_bytes": Described(
        "histogram", "Size of the requests (64 kB is the upper bound for TCP).", (*_SZV, "proto"), SIZE_BUCKETS
    ),
    "coredns_dns_response_size_bytes": Described(
        "histogram", "Size of the responses (64 kB is the upper bound for TCP).", (*_SZV, "proto"), SIZE_BUCKETS
    ),
    "coredns_dns_do_requests_total": Described("counter", "DNS requests with the DO bit set.", _SZV),
    "coredns_dns_responses_total": Described(
        "counter", "Responses by status code and writing plugin.", (*_SZV, "rcode", "plugin")
    ),
    "coredns_dns_https_responses_total": Described("counter", "DoH responses by HTTP status.", ("server", "status")),
    "coredns_dns_https3_responses_total": Described("counter", "DoH3 responses by HTTP status.", ("server", "status")),
    "coredns_dns_quic_responses_total": Described("counter", "DoQ responses by DoQ's code.", ("server", "status")),
    "coredns_cache_entries": Described("gauge", "Elements in the cache.", ("server", "type", "zones", "view")),
    "coredns_cache_requests_total": Described("counter", "Requests that the cache saw.", _SZV_CACHE),
    "coredns_cache_hits_total": Described("counter", "Cache hits.", ("server", "type", "zones", "view")),
    "coredns_cache_misses_total": Described("counter", "Cache misses.", _SZV_CACHE),
    "coredns_cache_drops_total": Described("counter", "Malformed replies, which are not cached.", _SZV_CACHE),
    "coredns_cache_prefetch_total": Described(
        "counter", "Times that the cache fetched an element ahead of its expiry.", _SZV_CACHE
    ),
    "coredns_cache_served_stale_total": Described("counter", "Requests answered from stale elements.", _SZV_CACHE),
    "coredns_cache_evictions_total": Described(
        "counter", "Elements that had to leave a full cache.", ("server", "type", "zones", "view")
    ),
    "coredns_forward_healthcheck_broken_total": Described(
        "counter", "Times that all upstreams were down and one was tried all the same."
    ),
    "coredns_forward_max_concurrent_rejects_total": Described(
        "counter", "Queries refused because too many were under way."
    ),
    "coredns_grpc_request_duration_seconds": Described(
        "histogram", "Time that each call of a gRPC upstream took.", ("to",), TIME_BUCKETS
    ),
    "coredns_grpc_requests_total": Described("counter", "Calls of gRPC upstreams.", ("to",)),
    "coredns_grpc_responses_total": Described("counter", "Replies of gRPC upstreams by RCODE.", ("rcode", "to")),
    "coredns_nomad_success_requests_total": Described("counter", "Queries answered.", ("server", "namespace")),
    "coredns_nomad_failed_requests_total": Described(
        "counter", "Queries for services that are not there, or that could not be asked for.", ("server", "namespace")
    ),
    "coredns_proxy_request_duration_seconds": Described(
        "histogram", "Time that each exchange with an upstream took.", ("proxy_name", "to", "rcode"), TIME_BUCKETS
    ),
    "coredns_proxy_healthcheck_failures_total": Described(
        "counter", "Failed health checks of upstreams.", ("proxy_name", "to")
    ),
    "coredns_proxy_conn_cache_hits_total": Described(
        "counter", "Connections to upstreams that were used again.", ("proxy_name", "to", "proto")
    ),
    "coredns_proxy_conn_cache_misses_total": Described(
        "counter", "Connections to upstreams that had to be made.", ("proxy_name", "to", "proto")
    ),
    "coredns_health_request_duration_seconds": Described(
        "histogram", "Time that the server's own health request took.", (), SLIM_TIME_BUCKETS
    ),
    "coredns_health_request_failures_total": Described("counter", "Failures of the server's own health request."),
    "coredns_hosts_entries": Described("gauge", "Entries in hosts files and Corefile lines.", ("hostsfile",)),
    "coredns_hosts_reload_timestamp_seconds": Described("gauge", "Time at which a hosts file was last read."),
    "coredns_local_localhost_requests_total": Described("counter", "Requests for names below localhost."),
    "coredns_autopath_success_total": Described(
        "counter", "Requests for which a search path was walked to a name that is there.", ("server",)
    ),
    "coredns_dns64_requests_translated_total": Described(
        "counter", "Requests answered with addresses made of IPv4 ones.", ("server",)
    ),
    "coredns_dnssec_cache_entries": Described("gauge", "Signatures in the cache.", ("server", "type")),
    "coredns_dnssec_cache_hits_total": Described("counter", "Signatures that were in the cache.", ("server",)),
    "coredns_dnssec_cache_misses_total": Described("counter", "Signatures that had to be made.", ("server",)),
    "coredns_acl_blocked_requests_total": Described("counter", "Requests that acl refused.", _SZV),
    "coredns_acl_filtered_requests_total": Described("counter", "Requests that acl answered with nothing.", _SZV),
    "coredns_acl_dropped_requests_total": Described("counter", "Requests that acl did not answer.", _SZV),
    "coredns_acl_allowed_requests_total": Described("counter", "Requests that acl let pass.", ("server", "view")),
    "coredns_shed_dropped_total": Described("counter", "Queries and replies dropped under load.", ("server", "reason")),
    "coredns_template_matches_total": Described("counter", "Requests that a template matched.", _TEMPLATE),
    "coredns_template_template_failures_total": Described(
        "counter", "Templates that could not be executed.", (*_TEMPLATE, "section", "template")
    ),
    "coredns_template_rr_failures_total": Described(
        "counter", "Templates whose text was no record.", (*_TEMPLATE, "section", "template")
    ),
    "coredns_reload_failed_total": Described("counter", "Failed attempts to reload the configuration."),
    "coredns_reload_version_info": Described("gauge", "Hash of the running configuration.", ("hash", "value")),
    "coredns_kubernetes_dns_programming_duration_seconds": Described(
        "histogram", "Time from the change of an endpoint to its answer.", ("service_kind",), PROGRAMMING_BUCKETS
    ),
    "coredns_kubernetes_snapshot_timestamp_seconds": Described(
        "gauge",
        "Time at which the snapshot was written that is answered from, until the lists are complete.",
        ("file",),
    ),
    "coredns_kubernetes_rest_client_request_duration_seconds": Described(
        "histogram", "Time of requests to the API server.", ("verb", "host"), CLIENT_BUCKETS
    ),
    "coredns_kubernetes_rest_client_rate_limiter_duration_seconds": Described(
        "histogram", "Time for which requests to the API server were held back.", ("verb", "host"), CLIENT_BUCKETS
    ),
    "coredns_kubernetes_rest_client_requests_total": Described(
        "counter", "Requests to the API server by status.", ("code", "method", "host")
    ),
}


class Family:
    """One metric: label values -> number. Counters and gauges; see Histogram for the third kind."""

    def __init__(self, name: str, about: Described) -> None:
        self.name = name
        self.about = about
        self.values: dict[Labels, float] = {} if about.labels else {(): 0}

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Count `amount` more under these label values (in the order of the family's labels)."""
        self.values[labels] = self.values.get(labels, 0) + amount

    def set(self, labels: Labels, value: float) -> None:
        """Make it `value`."""
        self.values[labels] = value

    def remove(self, labels: Labels) -> None:
        """Forget these label values; nothing happens if they are unknown."""
        self.values.pop(labels, None)


class Histogram:
    """One metric with buckets: label values -> [count a bucket..., count above all, sum]."""

    def __init__(self, name: str, about: Described) -> None:
        self.name = name
        self.about = about
        self._buckets = about.buckets
        self.values: dict[Labels, list[float]] = {}
        if not about.labels:
            self.observe((), 0, times=0)

    def row(self, labels: Labels) -> list[float]:
        """Where these label values are counted: [count a bucket..., count above all, sum]."""
        return self.values.setdefault(labels, [0] * (len(self._buckets) + 2))

    def observe(self, labels: Labels, value: float, times: int = 1) -> None:
        """Count `value` (seconds or octets), `times` times."""
        row = self.values.get(labels) or self.row(labels)
        row[bisect_left(self._buckets, value)] += times
        row[-1] += value * times


class Metrics:
    """Every family of FAMILIES, by name. One a process, made by the app and given to the plugins' set-up.

    `registry` is where whoever publishes them finds all collectors of the process: this one, and those of the operating
    system's and the interpreter's numbers.
    """

    def __init__(self) -> None:
        self.families = {name: Family(name, about) for name, about in FAMILIES.items() if about.kind != "histogram"}
        self.histograms = {
            name: Histogram(name, about) for name, about in FAMILIES.items() if about.kind == "histogram"
        }
        self.before_scrape: list[Callable[[], None]] = []
        self.gather: Callable[[], Awaitable[Iterable[Snapshot]]] = _nobody
        self._gathered: list[Snapshot] = []
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def family(self, name: str) -> Family:
        """The counter or gauge `coredns_NAME`. KeyError if FAMILIES has no such row."""
        return self.families[f"coredns_{name}"]

    def histogram(self, name: str) -> Histogram:
        """The histogram `coredns_NAME`. KeyError if FAMILIES has no such row."""
        return self.histograms[f"coredns_{name}"]

    async def look_around(self) -> None:
        """Ask the other processes of this server (`gather`) what they have counted: `collect` adds it."""
        self._gathered = list(await self.gather())

    def snapshot(self) -> Snapshot:
        """What this process has counted and others do not count as well."""
        for settle in self.before_scrape:
            settle()
        found: Snapshot = {
            name: [(labels, [value]) for labels, value in family.values.items()]
            for name, family in self.families.items()
            if _is_added(name, family.about)
        }
        for name, histogram in self.histograms.items():
            if _is_added(name, histogram.about):
                found[name] = [(labels, list(row)) for labels, row in histogram.values.items()]
        return found

    def collect(self) -> Iterator[Metric]:
        """The families as prometheus_client's collector protocol wants them, those without a sample left out.

        What was put off until somebody asks (`before_scrape`) is counted first.
        """
        for settle in self.before_scrape:
            settle()
        for name, family in self.families.items():
            if rows := self._added(name, {labels: [value] for labels, value in family.values.items()}):
                yield _plain(family, rows)
        for name, histogram in self.histograms.items():
            if rows := self._added(name, histogram.values):
                yield _bucketed(histogram, rows)

    def _added(self, name: str, own: Rows) -> Rows:
        return added([own.items(), *(snapshot.get(name, ()) for snapshot in self._gathered)])


def added(shares: Iterable[Iterable[tuple[Labels, list[float]]]]) -> Rows:
    """The rows of one family that several processes have counted, as one."""
    found: Rows = {}
    for rows in shares:
        for labels, row in rows:
            before = found.get(labels)
            found[labels] = row if before is None else [one + other for one, other in zip(before, row, strict=True)]
    return found


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """What several processes have counted, as if one had."""
    every = list(snapshots)
    names = {name for snapshot in every for name in snapshot}
    return {name: [*added(snapshot.get(name, ()) for snapshot in every).items()] for name in names}


async def _nobody() -> Iterable[Snapshot]:
    return ()


def _is_added(name: str, about: Described) -> bool:
    """Whether the numbers of several processes make one: not those of the API server, which one alone reads."""
    return not name.startswith("coredns_kubernetes_") and (about.kind != "gauge" or name in ADDED_GAUGES)


def _plain(family: Family, rows: Rows) -> Metric:
    kind = CounterMetricFamily if family.about.kind == "counter" else GaugeMetricFamily
    found = kind(family.name, family.about.help, labels=family.about.labels)
    for labels, (value,) in rows.items():
        found.add_metric(labels, value)
    return found


def _bucketed(histogram: Histogram, rows: Rows) -> Metric:
    found = HistogramMetricFamily(histogram.name, histogram.about.help, labels=histogram.about.labels)
    for labels, row in rows.items():
        found.add_metric(labels, list(_cumulative(histogram.about.buckets, row)), row[-1])
    return found


def _cumulative(bounds: Iterable[float], row: list[float]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for bound, count in zip((*(f"{bound:.15g}" for bound in bounds), "+Inf"), row[:-1], strict=True):  # as Go has it
        total += count
        yield bound, total
