"""The Kubernetes paths over HTTP, as any client of an API server uses them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ipamd.log import Log
from ipamd.service import Service
from ipamd.stores.sqlite import SqliteStore
from tests.ipamd.daemon import Daemon, Reply
from tests.ipamd.kube.cluster import Cluster

MERGE = {"Content-Type": "application/merge-patch+json"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
ALL_PODS = "/api/v1/pods"


@pytest.fixture
def shop(ipamd: Daemon, request: pytest.FixtureRequest) -> str:
    """The path of a Namespace of the test's own."""
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    assert ipamd.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    return f"/api/v1/namespaces/{name}"


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "spec": {}}


def make(ipamd: Daemon, shop: str, *names: str, **labels: str) -> list[Reply]:
    return [ipamd.request("POST", f"{shop}/pods", pod(name, **labels)) for name in names]


def names(reply: Reply) -> list[str]:
    return [item["metadata"]["name"] for item in reply.body["items"]]


def test_a_pod_is_created_read_replaced_patched_and_deleted(ipamd: Daemon, shop: str) -> None:
    [made] = make(ipamd, shop, "web-0", app="web")
    path = f"{shop}/pods/web-0"
    assert made.status == 201
    assert ipamd.request("GET", path).body == made.body

    replaced = ipamd.request("PUT", path, {**made.body, "spec": {"nodeName": "n1"}})
    assert (replaced.status, replaced.body["spec"]) == (200, {"nodeName": "n1"})
    stale = ipamd.request("PUT", path, made.body)
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")

    patched = ipamd.request("PATCH", path, {"metadata": {"labels": {"app": None, "tier": "front"}}}, MERGE)
    assert patched.body["metadata"]["labels"] == {"tier": "front"}

    gone = ipamd.request("DELETE", path, {"kind": "DeleteOptions", "propagationPolicy": "Background"})
    assert (gone.status, gone.body["kind"], gone.body["metadata"]["uid"]) == (
        200,
        "Pod",
        made.body["metadata"]["uid"],
    )
    assert ipamd.request("GET", path).body["message"] == 'pods "web-0" not found'


@pytest.mark.parametrize(
    ("media", "patch", "status"),
    [
        ("application/json-patch+json", [{"op": "add", "path": "/metadata/labels/x", "value": "y"}], 200),
        ("application/strategic-merge-patch+json", {"metadata": {"labels": {"x": "y"}}}, 200),
        ("application/merge-patch+json", {"metadata": {"labels": {"x": "y"}}}, 200),
        ("application/apply-patch+yaml", {"metadata": {"labels": {"x": "y"}}}, 415),
        ("application/json", {"metadata": {"labels": {"x": "y"}}}, 415),
        ("application/json-patch+json", [{"op": "test", "path": "/kind", "value": "Node"}], 422),
        ("application/json-patch+json", [{"op": "replace", "path": "", "value": []}], 400),
        ("application/json-patch+json", {"op": "add"}, 400),
        ("application/merge-patch+json", [], 400),
        ("application/merge-patch+json", b"{", 400),
    ],
)
def test_the_kinds_of_patch(ipamd: Daemon, shop: str, media: str, patch: object, status: int) -> None:
    make(ipamd, shop, "web-0", app="web")

    reply = ipamd.request("PATCH", f"{shop}/pods/web-0", patch, {"Content-Type": media})

    assert reply.status == status
    assert reply.body["kind"] == ("Pod" if status == 200 else "Status")
    if status == 200:
        assert reply.body["metadata"]["labels"]["x"] == "y"


def test_the_status_has_a_path_of_its_own(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, "web-0")

    changed = ipamd.request("PATCH", f"{shop}/pods/web-0/status", {"status": {"phase": "Failed"}}, MERGE)

    assert changed.body["status"]["phase"] == "Failed"
    assert ipamd.request("GET", f"{shop}/pods/web-0/status").body == changed.body
    put = ipamd.request("PUT", f"{shop}/pods/web-0/status", {**changed.body, "status": {"phase": "Running"}})
    assert put.body["status"]["phase"] == "Running"


