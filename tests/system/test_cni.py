"""Containers in network namespaces, attached by Debian's bridge and ptp plugins with addresses from ipamd."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.containers import Host, Refused

COREFILE = """\
.:53 {{
    bind {gateway}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint {ipamd}
        pods verified
    }}
}}
"""
RANGES = {"type": "ipamd", "ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd00:77::/64"}]]}
BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "bridged",
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "ipam": {**RANGES, "routes": [{"dst": "0.0.0.0/0"}]},
}
PODS: dict[str, Any] = {**BRIDGE, "name": "pods", "ipam": {"type": "ipamd", "pool": "pods"}}
WHEREABOUTS = {"type": "ipamd", "range": "10.78.0.8-10.78.0.20/24", "gateway": "10.78.0.1"}
PTP = {"cniVersion": "0.4.0", "name": "pointed", "type": "ptp", "ipam": WHEREABOUTS}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host whose daemon must not have failed."""
    made = Host(tmp_path)
    yield made
    made.stop()


def pod(name: str) -> dict[str, Any]:
    container = {"name": "web", "image": "none"}
    metadata = {"name": name, "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def arguments(name: str) -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};K8S_POD_INFRA_CONTAINER_ID={name}"


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_containers_on_a_bridge_reach_each_other_and_leave_nothing(host: Host, version: str) -> None:
    config = {**BRIDGE, "cniVersion": version}
    results = {name: host.attach(config, name) for name in ("one", "two")}

    assert [each["address"] for each in results["two"]["ips"]] == ["10.77.0.3/24", "fd00:77::3/64"]
    host.ping("one", "10.77.0.3")
    host.ping("two", "10.77.0.1")
    assert "default via 10.77.0.1" in host.inside("one", "ip", "route")
    if version != "0.3.1":
        host.call("CHECK", {**config, "prevResult": results["one"]}, "one")

    for name in results:
        host.detach(config, name)
        host.call("DEL", config, name)  # again, with its namespace gone
    assert (host.leases("cni-bridged-v4"), host.leases("cni-bridged-v6"), host.interfaces()) == ({}, {}, [])


def test_a_point_to_point_link_gets_its_addresses(host: Host) -> None:
    first, second = (host.attach(PTP, name) for name in ("one", "two"))

    assert [each["address"] for each in (*first["ips"], *second["ips"])] == ["10.78.0.8/24", "10.78.0.9/24"]
    host.call("CHECK", {**PTP, "prevResult": first}, "one")
    host.ping("one", "10.78.0.9")
    for name in ("one", "two"):
        host.detach(PTP, name)
    assert (host.leases("cni-whereabouts-v4"), host.interfaces()) == ({}, [])


def test_pods_resolve_each_other_from_inside(host: Host) -> None:
    for name in ("a", "b"):
        host.request("POST", "/api/v1/namespaces/default/pods", pod(name))
    spec = {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    host.request("POST", "/api/v1/namespaces/default/services", service)
    given = {name: host.attach(PODS, name, CNI_ARGS=arguments(name))["ips"][0] for name in ("a", "b", "c")}
    gateway = given["a"]["gateway"]
    address = {name: each["address"].partition("/")[0] for name, each in given.items()}

    with host.machine.serving(host.directory / "kdns", COREFILE.format(gateway=gateway, ipamd=host.ipamd.url)):
        server = f"@{gateway}"
        found = host.inside("a", "dig", "+short", server, "web.default.svc.cluster.local").split()
        assert sorted(found) == sorted([address["a"], address["b"]])
        dashed = address["c"].replace(".", "-")  # a Pod that nobody but the plugin has made
        assert host.inside("b", "dig", "+short", server, f"{dashed}.default.pod.cluster.local").split() == [
            address["c"]
        ]
        host.ping("a", address["c"])

        host.detach(PODS, "c", CNI_ARGS=arguments("c"))
        answer = host.inside("a", "dig", server, f"{dashed}.default.pod.cluster.local")
        assert "NXDOMAIN" in answer
    for name in ("a", "b"):
        host.detach(PODS, name, CNI_ARGS=arguments(name))
    assert host.leases("pods") == {}


def test_a_pod_that_is_deleted_by_force_leaves_its_address_to_the_container_that_still_runs(host: Host) -> None:
    host.request("POST", "/api/v1/namespaces/default/pods", pod("a"))
    address = host.attach(PODS, "a", CNI_ARGS=arguments("a"))["ips"][0]["address"].partition("/")[0]
    host.request("DELETE", "/api/v1/namespaces/default/pods/a")

    assert host.leases("pods") == {address: "a/eth0"}
    host.attach(PODS, "b", CNI_ARGS=arguments("b"))
    host.ping("b", address)
    for name in ("a", "b"):
        host.detach(PODS, name, CNI_ARGS=arguments(name))
    assert host.leases("pods") == {}


def test_what_the_ipam_plugin_refuses_the_runtime_hears(host: Host) -> None:
    full = {**BRIDGE, "ipam": {"type": "ipamd", "subnet": "10.77.0.0/30"}}
    host.attach(full, "one")

    with pytest.raises(Refused) as refused:
        host.attach(full, "two")

    assert refused.value.error["code"] == 100
    assert host.leases("cni-bridged-v4") == {"10.77.0.2": "one/eth0"}


def test_without_the_daemon_an_add_is_to_be_tried_again_and_a_del_loses_nothing(host: Host) -> None:
    host.attach(BRIDGE, "one")
    host.ipamd.kill()

    for command, container in (("ADD", "two"), ("DEL", "one")):
        host.machine.says("ip", "netns", "add", container)
        with pytest.raises(Refused) as refused:
            host.call(command, BRIDGE, container)
        assert refused.value.error["code"] == 11

    host.ipamd.start()
    assert host.leases("cni-bridged-v4") == {"10.77.0.2": "one/eth0"}
    for name in ("two", "one"):  # a runtime calls DEL for an ADD that failed
        host.detach(BRIDGE, name)
    assert (host.leases("cni-bridged-v4"), host.interfaces()) == ({}, [])


def test_after_a_reboot_a_gc_releases_what_the_containers_had(host: Host) -> None:
    config = {**BRIDGE, "cniVersion": "1.1.0", "type": "ipamd"}
    for name in ("one", "two"):
        host.call("ADD", config, name)
    host.ipamd.kill()
    host.ipamd.flags += ["--config", str(written(host.directory, "[cni]\ngc_grace = 0"))]
    host.ipamd.start()

    host.call("GC", {**config, "cni.dev/valid-attachments": [{"containerID": "two", "ifname": "eth0"}]}, "none")

    assert host.leases("cni-bridged-v4") == {"10.77.0.3": "two/eth0"}


def written(directory: Path, text: str) -> Path:
    (directory / "ipamd.toml").write_text(text)
    return directory / "ipamd.toml"
