"""EndpointSlices from a Service and its Pods."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipamd.endpoints import (
    HEADLESS,
    MANAGED_BY,
    MANAGER,
    MAX_ENDPOINTS,
    SERVICE_NAME,
    TRIGGER_TIME,
    Changes,
    endpoints_of,
    reconcile,
    selects,
)
from ipamd.json import Json, Object
from ipamd.kube.shapes import Endpoint, EndpointPort, EndpointSlice, Pod, Service, view

NOW, LATER = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"


def service(ports: Json = None, labels: Object | None = None, families: Json = None, **spec: Json) -> Service:
    merged: Object = {
        "clusterIP": "10.96.0.9",
        "selector": {"app": "web"},
        "ports": ports if ports is not None else [{"port": 80, "targetPort": 8080}],
        "ipFamilies": families or ["IPv4"],
        **spec,
    }
    return view(
        {"metadata": {"name": "web", "namespace": "shop", "uid": "s1", "labels": labels or {}}, "spec": merged}, Service
    )


def pod(name: str, *ips: str, ready: bool = True, phase: str = "Running", deleted: str = "", **spec: Json) -> Pod:
    meta: Object = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": {"app": "web"}}
    status: Object = {
        "phase": phase,
        "podIPs": [{"ip": ip} for ip in ips],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    return view({"metadata": {**meta, "deletionTimestamp": deleted}, "spec": spec, "status": status}, Pod)


def only_endpoint(of: Service, from_: Pod) -> Endpoint:
    [(_, found)] = endpoints_of(of, from_)
    return found


def conditions(found: Endpoint) -> tuple[bool | None, bool | None, bool | None]:
    return found.conditions.ready, found.conditions.serving, found.conditions.terminating


@pytest.mark.parametrize(
    ("publish", "ready", "deleted", "expected"),
    [
        (False, True, "", (True, True, False)),
        (False, False, "", (False, False, False)),
        (True, False, "", (True, False, False)),
        (False, True, NOW, (False, True, True)),
        (True, True, NOW, (True, True, True)),
        (True, False, NOW, (True, False, True)),
    ],
)
def test_the_conditions_of_an_endpoint(
    publish: bool, ready: bool, deleted: str, expected: tuple[bool, bool, bool]
) -> None:
    of = service(publishNotReadyAddresses=publish)

    assert conditions(only_endpoint(of, pod("a", "10.0.0.1", ready=ready, deleted=deleted))) == expected


@pytest.mark.parametrize(
    ("spec", "hostname"),
    [
        ({}, None),
        ({"hostname": "db-0"}, None),
        ({"hostname": "db-0", "subdomain": "web"}, "db-0"),
        ({"hostname": "db-0", "subdomain": "other"}, None),
        ({"subdomain": "web"}, None),
    ],
)
def test_an_endpoint_has_a_hostname_only_under_the_subdomain_of_its_service(spec: Object, hostname: str | None) -> None:
    assert only_endpoint(service(), pod("a", "10.0.0.1", **spec)).hostname == hostname


def test_an_endpoint_says_which_pod_it_is_and_where_it_runs() -> None:
    found = only_endpoint(service(), pod("a", "10.0.0.1", nodeName="n1"))

    assert msgspec.to_builtins(found.target_ref) == {"kind": "Pod", "namespace": "shop", "name": "a", "uid": "uid-a"}
    assert found.node_name == "n1"


@pytest.mark.parametrize(
    "gone",
    [pod("a"), pod("a", "10.0.0.1", phase="Failed"), pod("a", "10.0.0.1", phase="Succeeded"), pod("a", "fd00::1")],
)
def test_a_pod_that_has_ended_or_has_no_address_of_the_family_is_no_endpoint(gone: Pod) -> None:
    assert endpoints_of(service(), gone) == []


def test_a_dual_stack_service_has_endpoints_of_both_families() -> None:
    found = endpoints_of(service(families=["IPv6", "IPv4"]), pod("a", "10.0.0.1", "fd00::1"))

    assert [(group.family, e.addresses) for group, e in found] == [("IPv6", ("fd00::1",)), ("IPv4", ("10.0.0.1",))]


NAMED: Json = [{"name": "app", "ports": [{"name": "http", "containerPort": 8081}]}]
SIDECAR: Json = [
    {"name": "setup", "ports": [{"name": "http", "containerPort": 1}]},
    {"name": "proxy", "restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 15001}]},
]


@pytest.mark.parametrize(
    ("port", "spec", "expected"),
    [
        ({"port": 80}, {}, 80),
        ({"port": 80, "targetPort": 8080}, {}, 8080),
        ({"port": 80, "targetPort": "http"}, {"containers": NAMED}, 8081),
        ({"port": 80, "targetPort": "http", "protocol": "UDP"}, {"containers": NAMED}, None),
        ({"port": 80, "targetPort": "grpc"}, {"containers": NAMED}, None),
        ({"port": 80, "targetPort": "http"}, {"initContainers": SIDECAR}, 15001),
    ],
)
def test_the_target_port_of_a_pod(port: Json, spec: Object, expected: int | None) -> None:
    [(group, _)] = endpoints_of(service(ports=[port]), pod("a", "10.0.0.1", **spec))

    assert [p.port for p in group.ports] == ([] if expected is None else [expected])


def test_the_ports_of_a_slice_keep_name_protocol_and_application_protocol() -> None:
    ports: Json = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80, "appProtocol": "http"}]
    [(group, _)] = endpoints_of(service(ports=ports), pod("a", "10.0.0.1"))

    assert group.ports == (
        EndpointPort(name="dns", port=53, protocol="UDP"),
        EndpointPort(name="web", port=80, protocol="TCP", app_protocol="http"),
    )


@pytest.mark.parametrize(
    ("spec", "labels", "chosen"),
    [
        ({}, {"app": "web", "x": "y"}, True),
        ({}, {"app": "db"}, False),
        ({"selector": {}}, {"app": "web"}, False),
        ({"type": "ExternalName"}, {"app": "web"}, False),
    ],
)
def test_which_pods_a_service_selects(spec: Object, labels: dict[str, str], chosen: bool) -> None:
    assert selects(service(**spec), labels) is chosen


def applied(slices: list[EndpointSlice], changes: Changes) -> list[EndpointSlice]:
    kept = {s.metadata.name: s for s in slices if s.metadata.name not in changes.delete}
    return [*{**kept, **{s.metadata.name: s for s in changes.put}}.values()]


def from_scratch(of: Service, pods: list[Pod], slices: list[EndpointSlice] | None = None) -> Changes:
    return reconcile(of, slices or [], (), {p.metadata.name: endpoints_of(of, p) for p in pods}, NOW)


def test_a_slice_is_named_labelled_and_owned_as_the_controller_does_it() -> None:
    [made] = from_scratch(service(labels={"team": "a", SERVICE_NAME: "x"}), [pod("a", "10.0.0.1")]).put

    assert made.metadata.name.startswith("web-")
    assert len(made.metadata.name) == len("web-") + 5
    assert made.metadata.generate_name == "web-"
    assert made.metadata.labels == {"team": "a", SERVICE_NAME: "web", MANAGED_BY: MANAGER}
    assert made.metadata.annotations == {TRIGGER_TIME: NOW}
    assert [(o.kind, o.name, o.uid, o.controller) for o in made.metadata.owner_references] == [
        ("Service", "web", "s1", True)
    ]
    assert from_scratch(service(), [pod("b", "10.0.0.2")]).put[0].metadata.name == made.metadata.name


def test_the_slices_of_a_headless_service_say_so() -> None:
    [made] = from_scratch(service(clusterIP="None"), [pod("a", "10.0.0.1")]).put

    assert made.metadata.labels[HEADLESS] == ""


def test_a_name_in_use_is_passed_over() -> None:
    [first] = from_scratch(service(), []).put

    [second] = reconcile(service(), [], [first.metadata.name], {}, NOW).put

    assert second.metadata.name != first.metadata.name


def test_a_service_without_endpoints_keeps_one_empty_slice_a_family_and_uses_it_again() -> None:
    of = service(families=["IPv4", "IPv6"])
    empty = from_scratch(of, []).put
    assert [(s.address_type, s.endpoints, s.ports) for s in empty] == [("IPv4", (), ()), ("IPv6", (), ())]

    filled = from_scratch(of, [pod("a", "10.0.0.1")], empty)

    assert [(s.metadata.name, len(s.endpoints)) for s in filled.put] == [(empty[0].metadata.name, 1)]
    assert filled.delete == []


def test_a_slice_holds_at_most_a_hundred_endpoints() -> None:
    pods = [pod(f"p{i}", f"10.0.{i // 200}.{i % 200 + 1}") for i in range(MAX_ENDPOINTS * 2 + 1)]

    made = from_scratch(service(), pods).put

    assert sorted(len(s.endpoints) for s in made) == [1, MAX_ENDPOINTS, MAX_ENDPOINTS]
    assert len({s.metadata.name for s in made}) == 3


def test_pods_that_give_a_named_port_other_numbers_go_to_other_slices() -> None:
    def with_port(name: str, ip: str, number: int) -> Pod:
        return pod(name, ip, containers=[{"ports": [{"name": "http", "containerPort": number}]}])

    of = service(ports=[{"port": 80, "targetPort": "http"}])
    made = from_scratch(
        of, [with_port("a", "10.0.0.1", 80), with_port("b", "10.0.0.2", 81), with_port("c", "10.0.0.3", 80)]
    )

    assert sorted((s.ports[0].port, len(s.endpoints)) for s in made.put) == [(80, 2), (81, 1)]


def test_what_has_not_changed_is_not_written_again() -> None:
    pods = [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")]

    assert from_scratch(service(), pods, from_scratch(service(), pods).put) == Changes([], [])


def test_a_change_of_one_pod_touches_its_slice_alone_and_gives_it_a_new_generation_and_trigger_time() -> None:
    of = service()
    slices = from_scratch(of, [pod(f"p{i}", f"10.0.0.{i + 1}") for i in range(150)]).put
    old = next(s for s in slices if any(e.target_ref and e.target_ref.name == "p3" for e in s.endpoints))

    wanted = {"p3": endpoints_of(of, pod("p3", "10.0.0.4", ready=False))}
    changes = reconcile(of, slices, (), wanted, LATER, only="p3")

    assert [s.metadata.name for s in changes.put] == [old.metadata.name]
    assert changes.put[0].metadata.generation == old.metadata.generation + 1
    assert changes.put[0].metadata.annotations == {TRIGGER_TIME: LATER}


def test_slices_of_a_family_that_the_service_no_longer_has_go() -> None:
    pods = [pod("a", "10.0.0.1", "fd00::1")]
    slices = from_scratch(service(families=["IPv4", "IPv6"]), pods).put

    changes = from_scratch(service(), pods, slices)

    assert changes.put == []
    assert changes.delete == [s.metadata.name for s in slices if s.address_type == "IPv6"]


def content(slices: list[EndpointSlice]) -> list[tuple[str, tuple[EndpointPort, ...], Endpoint | None]]:
    """Everything but how the endpoints are shared out among slices."""
    rows = [(s.address_type, s.ports, e) for s in slices for e in (s.endpoints or (None,))]
    return sorted(rows, key=str)


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["80", "81", "gone", "failed", "notready", "v4only"])), max_size=25
)


@settings(max_examples=60)
@given(STEPS)
def test_following_the_changes_of_pods_comes_to_the_same_endpoints_as_starting_from_scratch(
    steps: list[tuple[int, str]],
) -> None:
    of = service(ports=[{"port": 80, "targetPort": "http"}], families=["IPv4", "IPv6"])
    slices, pods = from_scratch(of, []).put, dict[str, Pod]()
    for number, how in steps:
        name = f"p{number}"
        ports: Json = [{"ports": [{"name": "http", "containerPort": 81 if how == "81" else 80}]}]
        ips = (f"10.0.0.{number + 1}",) if how == "v4only" else (f"10.0.0.{number + 1}", f"fd00::{number + 1}")
        phase = "Failed" if how == "failed" else "Running"
        pods[name] = pod(name, *ips, ready=how != "notready", phase=phase, containers=ports)
        wanted = {name: endpoints_of(of, pods[name])}
        if how == "gone":
            del pods[name], wanted[name]
        slices = applied(slices, reconcile(of, slices, (), wanted, NOW, only=name))

        assert content(slices) == content(from_scratch(of, [*pods.values()]).put)
        assert len({s.metadata.name for s in slices}) == len(slices)
