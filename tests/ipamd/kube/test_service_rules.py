"""What a Service must be, apart from what is free."""

from typing import Any

import pytest

from ipamd.kube.service_rules import choose_families, fill_in, service_causes
from ipamd.kube.shapes import Service, view

PORTS: list[Any] = [{"port": 80}]


def complaints(spec: dict[str, Any]) -> list[str]:
    document: dict[str, Any] = {"metadata": {"name": "web"}, "spec": spec}
    fill_in(document)
    return [f"{cause.field}: {cause.message}" for cause in service_causes(view(document, Service).spec)]


@pytest.mark.parametrize(
    "spec",
    [
        {"ports": PORTS},
        {"clusterIP": "None"},
        {"clusterIP": "None", "selector": {"a": "b"}},
        {"ports": PORTS, "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]},
        {"ports": [{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53}]},
        {"ports": [{"port": 80, "targetPort": "http-web"}]},
        {"type": "ExternalName", "externalName": "www.example.org."},
        {"type": "ExternalName", "externalName": "www.example.org", "ports": PORTS},
        {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]},
        {"ports": PORTS, "externalIPs": ["192.0.2.1", "2001:db8::1"]},
    ],
)
def test_a_sound_service_passes(spec: dict[str, Any]) -> None:
    assert complaints(spec) == []


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "spec.ports: Required value"),
        ({"type": "Magic", "ports": PORTS}, 'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", '),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        ({"type": "ExternalName", "externalName": "a_b"}, 'spec.externalName: Invalid value: "a_b"'),
        (
            {"type": "ExternalName", "externalName": "a.b", "clusterIP": "10.0.0.1"},
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
        ),
        (
            {"type": "LoadBalancer", "clusterIP": "None", "ports": PORTS},
            "may not be set to 'None' for LoadBalancer services",
        ),
        ({"ports": PORTS, "clusterIPs": ["10.0.0.1"]}, "must be empty when `clusterIP` is not specified"),
        (
            {"ports": PORTS, "clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.1"]},
            'spec.clusterIPs[0]: Invalid value: []string{"10.0.0.1"}: first value must match `clusterIP`',
        ),
        ({"ports": PORTS, "clusterIP": "10.0.0.256"}, "must be a valid IP address"),
        ({"ports": PORTS, "clusterIP": "fe80::1%eth0"}, "must be a valid IP address"),
        (
            {"ports": PORTS, "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "10.0.0.2"]},
            "may specify no more than one IP for each IP family",
        ),
        (
            {"ports": PORTS, "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1", "fd00::2"]},
            "may only hold up to 2 values",
        ),
        ({"ports": PORTS, "clusterIP": "None", "clusterIPs": ["None", "fd00::1"]}, "'None' must be the first and only"),
        ({"ports": PORTS, "ipFamilies": ["IPv5"]}, 'spec.ipFamilies[0]: Unsupported value: "IPv5"'),
        ({"ports": PORTS, "ipFamilies": ["IPv4", "IPv4"]}, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
        ({"ports": PORTS, "ipFamilyPolicy": "Both"}, 'spec.ipFamilyPolicy: Unsupported value: "Both"'),
        (
            {"ports": PORTS, "clusterIP": "10.0.0.1", "ipFamilies": ["IPv6"]},
            "expected an IPv6 value as indicated by `ipFamilies[0]`",
        ),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 80, "targetPort": 70000}]}, "spec.ports[0].targetPort: Invalid value: 70000"),
        ({"ports": [{"port": 80, "targetPort": "UP"}]}, 'spec.ports[0].targetPort: Invalid value: "UP"'),
        ({"ports": [{"port": 80, "targetPort": "a--b"}]}, 'spec.ports[0].targetPort: Invalid value: "a--b"'),
        ({"ports": [{"port": 80, "protocol": "ICMP"}]}, 'spec.ports[0].protocol: Unsupported value: "ICMP"'),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 80, "name": "A"}]}, 'spec.ports[0].name: Invalid value: "A"'),
        (
            {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]},
            'spec.ports[1].name: Duplicate value: "a"',
        ),
        (
            {"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]},
            'spec.ports[1]: Duplicate value: "80/TCP"',
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30000}]},
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        ({"ports": PORTS, "selector": {"a b": "c"}}, "spec.selector: Invalid value"),
        ({"ports": PORTS, "externalIPs": ["here"]}, 'spec.externalIPs[0]: Invalid value: "here"'),
    ],
)
def test_a_wrong_service_is_told_what_is_wrong(spec: dict[str, Any], complaint: str) -> None:
    assert any(complaint in told for told in complaints(spec)), complaints(spec)


@pytest.mark.parametrize(
    ("spec", "pools", "policy", "families"),
    [
        ({}, ("IPv4", "IPv6"), "SingleStack", ("IPv4",)),
        ({}, ("IPv6",), "SingleStack", ("IPv6",)),
        ({"clusterIP": "None"}, ("IPv4",), "RequireDualStack", ("IPv4", "IPv6")),
        ({"clusterIP": "None", "selector": {"a": "b"}}, ("IPv4",), "SingleStack", ("IPv4",)),
        ({"ipFamilyPolicy": "PreferDualStack"}, ("IPv4",), "PreferDualStack", ("IPv4",)),
        (
            {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]},
            ("IPv4", "IPv6"),
            "PreferDualStack",
            ("IPv6", "IPv4"),
        ),
        ({"clusterIP": "fd00::1"}, ("IPv4", "IPv6"), "SingleStack", ("IPv6",)),
    ],
)
def test_the_policy_and_families_that_a_service_gets(
    spec: dict[str, Any], pools: tuple[str, ...], policy: str, families: tuple[str, ...]
) -> None:
    document: dict[str, Any] = {"spec": spec}
    fill_in(document)

    assert choose_families(view(document, Service).spec, pools) == (policy, families, [])


TWO = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]}
MISSING = "not configured on this cluster"
ONE_STACK = "this cluster is not configured for dual-stack services"
SINGLE = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"


@pytest.mark.parametrize(
    ("spec", "pools", "complaint"),
    [
        (
            TWO,
            ("IPv4", "IPv6"),
            f'spec.ipFamilyPolicy: Invalid value: "SingleStack": {SINGLE} cluster IPs are specified',
        ),
        (
            {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]},
            ("IPv4", "IPv6"),
            f'spec.ipFamilyPolicy: Invalid value: "SingleStack": {SINGLE} IP families are specified',
        ),
        (
            {**TWO, "ipFamilyPolicy": "PreferDualStack"},
            ("IPv4",),
            f'spec.clusterIPs[1]: Invalid value: []string{{"10.0.0.1", "fd00::1"}}: IPv6 is {MISSING}',
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            ("IPv4",),
            f'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": {ONE_STACK}',
        ),
        (
            {"ipFamilies": ["IPv6"]},
            ("IPv4",),
            'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ),
    ],
)
def test_families_that_a_service_cannot_have(spec: dict[str, Any], pools: tuple[str, ...], complaint: str) -> None:
    _, _, [cause] = choose_families(view({"spec": spec}, Service).spec, pools)

    assert f"{cause.field}: {cause.message}" == complaint
