"""kubernetes: what it makes of a question, and of an API server over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

from kdns.chain import Client, Keep, Reply, Request
from kdns.cluster.programming import TRIGGERED
from kdns.cluster.zone import SERIAL
from kdns.errors import REFUSED, ConfigError, NoAnswer, StartError
from kdns.metrics import Metrics
from kdns.plugins import kubernetes
from kdns.transport.mirror import Intake, Keys
from kdns.transport.resolvconf import search
from kdns.wire import codes, names
from kdns.wire.names import Name
from tests.kdns.apiserver import ApiServer
from tests.kdns.asking import args, ask, records, request, texts
from tests.kdns.cluster.making import Object, external, namespace, pod, service, service_import, slice_of
from tests.kdns.cluster.taking import complete, take

SVC = "default.svc.cluster.local."
COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/services",
    "Pod": "/api/v1/pods",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
    "ServiceImport": "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports",
}
HTTP = [("http", 80, "TCP")]
THINGS = (
    namespace("default"),
    service("web", ["10.96.0.7"], HTTP),
    external("out", "www.example.org"),
    external("in", f"web.{SVC}"),
    external("ring", f"gnir.{SVC}"),
    external("gnir", f"ring.{SVC}"),
    external("lost", f"nope.{SVC}"),
    slice_of("web", [{"addresses": ["10.244.0.7"], "targetRef": {"name": "web-0"}}], HTTP),
)


def plugin(properties: str = "", *, synced: bool = True, zones: str = "cluster.local", **more: Any) -> Any:
    """The plugin with THINGS taken in, as its watches would; with `synced` also told that this is all."""
    text = f"kubernetes {zones} {{\nendpoint http://127.0.0.1:1\n{properties}\n}}"
    made = kubernetes.setup(args(text, **more))
    take(made, *THINGS)
    if synced:
        complete(made)
    return made


def test_answers_are_authoritative_and_name_what_they_depend_on() -> None:
    reply = ask(plugin(), f"web.{SVC} A")

    assert texts(reply.answer) == [f"web.{SVC} 5 IN A 10.96.0.7"]
    assert (reply.flags, reply.by) == (codes.AA, "kubernetes")
    assert reply.alone().keep == Keep((b"\x03web\x07default", b"\x07default"))


def test_an_empty_answer_has_the_soa_and_is_kept_for_its_time_only() -> None:
    reply = ask(plugin("ttl 3600"), f"nope.{SVC} A", now=100.0)

    assert reply.rcode == codes.NXDOMAIN
    (soa,) = texts(reply.authority)
    assert soa.startswith("cluster.local. 300 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ")
    assert soa.endswith(" 7200 1800 86400 3600")
    assert reply.alone().keep == Keep((b"\x04nope\x07default", b"\x07default"), 400.0)


def test_the_soa_is_in_the_question_s_case() -> None:
    (soa,) = texts(ask(plugin(), "x.Cluster.Local. A").authority)
    assert soa.startswith("Cluster.Local. 5 IN SOA ns.dns.Cluster.Local. ")


def test_other_names_are_left_to_the_next_plugin() -> None:
    assert ask(plugin(), "example.org. A", rest="example.org. 1 IN A 192.0.2.1").by == "canned"


def test_names_that_are_not_there_fall_through_where_that_was_asked_for() -> None:
    rest = Reply(answer=records(f"nope.{SVC} 1 IN A 192.0.2.1"), keep=Keep((b"theirs",), 7.0))
    assert ask(plugin("fallthrough example.org"), f"nope.{SVC} A", rest=rest).rcode == codes.NXDOMAIN

    reply = ask(plugin("fallthrough"), f"nope.{SVC} A", rest=rest)
    assert reply.answer == rest.answer
    assert reply.alone().keep == Keep((b"theirs", b"\x04nope\x07default", b"\x07default"), 7.0)

    unkept = ask(plugin("fallthrough"), f"nope.{SVC} A", rest=rest._replace(keep=None))
    assert unkept.keep is None


def test_names_that_have_other_records_do_not_fall_through() -> None:
    assert ask(plugin("fallthrough"), f"web.{SVC} AAAA", rest=Reply(codes.REFUSED)).rcode == codes.NOERROR


def test_nothing_is_said_not_to_be_there_before_the_first_lists_are_complete() -> None:
    unsynced = plugin(synced=False)
    reply = ask(unsynced, f"nope.{SVC} A")

    assert (reply.rcode, len(reply.authority), reply.keep) == (codes.SERVFAIL, 1, None)
    assert ask(unsynced, f"web.{SVC} A").rcode == codes.NOERROR
    assert (unsynced.ready(), plugin().ready()) == (False, True)


def test_is_ready_when_every_first_list_is_complete() -> None:
    made = plugin("pods verified", synced=False)
    seen = []
    for watch in made._mirror._watches:
        Intake(watch, made._mirror.progress.one_more, print).synced()
        seen.append(made.ready())
    assert seen == [False, False, False, True]


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_transfers_are_refused(kind: str) -> None:
    with pytest.raises(NoAnswer) as refused:
        ask(plugin(), f"cluster.local. {kind}")
    assert refused.value.rcode == REFUSED


def test_a_zone_is_told_as_a_whole_or_as_unchanged() -> None:
    made = plugin(zones="cluster.local clusterset.local", properties="multicluster clusterset.local")
    made._state.index.serial, apex = 7, names.parse("cluster.local.")

    whole, unchanged = made.transfer(apex, 6), made.transfer(apex, 7)

    assert f"web.{SVC} 5 IN A 10.96.0.7" in texts(whole)
    assert whole[0] == whole[-1] == unchanged[0]
    assert len(unchanged) == 1
    assert len(made.transfer(names.parse("clusterset.local."), None)) >= 2


@pytest.mark.parametrize("name", ["example.org.", "svc.cluster.local.", "."])
def test_what_is_no_zone_here_is_not_told(name: str) -> None:
    assert plugin().transfer(names.parse(name), None) is None


def test_half_a_zone_is_not_told() -> None:
    with pytest.raises(NoAnswer) as unwritten:
        plugin(synced=False).transfer(names.parse("cluster.local."), None)
    assert unwritten.value.rcode == codes.SERVFAIL


def answering(answer: str, flags: int = 0) -> Any:
    async def found() -> Reply:
        return Reply(codes.NXDOMAIN, records(answer), flags=flags, keep=Keep())

    def lookup(_: Request, name: Name, qtype: int, /) -> Awaitable[Reply]:
        assert (names.show(name), qtype) == ("www.example.org.", codes.A)
        return found()

    return lookup


def test_an_external_name_brings_what_the_server_has_of_its_target() -> None:
    reply = ask(plugin(), f"out.{SVC} A", ask=answering("www.example.org. 9 IN A 192.0.2.80", codes.TC))

    assert texts(reply.answer) == [f"out.{SVC} 5 IN CNAME www.example.org.", "www.example.org. 9 IN A 192.0.2.80"]
    assert (reply.rcode, reply.flags, reply.keep) == (codes.NOERROR, codes.AA | codes.TC, None)


def test_an_external_name_whose_target_has_nothing_is_still_an_alias() -> None:
    reply = ask(plugin(), f"out.{SVC} A", ask=answering(""))
    assert texts(reply.answer) == [f"out.{SVC} 5 IN CNAME www.example.org."]


def test_an_external_name_in_the_cluster_is_followed_at_once() -> None:
    reply = ask(plugin(), f"in.{SVC} A")

    assert texts(reply.answer) == [f"in.{SVC} 5 IN CNAME web.{SVC}", f"web.{SVC} 5 IN A 10.96.0.7"]
    assert reply.keep is not None
    assert {b"\x02in\x07default", b"\x03web\x07default"} <= set(reply.keep.names)


@pytest.mark.parametrize("name", ["ring", "lost"])
def test_aliases_that_lead_nowhere_are_an_empty_answer(name: str) -> None:
    reply = ask(plugin(), f"{name}.{SVC} A")
    assert (reply.rcode, reply.answer, len(reply.authority)) == (codes.NOERROR, (), 1)


def test_a_change_moves_the_serial_on_and_is_told_of_in_the_same_step() -> None:
    made, told = plugin(), []
    made.follow(told.append)
    made._state.index.serial = 0
    take(made, service("web", ["10.96.0.7"], HTTP))
    assert (told, made._state.index.serial) == ([], 0)

    take(made, service("more", ["None"]))
    assert told == [(b"\x04more\x07default", SERIAL)]
    reply = ask(made, "cluster.local. SOA")
    assert reply.alone().keep == Keep((SERIAL,))
    assert int(texts(reply.answer)[0].split()[6]) == made._state.index.serial > 0


def test_a_clusterset_has_its_own_services_and_serial() -> None:
    made = plugin("multicluster clusterset.local", zones="cluster.local clusterset.local")
    made._state.index.serial = 0
    take(made, service_import("web", ["10.112.0.1"], HTTP))

    assert texts(ask(made, "web.default.svc.clusterset.local. A").answer) == [
        "web.default.svc.clusterset.local. 5 IN A 10.112.0.1"
    ]
    assert texts(ask(made, f"web.{SVC} A").answer) == [f"web.{SVC} 5 IN A 10.96.0.7"]
    assert made._state.index.serial == 0


def test_properties_reach_the_answers() -> None:
    made = plugin("endpoint_pod_names\nzonal\nignore empty_service\npods insecure\ndotted_pod_names\nttl 9")
    take(
        made, service("empty", ["10.96.0.8"]), service("db"), slice_of("db", [{"addresses": ["10.1.0.1"], "zone": "a"}])
    )

    assert texts(ask(made, f"web-0.web.{SVC} A").answer) == [f"web-0.web.{SVC} 9 IN A 10.244.0.7"]
    assert ask(made, f"a.pin._zone.db.{SVC} A").answer
    assert ask(made, f"empty.{SVC} A").rcode == codes.NXDOMAIN
    assert ask(made, "10.244.0.7.default.pod.cluster.local. A").answer
    assert ask(plugin("namespaces other"), f"web.{SVC} A").rcode == codes.NXDOMAIN


@pytest.mark.parametrize(
    ("properties", "watched"),
    [
        ("", ["Service", "Namespace", "EndpointSlice"]),
        ("noendpoints", ["Service", "Namespace"]),
        ("pods insecure", ["Service", "Namespace", "EndpointSlice"]),
        ("pods verified", ["Service", "Namespace", "EndpointSlice", "Pod"]),
        ("multicluster clusterset.local", ["Service", "Namespace", "EndpointSlice", "ServiceImport", "EndpointSlice"]),
    ],
)
def test_only_what_answers_need_is_watched(properties: str, watched: list[str]) -> None:
    made = plugin(properties, zones="cluster.local clusterset.local")
    resources = [watch.resource for watch in made._mirror._watches]
    assert [resource.kind.__name__ for resource in resources] == watched
    assert [resource.path for resource in resources] == [COLLECTIONS[kind] for kind in watched]


def test_selectors_are_the_api_server_s_business() -> None:
    made = plugin(
        "labels a=b\nnamespace_labels c\npods verified\nmulticluster set.local", zones="cluster.local set.local"
    )
    assert [
        (w.resource.plural, w.resource.label_selector, w.resource.field_selector) for w in made._mirror._watches
    ] == [
        ("services", "a=b", ""),
        ("namespaces", "c", ""),
        ("endpointslices", "a=b", ""),
        ("pods", "a=b", "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"),
        ("serviceimports", "", ""),
        ("endpointslices", "a=b,multicluster.kubernetes.io/service-name", ""),
    ]


@pytest.mark.parametrize(("peers", "labelled"), [({"metadata": object()}, True), ({}, False)])
def test_tells_the_metadata_plugin_of_the_name_and_of_the_pod_that_asks(peers: dict[str, Any], labelled: bool) -> None:
    made = plugin("pods verified")
    made.meet(peers)
    take(made, pod("client", "10.1.0.1", labels={"app": "shop"}))
    client = Client("10.1.0.1", 4000)

    told = made.labels(request(f"web.{SVC} A", client=client))
    assert (told["kubernetes/service"], told["kubernetes/client-pod-name"]) == ("web", "client")
    assert ("kubernetes/client-label/app" in told) == labelled
    assert set(made.labels(request("example.org. A"))) == set()


@pytest.mark.parametrize(
    ("properties", "client", "asked", "by_name", "path"),
    [
        ("pods verified", "10.1.0.1", f"x.{SVC}", False, [SVC, "svc.cluster.local.", "cluster.local."]),
        (
            "pods verified",
            "10.1.0.1",
            "x.other.svc.cluster.local.",
            True,
            [SVC, "svc.cluster.local.", "cluster.local."],
        ),
        ("pods verified", "10.1.0.1", "example.org.", True, []),
        ("pods verified", "10.1.0.2", f"x.{SVC}", False, []),
        ("pods insecure", "10.1.0.1", f"x.{SVC}", False, []),
        ("", "10.1.0.1", f"x.{SVC}", True, [SVC, "svc.cluster.local.", "cluster.local."]),
        ("", "10.1.0.1", "x.nowhere.svc.cluster.local.", True, []),
    ],
)
def test_tells_autopath_where_the_pod_that_asks_looks_for_names(
    properties: str, client: str, asked: str, by_name: bool, path: list[str]
) -> None:
    made = plugin(properties)
    if "verified" in properties:
        take(made, pod("client", "10.1.0.1"))

    found = made.search_path(request(f"{asked} A", client=Client(client, 4000)), by_name)
    assert [names.show(name) for name in found.domains] == path


def test_the_search_path_ends_with_the_server_s_own() -> None:
    made = plugin("pods verified")
    made.meet({"autopath": object()})
    take(made, pod("client", "10.1.0.1"))

    found = made.search_path(request(f"x.{SVC} A", client=Client("10.1.0.1", 4000)), False)
    own = Path("/etc/resolv.conf")
    assert found.domains[3:] == (search(own.read_text()) if own.is_file() else ())


def test_the_time_that_a_change_took_is_counted_and_an_odd_time_told_of() -> None:
    metrics, said = Metrics(), []
    made = plugin(metrics=metrics, log=lambda level, text: said.append(f"{level} {text}"))
    take(made, slice_of("web", [], name="y", **{TRIGGERED: "2020-01-01T00:00:00Z"}))
    take(made, slice_of("web", [], name="z", **{TRIGGERED: "today"}))

    row = metrics.histogram("kubernetes_dns_programming_duration_seconds").values["cluster_ip",]
    assert sum(row[:-1]) == 1
    assert said == [
        "WARNING DnsProgrammingLatency cannot be calculated for Endpoints 'default/z'; "
        "invalid 'endpoints.kubernetes.io/last-change-trigger-time' annotation"
    ]


async def test_the_name_server_is_where_the_block_is_bound() -> None:
    made = plugin("startup_timeout 0s", addresses=("192.0.2.53", "fe80::1%eth0", "127.0.0.1", "::1"))
    await made.start()
    await made.close()
    reply = ask(made, "cluster.local. NS")
    assert texts(reply.additional) == [
        "ns.dns.cluster.local. 5 IN A 192.0.2.53",
        "ns.dns.cluster.local. 5 IN AAAA fe80::1",
    ]
    assert reply.keep is None


@pytest.mark.parametrize("properties", ["", "kubeconfig /nowhere/config", "endpoint ftp://host"])
async def test_a_start_without_a_cluster_says_so(properties: str) -> None:
    alone: Any = kubernetes.setup(args(f"kubernetes cluster.local {{\n{properties}\n}}"))
    with pytest.raises(StartError, match="plugin/kubernetes: "):
        await alone.start()
    await alone.close()


def test_wrong_properties_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown property 'upstream'"):
        plugin("upstream")


class Told:
    """Keys that changed, and a way to wait for some."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self._more = asyncio.Event()

    def __call__(self, keys: Keys) -> None:
        self.keys |= set(keys)
        self._more.set()

    async def of(self, key: bytes) -> None:
        """Return once `key` was told of, and forget that it was."""
        while key not in self.keys:
            await self._more.wait()
            self._more.clear()
        self.keys.discard(key)


