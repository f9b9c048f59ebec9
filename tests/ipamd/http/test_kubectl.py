"""kubectl, the real one, against a daemon."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ipamd.daemon import Daemon

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "configs" / "demo"

Kubectl = Callable[..., str]

MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment without the configuration and cache of whoever runs the tests."""
    return {**os.environ, "KUBECONFIG": os.devnull, "HOME": str(tmp_path)}


@pytest.fixture
def kubectl(daemon: Daemon, environment: dict[str, str]) -> Kubectl:
    """Runs kubectl and returns what it prints; it has to succeed unless told otherwise."""

    def run(*arguments: str, stdin: str = "", fails: bool = False) -> str:
        done = subprocess.run(
            ["kubectl", "-s", daemon.url, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_demo_cluster_is_applied_and_listed(kubectl: Kubectl) -> None:
    kubectl("create", "-f", str(DEMO / "10-namespaces.yaml"))
    applied = kubectl("apply", "-f", str(DEMO))
    assert "service/web created" in applied
    # The Namespaces lack the annotation of `apply` the first time round; after that nothing changes.
    assert {line.split()[-1] for line in kubectl("apply", "-f", str(DEMO)).splitlines()} == {"unchanged"}

    listed = kubectl("get", "pods,svc,endpointslices", "-A")

    assert "NAMESPACE" in listed
    found = {(row[0], row[1]): row[2:] for row in rows(listed) if len(row) > 2}
    assert found["data", "pod/db-0"][:3] == ["1/1", "Running", "0"]
    assert found["data", "pod/queue-1"][0] == "0/1"
    assert found["kube-system", "service/kube-dns"][:4] == [
        "ClusterIP",
        "10.96.0.10",
        "<none>",
        "53/UDP,53/TCP,9153/TCP",
    ]
    assert found["shop", "service/web"][2] == "203.0.113.10"
    assert found["shop", "service/payments"][:3] == ["ExternalName", "<none>", "payments.example.com"]
    slices = [row for row in rows(listed) if row and "endpointslice" in row[-1 if len(row) == 1 else 1]]
    assert len(slices) >= 12


def test_objects_are_created_patched_labelled_and_deleted(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=MANIFEST).splitlines() == ["service/web created", "pod/web-0 created"]
    assert "already exists" in kubectl("create", "-f", "-", stdin=MANIFEST, fails=True)

    kubectl("patch", "svc", "web", "-p", '{"spec":{"ports":[{"port":80,"targetPort":8080}]}}')
    kubectl("patch", "svc", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/ports/1/port","value":82}]')
    kubectl("patch", "svc", "web", "--type=merge", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
    service = json.loads(kubectl("get", "svc", "web", "-o", "json"))
    assert [(p["port"], p["targetPort"]) for p in service["spec"]["ports"]] == [(80, 8080), (82, 81)]
    assert service["metadata"]["annotations"] == {"a": "b"}

    kubectl("label", "pod", "web-0", "tier=front")
    assert kubectl("get", "pods", "-l", "tier=front", "-o", "name") == "pod/web-0\n"
    kubectl("label", "pod", "web-0", "tier-")
    assert kubectl("get", "pods", "-l", "tier", "-o", "name") == ""
    assert kubectl("get", "pods", "--field-selector", "status.podIP=10.244.0.2", "-o", "name") == "pod/web-0\n"
    assert "condition met" in kubectl("wait", "--for=condition=Ready", "pod/web-0", "--timeout=5s")

    assert 'pod "web-0" deleted' in kubectl("delete", "pod", "web-0")
    assert 'service "web" deleted' in kubectl("delete", "svc", "web")
    assert 'pods "web-0" not found' in kubectl("get", "pod", "web-0", fails=True)


def test_what_kubectl_sends_as_protobuf_is_read(kubectl: Kubectl) -> None:
    assert kubectl("create", "namespace", "shop") == "namespace/shop created\n"
    assert "already exists" in kubectl("create", "namespace", "shop", fails=True)

    kubectl("create", "service", "nodeport", "web", "--tcp=80:http", "--node-port=30100", "-n", "shop")

    service = json.loads(kubectl("get", "service", "web", "-n", "shop", "-o", "json"))
    assert service["spec"]["ports"] == [
        {"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http", "nodePort": 30100}
    ]


def test_a_namespace_goes_with_its_contents(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin='{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"temp"}}')
    kubectl("create", "-n", "temp", "-f", "-", stdin=MANIFEST)

    kubectl("delete", "namespace", "temp")

    assert kubectl("get", "pods,svc", "-n", "temp", "-o", "name") == ""


def test_a_dry_run_on_the_server_changes_nothing(kubectl: Kubectl) -> None:
    tried = kubectl("apply", "--dry-run=server", "-f", "-", stdin=MANIFEST)

    assert "service/web created (server dry run)" in tried
    assert "not found" in kubectl("get", "svc", "web", fails=True)


def test_server_side_apply_is_refused(kubectl: Kubectl) -> None:
    assert "not available" in kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST, fails=True)


def test_a_watch_sees_changes(daemon: Daemon, kubectl: Kubectl, environment: dict[str, str]) -> None:
    kubectl("create", "-f", "-", stdin=MANIFEST)
    command = [
        "kubectl",
        "-s",
        daemon.url,
        "get",
        "pods",
        "-w",
        "--no-headers",
        "-o",
        "custom-columns=N:.metadata.name",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "web-0\n"
        kubectl("label", "pod", "web-0", "a=b")
        assert watching.stdout.readline() == "web-0\n"
        kubectl("create", "-f", "-", stdin=MANIFEST.replace("web-0", "web-1").replace("name: web}", "name: other}"))
        assert watching.stdout.readline() == "web-1\n"
        watching.terminate()


def test_a_table_of_a_watch_lines_up(daemon: Daemon, kubectl: Kubectl, environment: dict[str, str]) -> None:
    kubectl("create", "-f", "-", stdin=MANIFEST)
    with subprocess.Popen(
        ["kubectl", "-s", daemon.url, "get", "pods", "-w"], stdout=subprocess.PIPE, text=True, env=environment
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
        assert watching.stdout.readline().split()[:3] == ["web-0", "1/1", "Running"]
        kubectl("patch", "pod", "web-0", "-p", '{"metadata":{"labels":{"a":"b"}}}')
        assert watching.stdout.readline().split()[:3] == ["web-0", "1/1", "Running"]
        watching.terminate()


MORE = """
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: more}
spec: {cidrs: [10.7.0.0/24]}
---
apiVersion: networking.k8s.io/v1
kind: IPAddress
metadata: {name: 10.7.0.77}
spec: {parentRef: {resource: gateways, group: example.com, name: edge}}
"""


def test_service_cidrs_and_ip_addresses_are_managed(kubectl: Kubectl) -> None:
    applied = kubectl("apply", "-f", "-", stdin=MORE)
    assert applied == "servicecidr.networking.k8s.io/more created\nipaddress.networking.k8s.io/10.7.0.77 created\n"
    assert {line.split()[-1] for line in kubectl("apply", "-f", "-", stdin=MORE).splitlines()} == {"unchanged"}
    kubectl("create", "service", "clusterip", "web", "--tcp=80", "--clusterip=10.7.0.9")
    refusal = kubectl("create", "service", "clusterip", "other", "--tcp=80", "--clusterip=10.7.0.77", fails=True)
    assert "failed to allocate IP 10.7.0.77: provided IP is already allocated" in refusal

    listed = rows(kubectl("get", "servicecidr,ipaddress", "-o", "wide"))
    assert ["NAME", "CIDRS", "AGE"] in listed
    assert ["NAME", "PARENTREF", "AGE"] in listed
    found = {row[0]: row[1] for row in listed if len(row) == 3}
    assert found["servicecidr.networking.k8s.io/kubernetes"] == "10.96.0.0/12,fd00:10:96::/112"
    assert found["servicecidr.networking.k8s.io/more"] == "10.7.0.0/24"
    assert found["ipaddress.networking.k8s.io/10.96.0.1"] == "services/default/kubernetes"
    assert found["ipaddress.networking.k8s.io/10.7.0.9"] == "services/default/web"
    assert found["ipaddress.networking.k8s.io/10.7.0.77"] == "gateways.example.com/edge"
    assert kubectl("get", "ip", "-l", "ipaddress.kubernetes.io/ip-family=IPv4", "-o", "name").count("\n") == 2

    patch = '{"spec":{"cidrs":["10.8.0.0/24"]}}'
    assert "field is immutable" in kubectl("patch", "servicecidr", "more", "-p", patch, "--type=merge", fails=True)
    kubectl("label", "servicecidr", "more", "tier=second")
    assert "condition met" in kubectl("wait", "--for=condition=Ready", "servicecidr/more", "--timeout=5s")


def test_a_service_cidr_goes_once_nothing_is_in_it(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=MORE)
    kubectl("create", "service", "clusterip", "web", "--tcp=80", "--clusterip=10.7.0.9")
    kubectl("delete", "ipaddress", "10.7.0.77")

    kubectl("delete", "servicecidr", "more", "--wait=false")

    template = "{.status.conditions[0].reason}"
    assert kubectl("get", "servicecidr", "more", "-o", f"jsonpath={template}") == "Terminating"
    kubectl("delete", "service", "web")
    assert 'servicecidrs.networking.k8s.io "more" not found' in kubectl("get", "servicecidr", "more", fails=True)


def test_a_node_shows_its_blocks(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin='{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}')

    assert kubectl("get", "node", "n1", "-o", "jsonpath={.spec.podCIDRs}") == '["10.244.0.0/24","fd00:10:244::/64"]'
    assert "cidrs\t<[]string>" in kubectl("explain", "servicecidr.spec")
    assert "Whom an IPAddress belongs to" in kubectl("explain", "ipaddress.spec.parentRef")
    assert {"servicecidrs", "ipaddresses"} <= {row[0] for row in rows(kubectl("api-resources")) if row}


@pytest.mark.parametrize(
    ("named", "lines"),
    [
        ("servicecidr/kubernetes", ["CIDRs: 10.96.0.0/12, fd00:10:96::/112", "Kubernetes Service CIDR is ready"]),
        ("ipaddress/10.96.0.1", ["Resource: services", "Namespace: default", "Name: kubernetes"]),
        ("node/n1", ["PodCIDR: 10.244.0.0/24", "PodCIDRs: 10.244.0.0/24,fd00:10:244::/64"]),
    ],
)
def test_what_has_addresses_is_described(kubectl: Kubectl, named: str, lines: list[str]) -> None:
    kubectl("create", "-f", "-", stdin='{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}')

    described = " ".join(kubectl("describe", named).split())

    assert [line for line in lines if line not in described] == []


def test_the_address_of_a_service_comes_again_when_its_object_is_deleted(kubectl: Kubectl) -> None:
    assert kubectl("delete", "ipaddress", "10.96.0.1", "--wait=false").endswith('"10.96.0.1" deleted\n')

    assert rows(kubectl("get", "ipaddress", "10.96.0.1"))[1][1] == "services/default/kubernetes"


def test_the_blocks_of_a_node_stay(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin='{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}')

    both = '{"spec":{"podCIDR":"10.244.9.0/24","podCIDRs":["10.244.9.0/24"]}}'
    assert "is invalid" in kubectl("patch", "node", "n1", "--type=merge", "-p", both, fails=True)
    shown = kubectl("get", "node", "n1", "-o", "jsonpath={.spec.podCIDR}")
    assert shown == "10.244.0.0/24"
