"""The Corefiles that distributions ship, as they ship them: on port 53, in a Pod's surroundings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.pod import ROOT, Pod

NODE_HOSTS = "192.168.56.11 node-1\n"
CUSTOM = "example.net:53 {\n    hosts {\n        192.0.2.7 custom.example.net\n    }\n}\n"
CLUSTER_DNS = """\
cluster.local in-addr.arpa ip6.arpa {
    bind 10.96.0.11
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
    }
}
"""
STUB = """\
consul.local {
    bind 10.150.0.1
    hosts {
        10.150.0.7 db.consul.local
    }
}
"""
KUBE_DNS = "kube-dns.kube-system.svc.cluster.local"


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """The demo cluster, files where k3s puts them, and the addresses that NodeLocal DNSCache and a stub domain use."""
    made = Pod(tmp_path_factory.mktemp("pod"))
    made.write("/etc/coredns/NodeHosts", NODE_HOSTS)
    made.write("/etc/coredns/custom/site.server", CUSTOM)
    made.write("/etc/coredns/custom/names.override", "nsid k3s\n")
    for address in ("169.254.20.10", "10.96.0.10", "10.96.0.11", "10.150.0.1"):
        made.run("ip", "address", "add", f"{address}/32", "dev", "lo")
    yield made
    made.stop()


def corefile(distribution: str) -> str:
    return (ROOT / f"configs/Corefile.{distribution}").read_text()


def test_every_stock_corefile_has_a_test_here() -> None:
    tested = Path(__file__).read_text()
    for path in (ROOT / "configs").glob("Corefile.*"):
        assert f'"{path.suffix[1:]}"' in tested or path.suffix == ".demo"


@pytest.mark.parametrize("distribution", ["kubeadm", "minikube", "k3s", "eks", "stubdomain"])
def test_answers_for_the_cluster_and_says_that_it_is_well(pod: Pod, distribution: str) -> None:
    server = pod.kdns(distribution, corefile(distribution))

    assert pod.dig("127.0.0.1", KUBE_DNS) == ["10.96.0.10"]
    assert pod.dig("127.0.0.1", "-x", "10.96.0.10") == [f"{KUBE_DNS}."]
    assert pod.dig("127.0.0.1", "1-2-3-4.default.pod.cluster.local") == ["1.2.3.4"]
    assert pod.get("http://127.0.0.1:8181/ready") == "OK"
    assert pod.get("http://127.0.0.1:8080/health") == "OK"
    assert "coredns_dns_requests_total" in pod.get("http://127.0.0.1:9153/metrics")
    pod.end(server)


def test_minikube_names_its_host_and_logs_queries(pod: Pod) -> None:
    server = pod.kdns("minikube-host", corefile("minikube"))
    assert pod.dig("127.0.0.1", "host.minikube.internal") == ["192.168.49.1"]
    assert '"A IN host.minikube.internal. udp' in server.wait_for("host.minikube.internal")
    pod.end(server)


def test_k3s_reads_node_hosts_and_what_the_site_adds(pod: Pod) -> None:
    server = pod.kdns("k3s-site", corefile("k3s"))
    assert pod.dig("127.0.0.1", "node-1") == ["192.168.56.11"]
    assert pod.dig("127.0.0.1", "custom.example.net") == ["192.0.2.7"]
    assert "NSID: 6b 33 73" in pod.run("dig", "+nsid", "@127.0.0.1", "node-1")
    pod.end(server)


def test_a_stub_domain_is_asked_of_its_own_server(pod: Pod) -> None:
    stub = pod.kdns("stub", STUB)
    bound = re.sub(r"(?m)^(\S+:53 \{)$", r"\1\n    bind 127.0.0.1", corefile("stubdomain"))
    server = pod.kdns("stub-client", bound)
    assert pod.dig("127.0.0.1", "db.consul.local") == ["10.150.0.7"]
    pod.end(server, stub)


def test_nodelocaldns_asks_the_cluster_over_tcp_and_keeps_what_it_hears(pod: Pod) -> None:
    cluster = pod.kdns("cluster", CLUSTER_DNS)
    server = pod.kdns("nodelocaldns", corefile("nodelocaldns"))
    for address in ("169.254.20.10", "10.96.0.10"):
        assert pod.dig(address, KUBE_DNS) == ["10.96.0.10"]
    pod.end(cluster)
    assert pod.dig("169.254.20.10", KUBE_DNS) == ["10.96.0.10"]
    assert pod.get("http://169.254.20.10:8080/health") == "OK"
    assert 'coredns_cache_hits_total{server="dns://10.96.0.10:53"' in pod.get("http://127.0.0.1:9253/metrics")
    pod.end(server)