def test_a_dry_run_tells_what_would_be_and_leaves_nothing(ipamd: Daemon, shop: str) -> None:
    tried = ipamd.request("POST", f"{shop}/pods?dryRun=All", pod("web-0"))
    [made] = make(ipamd, shop, "web-1")

    assert tried.status == 201
    assert tried.body["status"]["podIP"] == made.body["status"]["podIP"]
    assert ipamd.request("GET", f"{shop}/pods/web-0").status == 404
    assert ipamd.request("DELETE", f"{shop}/pods/web-1?dryRun=All").body["kind"] == "Pod"
    assert ipamd.request("DELETE", f"{shop}/pods/web-1", {"dryRun": ["All"]}).body["kind"] == "Pod"
    assert ipamd.request("GET", f"{shop}/pods/web-1").status == 200
    assert ipamd.request("POST", f"{shop}/pods?dryRun=Some", pod("web-2")).status == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "b", "c"]),
        ("?labelSelector=app%3Dweb", ["a", "b"]),
        ("?labelSelector=app%20notin%20(web)", ["c"]),
        ("?fieldSelector=metadata.name%3Db", ["b"]),
        ("?fieldSelector=metadata.name!%3Db", ["a", "c"]),
        ("?fieldSelector=status.phase%3DFailed", []),
        ("?fieldSelector=spec.hostNetwork%3Dfalse&labelSelector=app", ["a", "b", "c"]),
        ("?resourceVersion=0", ["a", "b", "c"]),
        ("?resourceVersion=1&resourceVersionMatch=NotOlderThan", ["a", "b", "c"]),
        ("?resourceVersion=1&resourceVersionMatch=Exact", []),
    ],
)
def test_a_list_is_narrowed_by_its_parameters(ipamd: Daemon, shop: str, query: str, found: list[str]) -> None:
    make(ipamd, shop, "a", "b", app="web")
    make(ipamd, shop, "c", app="db")

    reply = ipamd.request("GET", f"{shop}/pods{query}")

    assert (reply.body["kind"], reply.body["apiVersion"]) == ("PodList", "v1")
    assert names(reply) == found


def test_all_namespaces_are_listed_together(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, "everywhere")

    field = "?fieldSelector=metadata.name%3Deverywhere"

    assert names(ipamd.request("GET", f"{ALL_PODS}{field}")) == ["everywhere"]


def test_a_list_in_parts_is_of_one_state(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, "a", "b", "c", "d")

    first = ipamd.request("GET", f"{shop}/pods?limit=2")
    ipamd.request("DELETE", f"{shop}/pods/c")
    make(ipamd, shop, "bb")
    token = first.body["metadata"]["continue"]
    second = ipamd.request("GET", f"{shop}/pods?limit=2&continue={token}")

    assert names(first) == ["a", "b"]
    assert names(second) == ["c", "d"]
    assert first.body["metadata"]["resourceVersion"] == second.body["metadata"]["resourceVersion"]
    assert "continue" not in second.body["metadata"]
    assert names(ipamd.request("GET", f"{shop}/pods")) == ["a", "b", "bb", "d"]


def test_a_list_of_a_state_that_is_not_there_yet_is_refused(ipamd: Daemon) -> None:
    reply = ipamd.request("GET", f"{ALL_PODS}?resourceVersion=99999999")

    assert (reply.status, reply.body["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")


@pytest.mark.parametrize("times", [2, 40])
def test_a_patch_may_not_nest_an_object_deeper_than_can_be_read_again(ipamd: Daemon, shop: str, times: int) -> None:
    make(ipamd, shop, "web-0", app="web")
    nested: object = {}
    for _ in range(60):
        nested = {"a": nested}
    patch = [{"op": "add", "path": "/spec" + "/a" * 60 * time, "value": nested} for time in range(times)]
    patch[0] = {"op": "add", "path": "/spec/a", "value": {"a": nested}}

    reply = ipamd.request("PATCH", f"{shop}/pods/web-0", patch, {"Content-Type": "application/json-patch+json"})

    assert reply.status == 400
    assert names(ipamd.request("GET", f"{shop}/pods?labelSelector=app%3Dweb")) == ["web-0"]


def test_a_collection_is_deleted(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, "a", "b", app="web")
    make(ipamd, shop, "c", app="db")

    gone = ipamd.request("DELETE", f"{shop}/pods?labelSelector=app%3Dweb")

    assert names(gone) == ["a", "b"]
    assert names(ipamd.request("GET", f"{shop}/pods")) == ["c"]


def test_two_clients_may_delete_a_collection_at_once(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, *(f"p{number}" for number in range(40)))

    with ThreadPoolExecutor(2) as clients:
        gone = list(clients.map(lambda _: ipamd.request("DELETE", f"{shop}/pods"), range(2)))

    assert [reply.status for reply in gone] == [200, 200]
    assert names(ipamd.request("GET", f"{shop}/pods")) == []


def test_a_deleted_namespace_is_gone_with_what_it_held(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, *(f"p{number}" for number in range(120)))

    gone = ipamd.request("DELETE", shop)

    assert (gone.status, gone.body["status"]) == (200, "Success")
    assert ipamd.request("GET", shop).status == 404
    assert names(ipamd.request("GET", f"{shop}/pods")) == []


def test_tables_have_columns_and_rows(ipamd: Daemon, shop: str) -> None:
    make(ipamd, shop, "a", "b")

    table = ipamd.request("GET", f"{shop}/pods", headers=TABLE).body
    one = ipamd.request("GET", f"{shop}/pods/a?includeObject=Object", headers=TABLE).body

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]][:3] == ["Name", "Ready", "Status"]
    assert [row["cells"][0] for row in table["rows"]] == ["a", "b"]
    assert one["rows"][0]["object"]["kind"] == "Pod"
    assert ipamd.request("GET", f"{shop}/pods?includeObject=All", headers=TABLE).status == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/api/v1/things", None, {}, 404),
        ("GET", "/apis/apps/v1", None, {}, 404),
        ("POST", "/api/v1/pods", {}, {}, 405),
        ("PATCH", "/api/v1/namespaces", {}, MERGE, 405),
        ("GET", ALL_PODS, None, {"Accept": "application/vnd.kubernetes.protobuf"}, 406),
        ("POST", "/api/v1/namespaces", b"a: b", {"Content-Type": "application/yaml"}, 415),
        ("POST", "/api/v1/namespaces", b"\x1f\x8b", {"Content-Encoding": "gzip"}, 415),
        ("POST", "/api/v1/namespaces", b"", {}, 400),
        ("POST", "/api/v1/namespaces", b"[]", {}, 400),
        ("POST", "/api/v1/namespaces", b"[" * 200_000, {}, 400),
        ("POST", "/api/v1/namespaces", b'{"a":' * 300 + b"1" + b"}" * 300, {}, 400),
        ("POST", "/api/v1/namespaces", {"metadata": {"name": 1}}, {}, 400),
        ("POST", "/api/v1/namespaces", {"metadata": []}, {}, 400),
        ("POST", "/api/v1/namespaces", {"metadata": {"name": "A"}}, {}, 422),
        ("DELETE", "/api/v1/namespaces/x", b"{", {}, 400),
        ("GET", f"{ALL_PODS}?limit=x", None, {}, 400),
        ("GET", f"{ALL_PODS}?continue=x", None, {}, 400),
        ("GET", f"{ALL_PODS}?watch=1&sendInitialEvents=1", None, {}, 422),
    ],
)
def test_what_cannot_be_done_is_told_by_a_status(
    ipamd: Daemon, method: str, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    reply = ipamd.request(method, path, body, headers)

    assert reply.status == status
    assert (reply.body["kind"], reply.body["code"]) == ("Status", status)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/api/v1", "APIResourceList"),
        ("/apis/discovery.k8s.io", "APIGroup"),
        ("/apis/discovery.k8s.io/v1", "APIResourceList"),
    ],
)
def test_a_client_finds_groups_and_resources(ipamd: Daemon, path: str, kind: str) -> None:
    assert ipamd.request("GET", path).body["kind"] == kind


