"""Tables: the cells that kubectl prints."""

from typing import Any

import pytest

from ipamd.kube.kinds import BY_NAME
from ipamd.kube.table import human_duration, table

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
META: dict[str, Any] = {"name": "x", "namespace": "shop", "creationTimestamp": "2023-11-14T22:12:20Z"}
CONTAINERS: dict[str, Any] = {"containers": [{"name": "a"}, {"name": "b"}]}
READY: dict[str, Any] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def cells(kind: str, **members: Any) -> list[Any]:
    document = {"metadata": {**META, **members.pop("metadata", {})}, **members}
    [row] = table(BY_NAME[kind], [document], {}, NOW, "None", head=True)["rows"]
    return row["cells"][1:]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"spec": CONTAINERS, "status": {**READY, "podIP": "10.0.0.1"}},
            ["2/2", "Running", "0", "60s", "10.0.0.1", "<none>", "<none>", "<none>"],
        ),
        (
            {
                "spec": {**CONTAINERS, "nodeName": "n1"},
                "status": {
                    "phase": "Running",
                    "containerStatuses": [{"ready": True, "restartCount": 3}, {"ready": False}],
                },
            },
            ["1/2", "Running", "3", "60s", "<none>", "n1", "<none>", "<none>"],
        ),
        (
            {"spec": CONTAINERS, "status": {"phase": "Failed", "reason": "Evicted"}},
            ["0/2", "Evicted", "0", "60s", "<none>", "<none>", "<none>", "<none>"],
        ),
        (
            {"metadata": {"deletionTimestamp": "2023-11-14T22:13:00Z"}, "status": READY},
            ["0/0", "Terminating", "0", "60s", "<none>", "<none>", "<none>", "<none>"],
        ),
    ],
)
def test_the_cells_of_a_pod(members: dict[str, Any], expected: list[str]) -> None:
    assert cells("Pod", **members) == expected


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        (
            {
                "clusterIP": "10.0.0.1",
                "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}],
                "selector": {"b": "c", "a": "b"},
            },
            {},
            ["ClusterIP", "10.0.0.1", "<none>", "80/TCP,53/UDP", "60s", "a=b,b=c"],
        ),
        (
            {
                "clusterIP": "10.0.0.1",
                "type": "NodePort",
                "ports": [{"port": 80, "nodePort": 30080}],
                "externalIPs": ["192.0.2.1"],
            },
            {},
            ["NodePort", "10.0.0.1", "192.0.2.1", "80:30080/TCP", "60s", "<none>"],
        ),
        (
            {"clusterIP": "10.0.0.1", "type": "LoadBalancer"},
            {},
            ["LoadBalancer", "10.0.0.1", "<pending>", "<none>", "60s", "<none>"],
        ),
        (
            {"clusterIP": "10.0.0.1", "type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.org"}]}},
            ["LoadBalancer", "10.0.0.1", "192.0.2.1,lb.example.org", "<none>", "60s", "<none>"],
        ),
        (
            {"type": "ExternalName", "externalName": "example.org"},
            {},
            ["ExternalName", "<none>", "example.org", "<none>", "60s", "<none>"],
        ),
    ],
)
def test_the_cells_of_a_service(spec: dict[str, Any], status: dict[str, Any], expected: list[str]) -> None:
    assert cells("Service", spec=spec, status=status) == expected


@pytest.mark.parametrize(
    ("addresses", "ports", "expected"),
    [
        ([], [], ["IPv4", "<unset>", "<unset>", "60s"]),
        (["10.0.0.1"], [{"port": 80}, {}], ["IPv4", "80,*", "10.0.0.1", "60s"]),
        (
            [f"10.0.0.{n}" for n in range(5)],
            [{"port": 80}],
            ["IPv4", "80", "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more...", "60s"],
        ),
    ],
)
def test_the_cells_of_an_endpoint_slice(addresses: list[str], ports: list[Any], expected: list[str]) -> None:
    endpoints = [{"addresses": [address]} for address in addresses]

    assert cells("EndpointSlice", addressType="IPv4", endpoints=endpoints, ports=ports) == expected


def test_the_cells_of_a_node() -> None:
    shown = cells(
        "Node",
        metadata={"labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": ""}},
        spec={"unschedulable": True},
        status={
            "conditions": [{"type": "Ready", "status": "False"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "nodeInfo": {"kubeletVersion": "v1.32.0"},
        },
    )

    assert shown[:4] == ["NotReady,SchedulingDisabled", "edge,worker", "60s", "v1.32.0"]
    assert shown[4:] == ["192.0.2.1", "<none>", "<unknown>", "<unknown>", "<unknown>"]


def test_the_cells_of_a_namespace() -> None:
    assert cells("Namespace", status={"phase": "Active"}) == ["Active", "60s"]


@pytest.mark.parametrize(
    ("include", "carried"),
    [
        ("None", None),
        ("Metadata", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": META}),
        ("Object", {"metadata": META}),
    ],
)
def test_a_row_carries_what_is_asked_for(include: str, carried: Any) -> None:
    made: Any = table(BY_NAME["Namespace"], [{"metadata": META}], {"resourceVersion": "7"}, NOW, include, head=False)

    assert made["rows"][0].get("object") == carried
    assert made["columnDefinitions"] == []
    assert made["metadata"] == {"resourceVersion": "7"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (8 * 3600 - 1, "7h59m"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (8 * 86400 - 1, "7d23h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400 - 1, "729d"),
        (2 * 365 * 86400, "2y"),
        (3 * 365 * 86400 - 1, "2y364d"),
        (9 * 365 * 86400 - 1, "8y"),
    ],
)
def test_a_duration_as_people_say_it(seconds: int, text: str) -> None:
    assert human_duration(seconds) == text


def test_an_age_that_is_no_time_is_unknown() -> None:
    assert cells("Namespace", metadata={"creationTimestamp": "yesterday"}) == ["", "<unknown>"]
