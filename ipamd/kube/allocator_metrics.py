"""The metrics of Kubernetes' own allocators, under their names and with their labels.

Sources: pkg/registry/core/service/ipallocator/metrics.go (kube_apiserver_clusterip_allocator_*) and
pkg/controller/nodeipam/ipam/cidrset/metrics.go (node_ipam_controller_*). Families are built when somebody scrapes, from
what is in memory.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ipamd.kube.cidr_set import CidrSet
from ipamd.kube.cluster_ips import BUCKETS, ClusterIPs
from ipamd.kube.node_cidrs import NodeCidrs
from ipamd.kube.service_cidrs import service_cidrs
from ipamd.kube.service_ranges import service_range
from ipamd.stores import Store

CLUSTER_IP = "kube_apiserver_clusterip_allocator"
CIDR_SET = "node_ipam_controller"
TRIES = (1, 5, 25, 125, 625)  # blocks that were passed over until a free one was found

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


class AllocatorMetrics(Collector):
    """What the allocators of ClusterIPs and podCIDRs have done, and how full they are."""

    def __init__(self, store: Store, cluster_ips: ClusterIPs, node_cidrs: NodeCidrs) -> None:
        self._store = store
        self._cluster_ips = cluster_ips
        self._node_cidrs = node_cidrs

    def collect(self) -> Iterator[Family]:
        """The metric families at this moment."""
        yield from self._gauges()
        counted = self._cluster_ips
        for name, text, values in (
            ("allocation", "Number of Cluster IPs allocations", counted.allocations),
            ("allocation_errors", "Number of errors trying to allocate Cluster IPs", counted.errors),
        ):
            family = CounterMetricFamily(f"{CLUSTER_IP}_{name}", text, labels=["cidr", "scope"])
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family
        text = "Duration in seconds to allocate a Cluster IP by ServiceCIDR"
        durations = HistogramMetricFamily(f"{CLUSTER_IP}_allocation_duration_seconds", text, labels=["cidr"])
        for cidr, counts in counted.durations.items():
            durations.add_metric([cidr], histogram(BUCKETS, counts), counted.seconds[cidr])
        yield durations
        yield from cidr_set_families(self._node_cidrs)

    def _gauges(self) -> Iterator[Family]:
        found = self._store.view(service_cidrs)
        cidrs = dict.fromkeys(text for each in found for text in each.spec.cidrs)
        texts = {kind: f"Gauge measuring the number of {kind} IPs for Services" for kind in ("allocated", "available")}
        allocated, available = (
            GaugeMetricFamily(f"{CLUSTER_IP}_{kind}_ips", text, labels=["cidr"]) for kind, text in texts.items()
        )
        for cidr in cidrs:
            used = self._cluster_ips.count(cidr)
            allocated.add_metric([cidr], used)
            available.add_metric([cidr], service_range(cidr).size - used)
        yield from (allocated, available)


def cidr_set_families(sets: Iterable[CidrSet]) -> Iterator[Family]:
    """What is told of the cluster CIDRs of Nodes."""
    labels = ["clusterCIDR"]
    allocations = CounterMetricFamily(
        f"{CIDR_SET}_cidrset_cidrs_allocations", "Counter measuring total number of CIDR allocations.", labels=labels
    )
    releases = CounterMetricFamily(
        f"{CIDR_SET}_cidrset_cidrs_releases", "Counter measuring total number of CIDR releases.", labels=labels
    )
    most = GaugeMetricFamily(  # the name is misspelt where it comes from
        f"{CIDR_SET}_cirdset_max_cidrs", "Maximum number of CIDRs that can be allocated.", labels=labels
    )
    usage = GaugeMetricFamily(
        f"{CIDR_SET}_cidrset_usage_cidrs", "Gauge measuring percentage of allocated CIDRs.", labels=labels
    )
    text = "Number of CIDRs that were tried until a free one was found"
    tries = HistogramMetricFamily(f"{CIDR_SET}_cidrset_allocation_tries_per_request", text, labels=labels)
    for each in sets:
        cluster = [str(each.grid.cluster)]
        allocations.add_metric(cluster, each.allocations)
        releases.add_metric(cluster, each.releases)
        most.add_metric(cluster, each.grid.blocks)
        usage.add_metric(cluster, each.used / each.grid.blocks)
        tries.add_metric(cluster, tries_buckets(each.tries), sum(n * count for n, count in each.tries.items()))
    yield from (allocations, releases, most, usage, tries)


def tries_buckets(tries: Counter[int]) -> list[tuple[str, float]]:
    """How many searches passed over so many blocks, as the buckets of a histogram."""
    counts = [0] * (len(TRIES) + 1)
    for passed, count in tries.items():
        counts[bisect_left(TRIES, passed)] += count
    return histogram(TRIES, counts)


def histogram(bounds: Iterable[float], counts: Iterable[int]) -> list[tuple[str, float]]:
    """The buckets of a histogram: each upper bound, and how many were not above it."""
    return [*zip([*map(str, bounds), "+Inf"], map(float, accumulate(counts)), strict=True)]
