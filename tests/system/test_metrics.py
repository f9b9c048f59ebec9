"""What dashboards and alerts made for CoreDNS ask of a server: each series is there after some everyday queries."""

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.kdns.server import Kdns, exchange, query

COREFILE = """\
.:@PORT@ {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health}
    prometheus 127.0.0.1:{metrics}
    local
    acl blocked.example {{
        block
    }}
    cache 30
    hosts {{
        192.0.2.1 a.example
        fallthrough
    }}
    template ANY TXT t.example {{
        answer "{{{{ .Name }}}} 30 IN TXT x"
    }}
    kubernetes cluster.local {{
        endpoint http://127.0.0.1:{dead}
        startup_timeout 10ms
    }}
    forward dead.example 127.0.0.1:{dead} {{
        health_check 20ms
        max_connect_attempts 1
    }}
    forward . 127.0.0.1:{upstream}
    reload
}}
views.example:@PORT@ {{
    bind 127.0.0.1
    prometheus 127.0.0.1:{metrics}
    view inside {{
        expr true
    }}
    whoami
}}
.:{upstream} {{
    bind 127.0.0.1
    template ANY ANY {{
        answer "{{{{ .Name }}}} 30 IN A 192.0.2.9"
    }}
}}
"""
DO = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"  # an OPT record that asks for DNSSEC
ZONE, CACHE, PROXY = ("server", "zone", "view"), ("server", "zones", "view"), ("proxy_name", "to")

# The series that CoreDNS's Grafana dashboards, the alerts of the usual mixins and Prometheus's own pages are made of.
SERIES = [
    ("coredns_build_info", ("version", "revision", "goversion")),
    ("coredns_panics_total", ()),
    ("coredns_plugin_enabled", (*ZONE, "name")),
    ("coredns_dns_requests_total", (*ZONE, "proto", "family", "type")),
    ("coredns_dns_do_requests_total", ZONE),
    ("coredns_dns_responses_total", (*ZONE, "rcode", "plugin")),
    ("coredns_dns_request_duration_seconds_bucket", (*ZONE, "le")),
    ("coredns_dns_request_duration_seconds_count", ZONE),
    ("coredns_dns_request_duration_seconds_sum", ZONE),
    ("coredns_dns_request_size_bytes_bucket", (*ZONE, "proto", "le")),
    ("coredns_dns_response_size_bytes_bucket", (*ZONE, "proto", "le")),
    ("coredns_cache_entries", ("server", "type", "zones", "view")),
    ("coredns_cache_hits_total", ("server", "type", "zones", "view")),
    ("coredns_cache_requests_total", CACHE),
    ("coredns_cache_misses_total", CACHE),
    ("coredns_cache_drops_total", CACHE),
    ("coredns_forward_healthcheck_broken_total", ()),
    ("coredns_forward_max_concurrent_rejects_total", ()),
    ("coredns_proxy_request_duration_seconds_bucket", (*PROXY, "rcode", "le")),
    ("coredns_proxy_request_duration_seconds_count", (*PROXY, "rcode")),
    ("coredns_proxy_healthcheck_failures_total", PROXY),
    ("coredns_proxy_conn_cache_misses_total", (*PROXY, "proto")),
    ("coredns_proxy_conn_cache_hits_total", (*PROXY, "proto")),
    ("coredns_health_request_duration_seconds_bucket", ("le",)),
    ("coredns_health_request_failures_total", ()),
    ("coredns_reload_failed_total", ()),
    ("coredns_reload_version_info", ("hash", "value")),
    ("coredns_hosts_entries", ("hostsfile",)),
    ("coredns_hosts_reload_timestamp_seconds", ()),
    ("coredns_local_localhost_requests_total", ()),
    ("coredns_acl_blocked_requests_total", ZONE),
    ("coredns_acl_allowed_requests_total", ("server", "view")),
    ("coredns_template_matches_total", (*ZONE, "class", "type")),
    ("coredns_kubernetes_rest_client_requests_total", ("code", "method", "host")),
    ("coredns_kubernetes_rest_client_rate_limiter_duration_seconds_bucket", ("verb", "host", "le")),
    ("go_goroutines", ()),
    ("go_threads", ()),
    ("go_info", ("version",)),
    ("process_cpu_seconds_total", ()),
    ("process_resident_memory_bytes", ()),
    ("process_virtual_memory_bytes", ()),
    ("process_virtual_memory_max_bytes", ()),
    ("process_start_time_seconds", ()),
    ("process_open_fds", ()),
    ("process_max_fds", ()),
    ("process_network_receive_bytes_total", ()),
    ("process_network_transmit_bytes_total", ()),
]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The metrics of a server that was asked a query of each kind."""
    ports = {name: free_port() for name in ("health", "metrics", "dead", "upstream")}
    server = Kdns(Path(tmp_path_factory.mktemp("metrics")), COREFILE.format(**ports))
    server.start()
    where = ("127.0.0.1", server.port)
    for text in ("a.example. A", "t.example. TXT", "x.example. A", "x.example. A", "y.example. A", "y.localhost. A"):
        exchange(query(text), where)
    plain = query("z.example. A")
    exchange(plain[:11] + b"\1" + plain[12:] + DO, where)
    for text in ("b.blocked.example. A", "b.dead.example. A", "b.cluster.local. A", "v.views.example. A"):
        exchange(query(text), where)
    url = f"http://127.0.0.1:{ports['metrics']}/metrics"
    while "healthcheck_failures_total{" not in (text := _page(url)) or _is_first_look(text):
        continue
    yield text
    server.stop()


def _page(url: str) -> str:
    with urllib.request.urlopen(url) as response:
        found: str = response.read().decode()
        return found


def _is_first_look(text: str) -> bool:
    """Whether health has not looked at itself yet."""
    return "coredns_health_request_duration_seconds_count 0.0" in text


def labels_of(text: str, name: str) -> set[tuple[str, ...]]:
    rows = re.findall(rf"^{name}(?:\{{(.*)\}})? \S+$", text, re.MULTILINE)
    return {tuple(sorted(re.findall(r'(\w+)="', row))) for row in rows}


@pytest.mark.parametrize(("name", "labels"), SERIES, ids=[name for name, _ in SERIES])
def test_a_series_that_dashboards_ask_for_is_there_with_its_labels(
    scraped: str, name: str, labels: tuple[str, ...]
) -> None:
    assert labels_of(scraped, name) == {tuple(sorted(labels))}


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        ('coredns_dns_responses_total{.*rcode="SERVFAIL"', "alerts on errors"),
        ('coredns_dns_responses_total{.*rcode="REFUSED"', "what acl refused"),
        ('coredns_dns_requests_total{.*family="1".*proto="udp".*type="A"', "requests by family, transport and type"),
        ('coredns_cache_entries{.*type="(success|denial)"', "elements by type"),
        ('coredns_proxy_request_duration_seconds_count{proxy_name="forward",rcode="NOERROR"', "upstreams' answers"),
        ('coredns_plugin_enabled{name="whoami",.*view="inside",zone="views.example."}', "plugins of a view"),
        ('coredns_dns_request_size_bytes_bucket{le="511"', "a bucket's bound without a needless fraction"),
        ('coredns_dns_request_duration_seconds_bucket{le="0.00025"', "the first bucket of times"),
        ('coredns_dns_request_duration_seconds_bucket{le="8.192"', "the last"),
    ],
)
def test_what_dashboards_select_by_finds_something(scraped: str, selector: str, says: str) -> None:
    assert re.search(selector.replace("{", r"\{", 1), scraped), says
