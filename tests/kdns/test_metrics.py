"""What several processes have counted, as one."""

from collections.abc import Iterable

from msgspec.msgpack import decode, encode
from prometheus_client import generate_latest

from kdns.metrics import Metrics, Snapshot, total


def process(rcode: str, queries: int, entries: int) -> Metrics:
    """The numbers of a process that answered so many queries."""
    made = Metrics()
    made.family("dns_responses_total").add(("dns://:53", ".", "", rcode, "whoami"), queries)
    made.histogram("dns_request_size_bytes").observe(("dns://:53", ".", "", "udp"), 40, queries)
    made.family("cache_entries").set(("dns://:53", "success", ".", ""), entries)
    made.family("build_info").set(("1", "", "python"), 1)
    made.family("kubernetes_rest_client_requests_total").add(("200", "GET", "api"), 1)
    return made


async def test_counters_histograms_and_the_caches_gauges_are_added_and_other_gauges_are_ones_own() -> None:
    first, second = process("NOERROR", 3, 10), process("NXDOMAIN", 4, 20)

    async def gather() -> Iterable[Snapshot]:
        return [decode(encode(second.snapshot()), type=Snapshot)]

    first.gather = gather
    await first.look_around()
    lines = generate_latest(first).decode().splitlines()

    for line in (
        'coredns_dns_responses_total{plugin="whoami",rcode="NOERROR",server="dns://:53",view="",zone="."} 3.0',
        'coredns_dns_responses_total{plugin="whoami",rcode="NXDOMAIN",server="dns://:53",view="",zone="."} 4.0',
        'coredns_dns_request_size_bytes_count{proto="udp",server="dns://:53",view="",zone="."} 7.0',
        'coredns_dns_request_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="."} 280.0',
        'coredns_cache_entries{server="dns://:53",type="success",view="",zones="."} 30.0',
        'coredns_build_info{goversion="python",revision="",version="1"} 1.0',
        'coredns_kubernetes_rest_client_requests_total{code="200",host="api",method="GET"} 1.0',
    ):
        assert line in lines


def test_a_snapshot_has_what_was_put_off() -> None:
    metrics = Metrics()
    metrics.before_scrape.append(lambda: metrics.family("panics_total").add((), 2))

    assert metrics.snapshot()["coredns_panics_total"] == [((), [2])]


def test_the_total_of_those_who_ended_is_theirs_together() -> None:
    first, second = process("NOERROR", 3, 10).snapshot(), process("NOERROR", 4, 20).snapshot()
    (row,) = total([{}, first, second])["coredns_dns_responses_total"]

    assert row == (("dns://:53", ".", "", "NOERROR", "whoami"), [7])
