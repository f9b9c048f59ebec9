"""prometheus: what is counted of a query, of its repeats, and how it is published."""

from pathlib import Path
from typing import Any

import pytest

from kdns import VERSION
from kdns.chain import Client, Keep, Reply
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.metrics import Metrics
from kdns.plugins import prometheus
from kdns.plugins.prometheus import Prometheus
from kdns.wire import codes, names
from kdns.wire.edns import DO, Edns
from tests.kdns.asking import args, ask, question, records, request

WHERE = ("dns://:53", "example.org.", "")
FOUND = Reply(answer=records("www.example.org. 30 IN A 192.0.2.1"), by="hosts")


class Named:
    """A view, as far as anybody looks at it."""

    name = "inside"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def plugin(metrics: Metrics) -> Prometheus:
    return Prometheus("localhost:9153", None, (WHERE[:2],), metrics, clock=lambda: 1000.5)


def counted(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return metrics.family(name).values


def observed(metrics: Metrics, name: str) -> dict[tuple[str, ...], tuple[float, float]]:
    """Number and sum of what a histogram saw, by labels."""
    return {labels: (sum(row[:-1]), row[-1]) for labels, row in metrics.histogram(name).values.items()}


def test_counts_a_query_and_its_reply(metrics: Metrics, plugin: Prometheus) -> None:
    reply = ask(plugin, "WWW.example.org. A", FOUND, zone=names.parse("example.org."), size=33)

    assert reply == FOUND
    assert counted(metrics, "dns_requests_total") == {(*WHERE, "udp", "1", "A"): 1}
    assert counted(metrics, "dns_responses_total") == {(*WHERE, "NOERROR", "hosts"): 1}
    assert counted(metrics, "dns_do_requests_total") == {}
    assert observed(metrics, "dns_request_duration_seconds") == {WHERE: (1, 0.5)}
    assert observed(metrics, "dns_request_size_bytes") == {(*WHERE, "udp"): (1, 33)}
    assert observed(metrics, "dns_response_size_bytes") == {(*WHERE, "udp"): (1, 64)}


@pytest.mark.parametrize(
    ("asked", "fields", "labels"),
    [
        ("a. AAAA", {}, ("dns://:53", ".", "", "udp", "1", "AAAA")),
        ("a. TYPE65280", {}, ("dns://:53", ".", "", "udp", "1", "other")),
        ("a. MD", {}, ("dns://:53", ".", "", "udp", "1", "other")),
        ("a. ANY", {"view": "inside"}, ("dns://:53", ".", "inside", "udp", "1", "ANY")),
        ("a. A", {"server": "dns://[::1]:1053"}, ("dns://[::1]:1053", ".", "", "udp", "1", "A")),
        ("a. A", {"client": Client("fd00::1", 4000, "tcp")}, ("dns://:53", ".", "", "tcp", "2", "A")),
    ],
)
def test_labels_say_where_and_how_it_was_asked(
    metrics: Metrics, plugin: Prometheus, asked: str, fields: dict[str, Any], labels: tuple[str, ...]
) -> None:
    ask(plugin, asked, FOUND, **fields)
    assert counted(metrics, "dns_requests_total") == {labels: 1}


def test_counts_queries_that_want_dnssec(metrics: Metrics, plugin: Prometheus) -> None:
    ask(plugin, question("a. A", edns=Edns(1232, flags=DO)), FOUND)
    ask(plugin, question("a. A", edns=Edns(1232)), FOUND)
    assert counted(metrics, "dns_do_requests_total") == {("dns://:53", ".", ""): 1}


@pytest.mark.parametrize(
    ("outcome", "rcode"),
    [
        (NoAnswer(codes.SERVFAIL, "upstream is away"), "SERVFAIL"),
        (NoAnswer(codes.REFUSED), "REFUSED"),
        (Dropped(), "NOERROR"),
    ],
)
def test_what_was_not_written_has_no_size_and_no_plugin(
    metrics: Metrics, plugin: Prometheus, outcome: Exception, rcode: str
) -> None:
    with pytest.raises(type(outcome)):
        ask(plugin, "a. A", outcome)
    assert counted(metrics, "dns_responses_total") == {("dns://:53", ".", "", rcode, ""): 1}
    assert observed(metrics, "dns_response_size_bytes") == {("dns://:53", ".", "", "udp"): (1, 0)}


def test_a_reply_that_is_kept_is_counted_when_it_is_sent_again(metrics: Metrics, plugin: Prometheus) -> None:
    reply = ask(plugin, "www.example.org. A", FOUND._replace(keep=Keep()))
    assert reply.keep is not None
    for tally in reply.keep.tallies:
        tally(41)

    where = ("dns://:53", ".", "")
    assert counted(metrics, "dns_requests_total") == {(*where, "udp", "1", "A"): 42}
    assert counted(metrics, "dns_responses_total") == {(*where, "NOERROR", "hosts"): 42}
    assert observed(metrics, "dns_request_duration_seconds") == {where: (42, 0.5)}
    assert observed(metrics, "dns_response_size_bytes") == {(*where, "udp"): (42, 42 * 64)}


def test_kinds_of_queries_are_not_made_by_clients(metrics: Metrics, plugin: Prometheus) -> None:
    for number in range(300, 400):
        ask(plugin, f"host{number}. TYPE{number}", FOUND, size=number)
    assert len(counted(metrics, "dns_requests_total")) == 1


async def text(plugin: Prometheus) -> list[str]:
    (page,) = plugin.pages()
    status, kind, body = await page.get({})
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return body.decode().splitlines()


async def test_publishes_what_was_counted() -> None:
    metrics = Metrics()
    plugin = prometheus.setup(args("prometheus", zones="example.org", metrics=metrics))
    metrics.before_scrape.append(lambda: metrics.family("panics_total").add(()))
    ask(plugin, "www.example.org. A", FOUND, zone=names.parse("example.org."))

    lines = await text(plugin)

    assert "# TYPE coredns_dns_requests_total counter" in lines
    (requests,) = (line for line in lines if line.startswith("coredns_dns_requests_total{"))
    for label in ('server="dns://:53"', 'zone="example.org."', 'view=""', 'proto="udp"', 'family="1"', 'type="A"'):
        assert label in requests
    assert requests.endswith(" 1.0")
    assert "coredns_panics_total 1.0" in lines
    assert any(line.startswith("coredns_build_info{") and f'version="{VERSION}"' in line for line in lines)
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert any(line.startswith("python_gc_collections_total{") for line in lines)


async def test_tells_more_of_the_runtime_if_asked_by_any_block() -> None:
    metrics = Metrics()
    plain = prometheus.setup(args("prometheus", metrics=metrics))
    assert not any(line.startswith("python_threads ") for line in await text(plain))
    for _ in range(2):
        prometheus.setup(args("prometheus {\n runtime_metrics\n}", metrics=metrics))
    lines = await text(plain)
    assert sum(line.startswith("python_threads ") for line in lines) == 1
    assert any(line.startswith("python_asyncio_tasks ") for line in lines)


async def test_tells_which_plugins_are_enabled_while_a_configuration_runs(metrics: Metrics) -> None:
    old, new = (
        prometheus.setup(args("prometheus", zones="example.org:1053 .", metrics=metrics, addresses=("::1",)))
        for _ in range(2)
    )
    for plugin in (old, new):
        plugin.meet({"bind": object(), "prometheus": plugin, "whoami": lambda: None, "view": Named()})
    rows = {
        ("dns://[::1]:1053", "example.org.", "inside", "prometheus"),
        ("dns://[::1]:1053", "example.org.", "inside", "whoami"),
        ("dns://[::1]:53", ".", "inside", "prometheus"),
        ("dns://[::1]:53", ".", "inside", "whoami"),
    }

    await old.start()
    assert counted(metrics, "plugin_enabled") == dict.fromkeys(rows, 1)
    await new.start()
    await old.close()
    assert counted(metrics, "plugin_enabled") == dict.fromkeys(rows, 1)
    await new.close()
    assert counted(metrics, "plugin_enabled") == {}


@pytest.mark.parametrize(
    ("directive", "address", "web_config"),
    [
        ("prometheus", "localhost:9153", None),
        ("prometheus localhost:53", "localhost:53", None),
        ("prometheus :9153 {\n runtime_metrics\n tls web.yml\n}", ":9153", Path("web.yml")),
        ("prometheus {\n tls /run/web.yml\n}", "localhost:9153", Path("/run/web.yml")),
    ],
)
def test_publishes_where_the_corefile_says(directive: str, address: str, web_config: Path | None) -> None:
    (page,) = prometheus.setup(args(directive, directory=Path("/etc/coredns"))).pages()
    assert (page.address, page.path, page.web_config) == (address, "/metrics", web_config)


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("prometheus {}", "address {}: missing port in address"),
        ("prometheus /foo", "address /foo: missing port in address"),
        ("prometheus a b c", "Wrong argument count or unexpected line ending after 'c'"),
        ("prometheus {\n runtime_metrics extra\n}", "Wrong argument count or unexpected line ending after 'extra'"),
        ("prometheus {\n tls\n}", "Wrong argument count or unexpected line ending after 'tls'"),
        ("prometheus {\n tls a\n tls b\n}", "tls block already specified"),
        ("prometheus {\n speed\n}", "unknown option: speed"),
        ("prometheus\nprometheus", "this plugin can only be used once per Server Block"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        prometheus.setup(args(directive))


def test_a_request_is_counted_as_it_came(metrics: Metrics, plugin: Prometheus) -> None:
    """A plugin further down may ask for another name: that is its affair."""
    ask(plugin, request("a. A", size=19), lambda seen: FOUND)
    assert observed(metrics, "dns_request_size_bytes") == {("dns://:53", ".", "", "udp"): (1, 19)}