def test_a_client_finds_versions_schemas_and_health(ipamd: Daemon) -> None:
    protobuf = {"Accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}

    assert ipamd.request("GET", "/version").body["major"] == "1"
    assert ipamd.request("GET", "/openapi/v2").body["swagger"] == "2.0"
    with urlopen(Request(f"{ipamd.url}/openapi/v2", headers=protobuf)) as reply:
        assert reply.read().startswith(b"\n\x032.0")
    for found in ipamd.request("GET", "/openapi/v3").body["paths"].values():
        assert ipamd.request("GET", found["serverRelativeURL"]).body["openapi"] == "3.0.0"
    assert {ipamd.request("GET", path).status for path in ("/livez", "/readyz", "/healthz")} == {200}


def test_everything_is_there_after_a_kill(daemon: Daemon) -> None:
    daemon.request("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    [made] = make(daemon, "/api/v1/namespaces/shop", "web-0")

    daemon.restart()

    assert daemon.request("GET", "/api/v1/namespaces/shop/pods/web-0").body == made.body
    [other] = make(daemon, "/api/v1/namespaces/shop", "web-1")
    assert other.body["status"]["podIP"] == "10.244.0.3"


async def test_a_deletion_of_a_namespace_that_a_kill_interrupted_is_finished(daemon: Daemon) -> None:
    make(daemon, "/api/v1/namespaces/default", "stays")
    daemon.request("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    make(daemon, "/api/v1/namespaces/shop", "goes")
    daemon.kill()
    await mark_terminating(daemon.store, "shop")

    daemon.start()

    assert daemon.request("GET", "/api/v1/namespaces/shop").status == 404
    assert names(daemon.request("GET", ALL_PODS)) == ["stays"]


async def mark_terminating(path: Path, name: str) -> None:
    """Does the first transaction of a deletion, and no more."""
    store = SqliteStore(path)
    cluster = Cluster(Service(store, Log(store, 1000), Random(1)))
    await cluster.delete("Namespace", name)
    await store.close()


def test_an_object_that_is_too_large_is_refused_with_a_sentence(ipamd: Daemon, shop: str) -> None:
    for size, limit in ((1600 << 10, 1572864), (3200 << 10, 3145728)):
        large = pod("large")
        large["spec"]["schedulerName"] = "x" * size
        reply = ipamd.request("POST", f"{shop}/pods", large)

        assert (reply.status, reply.body["reason"]) == (413, "RequestEntityTooLarge")
        assert reply.body["message"].startswith("Request entity too large: ")
        assert reply.body["message"].endswith(f"limit is {limit}")
    assert ipamd.request("GET", f"{shop}/pods/large").status == 404