@asynccontextmanager
async def following(server: ApiServer, told: Told) -> AsyncIterator[Any]:
    """The plugin, started, of a server that has THINGS and a Pod."""
    for thing in (*THINGS, pod("web-0", "10.244.0.7")):
        put(server, thing)
    await server.start()
    made: Any = kubernetes.setup(args(f"kubernetes cluster.local {{\nendpoint {server.url}\npods verified\n}}"))
    made.follow(told)
    loop = asyncio.create_task(made.run())
    try:
        await made.start()
        told.keys.clear()
        yield made
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await made.close()
        await server.stop()


@asynccontextmanager
async def with_snapshot(url: str, file: Path, told: Told, said: list[str], metrics: Metrics) -> AsyncIterator[Any]:
    """The plugin with a snapshot, started; closed in good order at the end."""
    text = f"kubernetes cluster.local {{\nendpoint {url}\npods verified\nstartup_timeout 0s\nsnapshot {file}\n}}"
    log = lambda level, message: said.append(f"{level} {message}")  # noqa: E731
    made: Any = kubernetes.setup(args(text, log=log, metrics=metrics))
    made.follow(told)
    loop = asyncio.create_task(made.run())
    try:
        await made.start()
        yield made
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await made.close()


def put(server: ApiServer, thing: Object) -> None:
    """Put an object into the server as JSON."""
    body = to_builtins(thing)
    body["metadata"] = {name: value for name, value in body["metadata"].items() if value is not None}
    server.put(COLLECTIONS[type(thing).__name__], body)


