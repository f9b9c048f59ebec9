"""What Prometheus sees of the allocators of ClusterIPs and podCIDRs."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ipamd.errors import StatusError
from ipamd.kube.allocator_metrics import AllocatorMetrics
from ipamd.metrics import Metrics
from tests.ipamd.kube.cluster import Cluster

WEB = {"ports": [{"port": 80}], "selector": {"a": "b"}}
CLUSTER_IP = "kube_apiserver_clusterip_allocator"
CIDR_SET = "node_ipam_controller_cidrset"
V4, V6 = "10.96.0.0/12", "fd00:10:96::/112"


def samples(cluster: Cluster) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    metrics = Metrics(cluster.service, [AllocatorMetrics(cluster.store, cluster.cluster_ips, cluster.node_cidrs)])
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


async def test_cluster_ips_are_counted_by_cidr_and_scope(cluster: Cluster) -> None:
    await cluster.create("Service", "a", spec={**WEB, "ipFamilyPolicy": "RequireDualStack"})
    await cluster.create("Service", "b", spec={**WEB, "clusterIP": "10.96.0.9"})
    await cluster.create("Service", "c", spec=WEB)
    await cluster.delete("Service", "c")
    for taken in range(2):
        with pytest.raises(StatusError):
            await cluster.create("Service", f"d{taken}", spec={**WEB, "clusterIP": "10.96.0.9"})

    seen = samples(cluster)

    assert seen[f"{CLUSTER_IP}_allocated_ips", V4] == 3
    assert seen[f"{CLUSTER_IP}_available_ips", V4] == 2**20 - 2 - 3
    assert seen[f"{CLUSTER_IP}_allocated_ips", V6] == 1
    assert seen[f"{CLUSTER_IP}_allocation_total", V4, "static"] == 2
    assert seen[f"{CLUSTER_IP}_allocation_total", V4, "dynamic"] == 2
    assert seen[f"{CLUSTER_IP}_allocation_total", V6, "dynamic"] == 1
    assert seen[f"{CLUSTER_IP}_allocation_errors_total", V4, "static"] == 2
    assert seen[f"{CLUSTER_IP}_allocation_duration_seconds_count", V4] == 4
    assert seen[f"{CLUSTER_IP}_allocation_duration_seconds_bucket", V4, "0.005"] == 4


async def test_blocks_of_nodes_are_counted_by_cluster_cidr(cluster: Cluster) -> None:
    await cluster.create("Node", "asked", spec={"podCIDR": "10.244.0.0/24"})
    await cluster.create("Node", "next")
    await cluster.delete("Node", "asked")

    seen = samples(cluster)

    assert seen[f"{CIDR_SET}_cidrs_allocations_total", "10.244.0.0/16"] == 2
    assert seen[f"{CIDR_SET}_cidrs_releases_total", "10.244.0.0/16"] == 1
    assert seen[f"{CIDR_SET}_usage_cidrs", "10.244.0.0/16"] == 1 / 256
    assert seen["node_ipam_controller_cirdset_max_cidrs", "10.244.0.0/16"] == 256
    # The first block was asked for, so that the search for the next came past it.
    assert seen[f"{CIDR_SET}_allocation_tries_per_request_bucket", "10.244.0.0/16", "1"] == 1
    assert seen[f"{CIDR_SET}_allocation_tries_per_request_sum", "10.244.0.0/16"] == 1
