"""What Prometheus sees."""

from prometheus_client.parser import text_string_to_metric_families

from ipamd.metrics import Metrics
from ipamd.model import Owner, Wish
from ipamd.service import Service


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


async def test_pools_leases_commits_and_requests_are_counted(service: Service) -> None:
    metrics = Metrics(service)
    lease, _ = await service.lease(Owner("Container", "a"), Wish(pool="tiny", ttl=5))
    await service.lease(Owner("Container", "b"), Wish(pool="tiny"))
    await service.renew(lease.id, None)
    await service.release(lease.id)
    metrics.count_request("POST", "/v1/leases", 201)
    metrics.count_request("POST", "/v1/leases", 201)
    seen = samples(metrics)

    assert seen["ipamd_pool_addresses", "tiny"] == 5
    assert seen["ipamd_pool_used_addresses", "tiny"] == seen["ipamd_pool_leases", "tiny"] == 1
    assert seen["ipamd_pool_free_addresses", "tiny"] == 4
    assert seen["ipamd_lease_changes_total", "created"] == 2
    assert seen["ipamd_lease_changes_total", "renewed"] == seen["ipamd_lease_changes_total", "released"] == 1
    assert seen["ipamd_http_requests_total", "POST", "/v1/leases", "201"] == 2
    assert seen["ipamd_revision",] == service.store.revision
    assert seen["ipamd_compacted_revision",] == 0
    assert seen["ipamd_commit_duration_seconds_count",] == 4
    assert seen["ipamd_commit_duration_seconds_bucket", "+Inf"] == 4
    assert seen["ipamd_commit_duration_seconds_sum",] > 0
