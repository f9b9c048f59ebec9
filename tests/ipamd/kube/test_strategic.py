"""Strategic merge patch: lists that merge, and the directives."""

import copy

import pytest

from ipamd.errors import Malformed
from ipamd.json import Json
from ipamd.kube.strategic import strategic_merge

POD: Json = {
    "metadata": {"name": "web", "labels": {"app": "web"}, "finalizers": ["a.example/x"]},
    "spec": {
        "containers": [
            {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], "args": ["-a"]},
            {"name": "log", "image": "log:1"},
        ],
        "tolerations": [{"key": "a"}],
    },
}


def spec(**members: Json) -> Json:
    return {"spec": members}


@pytest.mark.parametrize(
    ("patch", "path", "result"),
    [
        ({"metadata": {"labels": {"tier": "front"}}}, "metadata.labels", {"app": "web", "tier": "front"}),
        ({"metadata": {"labels": {"app": None}}}, "metadata.labels", {}),
        ({"metadata": {"labels": {"$patch": "replace", "b": "c"}}}, "metadata.labels", {"b": "c"}),
        ({"metadata": {"labels": {"$retainKeys": ["b"], "b": "c"}}}, "metadata.labels", {"b": "c"}),
        ({"metadata": {"labels": {"$patch": "delete"}}}, "metadata.labels", {}),
        ({"metadata": {"finalizers": ["b/y", "a.example/x"]}}, "metadata.finalizers", ["a.example/x", "b/y"]),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.example/x"]}}, "metadata.finalizers", []),
        (spec(containers=[{"name": "log", "image": "log:2"}]), "spec.containers.1", {"name": "log", "image": "log:2"}),
        (
            spec(containers=[{"name": "web", "ports": [{"containerPort": 443}]}]),
            "spec.containers.0.ports.0.containerPort",
            80,
        ),
        (
            spec(containers=[{"name": "web", "ports": [{"containerPort": 443}]}]),
            "spec.containers.0.ports.1.containerPort",
            443,
        ),
        (spec(containers=[{"name": "web", "args": ["-b"]}]), "spec.containers.0.args", ["-b"]),
        (spec(containers=[{"name": "log", "$patch": "delete"}]), "spec.containers.1", None),
        (spec(containers=[{"$patch": "replace"}, {"name": "new"}]), "spec.containers", [{"name": "new"}]),
        (spec(tolerations=[{"key": "b"}]), "spec.tolerations", [{"key": "b"}]),
    ],
)
def test_a_strategic_patch_of_a_pod_gives(patch: Json, path: str, result: Json) -> None:
    before = copy.deepcopy(POD)

    patched = strategic_merge("Pod", POD, patch)

    assert at(patched, path) == result
    assert before == POD


def at(value: Json, path: str) -> Json:
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
    return value


def test_the_order_of_a_merged_list_can_be_given() -> None:
    order: Json = [{"name": "new"}, {"name": "log"}, {"name": "web"}]

    patched = strategic_merge(
        "Pod", POD, spec(**{"$setElementOrder/containers": order, "containers": [{"name": "new"}]})
    )

    assert [at(patched, f"spec.containers.{place}.name") for place in range(3)] == ["new", "log", "web"]


def test_items_that_the_order_does_not_name_stay_behind_their_neighbours() -> None:
    ports: Json = [{"port": port} for port in (1, 2, 3, 4)]
    order: Json = [{"port": 4}, {"port": 1}]

    patched = strategic_merge("Service", {"spec": {"ports": ports}}, spec(**{"$setElementOrder/ports": order}))

    assert at(patched, "spec.ports") == [{"port": 4}, {"port": 1}, {"port": 2}, {"port": 3}]


def test_service_ports_merge_by_number() -> None:
    service: Json = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]}}

    patched = strategic_merge("Service", service, spec(ports=[{"port": 443, "targetPort": 8443}]))

    assert at(patched, "spec.ports") == [
        {"port": 80, "name": "http"},
        {"port": 443, "name": "https", "targetPort": 8443},
    ]


def test_the_endpoints_of_a_slice_are_replaced_whole() -> None:
    patched = strategic_merge("EndpointSlice", {"endpoints": [{"addresses": ["10.0.0.1"]}]}, {"endpoints": []})

    assert patched == {"endpoints": []}


@pytest.mark.parametrize(
    "patch",
    [
        spec(containers=[{"image": "web:2"}]),
        spec(containers=["web"]),
        {"metadata": {"$patch": "frob"}},
        spec(**{"$setElementOrder/containers": [{"x": 1}]}),
        {"metadata": {"$retainKeys": "labels"}},
    ],
)
def test_a_wrong_strategic_patch_is_refused(patch: Json) -> None:
    with pytest.raises(Malformed):
        strategic_merge("Pod", POD, patch)


def test_an_item_may_go_and_come_again_behind_the_others() -> None:
    ports: Json = [{"port": 1, "name": "old"}, {"port": 2}]
    patch: Json = [{"$patch": "delete", "port": 1}, {"port": 1, "name": "new"}]

    patched = strategic_merge("Service", {"spec": {"ports": ports}}, spec(ports=patch))

    assert at(patched, "spec.ports") == [{"port": 2}, {"port": 1, "name": "new"}]


def test_a_list_as_long_as_a_body_can_hold_is_merged_item_by_item() -> None:
    many: Json = [{"name": f"c{number}"} for number in range(40_000)]

    patched = strategic_merge("Pod", spec(containers=many), spec(containers=[*many, {"name": "last"}]))

    assert at(patched, "spec.containers") == [*many, {"name": "last"}]