async def test_follows_an_api_server_from_the_first_list_to_its_going_away() -> None:
    server, told = ApiServer(), Told()
    async with following(server, told) as made:
        assert made.ready()
        assert ask(made, f"web.{SVC} A").answer
        assert ask(made, "10-244-0-7.default.pod.cluster.local. A").answer

        put(server, service("new", ["10.96.0.9"]))
        await told.of(b"\x03new\x07default")
        assert texts(ask(made, f"new.{SVC} A").answer) == [f"new.{SVC} 5 IN A 10.96.0.9"]

        server.delete(COLLECTIONS["Namespace"], "", "default")
        await told.of(b"\x07default")
        assert ask(made, f"new.{SVC} A").rcode == codes.NXDOMAIN

        put(server, namespace("default"))
        await told.of(b"\x07default")
        await server.stop()
        assert ask(made, f"new.{SVC} A").answer


async def test_a_snapshot_is_answered_from_until_the_lists_are_complete(tmp_path: Path) -> None:
    server, told, file = ApiServer(), Told(), tmp_path / "snapshot"
    for thing in (*THINGS, pod("web-0", "10.244.0.7"), service("gone", ["10.96.0.8"])):
        put(server, thing)
    await server.start()
    async with with_snapshot(server.url, file, told, [], Metrics()) as first:
        await first._mirror.progress.complete.wait()
    await server.stop()
    server.delete(COLLECTIONS["Service"], "default", "gone")

    told, said, metrics = Told(), list[str](), Metrics()
    gauge = metrics.family("kubernetes_snapshot_timestamp_seconds")
    async with with_snapshot(server.url, file, told, said, metrics) as made:
        assert texts(ask(made, f"web.{SVC} A").answer) == [f"web.{SVC} 5 IN A 10.96.0.7"]
        assert texts(ask(made, f"gone.{SVC} A").answer) == [f"gone.{SVC} 5 IN A 10.96.0.8"]
        assert ask(made, "10-244-0-7.default.pod.cluster.local. A").answer
        assert ask(made, f"nope.{SVC} A").rcode == codes.NXDOMAIN
        assert not made.ready()
        with pytest.raises(NoAnswer):
            made.transfer(names.parse("cluster.local."), None)
        (since,) = gauge.values.values()
        assert since > 0
        assert said[0].startswith("INFO serving a snapshot of 20")

        await server.start()
        await made._mirror.progress.complete.wait()
        assert (made.ready(), gauge.values) == (True, {})
        assert ask(made, f"gone.{SVC} A").rcode == codes.NXDOMAIN
        assert ask(made, f"web.{SVC} A").answer
        assert said[-1].startswith("INFO the lists are complete: the snapshot of 20")
    await server.stop()


async def test_half_a_list_never_replaces_a_snapshot(tmp_path: Path) -> None:
    server, file = ApiServer(), tmp_path / "snapshot"
    for thing in THINGS:
        put(server, thing)
    await server.start()
    async with with_snapshot(server.url, file, Told(), [], Metrics()) as first:
        await first._mirror.progress.complete.wait()
    await server.stop()
    whole = await asyncio.to_thread(file.read_bytes)

    async with with_snapshot(server.url, file, Told(), [], Metrics()) as made:
        take(made, service("more", ["10.96.0.9"]))
        made._mirror._keeper.changed.set()
    assert await asyncio.to_thread(file.read_bytes) == whole
