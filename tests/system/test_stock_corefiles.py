"""The Corefiles that distributions ship, as they ship them: on port 53, in a Pod's surroundings.

Two machines with a cable between them: the Pod with its cluster, and the world outside, where the upstreams are.
"""

from collections.abc import Iterator

import pytest

from tests.kdns.server import Kdns
from tests.system.pod import ROOT, Pod
from tests.system.surroundings import Machine

NODE_HOSTS = "192.168.56.11 node-1\n"
SITE = "example.net:53 {\n    hosts {\n        192.0.2.7 custom.example.net\n    }\n}\n"
KUBE_DNS = "kube-dns.kube-system.svc.cluster.local"
STOCK = {path.suffix[1:]: path.read_text() for path in (ROOT / "configs").glob("Corefile.*") if path.suffix != ".demo"}
IN_CLUSTER = sorted(name for name, text in STOCK.items() if "kubernetes" in text)
PAGES = {
    "ready": ("http://127.0.0.1:8181/ready", "OK"),
    "health": ("http://127.0.0.1:8080/health", "OK"),
    "prometheus": ("http://127.0.0.1:9153/metrics", "# HELP coredns_"),
}

RESOLV_CONF = "nameserver 198.51.100.53\n"
OUTSIDE = ("198.51.100.53", "172.16.0.1", "10.150.0.1", "10.96.114.203")  # the addresses in the Corefiles
UPSTREAM = """\
. {
    bind 198.51.100.53 172.16.0.1
    hosts {
        192.0.2.80 www.example.org
    }
}
consul.local {
    bind 10.150.0.1
    hosts {
        10.150.0.7 db.consul.local
    }
}
cluster.local {
    bind 10.96.114.203
    log
    hosts {
        10.96.0.10 kube-dns.kube-system.svc.cluster.local
    }
}
"""


@pytest.fixture(scope="module")
def world() -> Iterator[Machine]:
    """Everything outside of the Pod."""
    made = Machine()
    made.has(*OUTSIDE)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def upstream(world: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdns]:
    """The servers that the Corefiles forward to."""
    with world.serving(tmp_path_factory.mktemp("world") / "upstream", UPSTREAM) as server:
        yield server


@pytest.fixture(scope="module")
def pod(world: Machine, upstream: Kdns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """The demo cluster, files where k3s puts them, and the addresses on which NodeLocal DNSCache listens."""
    made = Pod(tmp_path_factory.mktemp("pod"), beside=world)
    made.write("/etc/coredns/NodeHosts", NODE_HOSTS)
    made.write("/etc/coredns/custom/site.server", SITE)
    made.write("/etc/coredns/custom/names.override", "nsid k3s\n")
    made.machine.has("169.254.20.10", "10.96.0.10")
    made.machine.join(world, "10.244.0.100/32", "192.0.2.1/32")
    made.write("/etc/resolv.conf", RESOLV_CONF)
    yield made
    made.stop()


def test_each_of_them_is_started_here() -> None:
    assert set(STOCK) - set(IN_CLUSTER) == {"nodelocaldns"}


@pytest.mark.parametrize("distribution", IN_CLUSTER)
def test_answers_for_the_cluster_and_the_world_and_says_that_it_is_well(pod: Pod, distribution: str) -> None:
    with pod.serving(distribution, STOCK[distribution]):
        assert pod.dig("127.0.0.1", KUBE_DNS) == ["10.96.0.10"]
        assert pod.dig("127.0.0.1", "-x", "10.96.0.10") == [f"{KUBE_DNS}."]
        assert pod.dig("127.0.0.1", "1-2-3-4.default.pod.cluster.local") == ["1.2.3.4"]
        assert pod.dig("127.0.0.1", "www.example.org") == ["192.0.2.80"]
        for directive, page in PAGES.items():
            assert directive not in STOCK[distribution] or pod.get(page[0]).startswith(page[1])


def test_minikube_names_its_host_and_logs_queries(pod: Pod) -> None:
    with pod.serving("minikube-host", STOCK["minikube"]) as server:
        assert pod.dig("127.0.0.1", "host.minikube.internal") == ["192.168.49.1"]
        assert '"A IN host.minikube.internal. udp' in server.wait_for("host.minikube.internal")


def test_k3s_reads_node_hosts_and_what_the_site_adds(pod: Pod) -> None:
    with pod.serving("k3s-site", STOCK["k3s"]):
        assert pod.dig("127.0.0.1", "node-1") == ["192.168.56.11"]
        assert pod.dig("127.0.0.1", "custom.example.net") == ["192.0.2.7"]
        assert "NSID: 6b 33 73" in pod.run("dig", "+nsid", "@127.0.0.1", "node-1")


def test_a_stub_domain_is_asked_of_its_own_server(pod: Pod) -> None:
    with pod.serving("stub", STOCK["stubdomain"]):
        assert pod.dig("127.0.0.1", "db.consul.local") == ["10.150.0.7"]


def test_nodelocaldns_keeps_what_it_hears_of_the_cluster_over_tcp(pod: Pod, upstream: Kdns) -> None:
    with pod.serving("nodelocaldns", STOCK["nodelocaldns"]):
        for address in ("169.254.20.10", "10.96.0.10"):
            assert pod.dig(address, KUBE_DNS) == ["10.96.0.10"]
            assert pod.dig(address, KUBE_DNS) == ["10.96.0.10"]
            assert pod.dig(address, "www.example.org") == ["192.0.2.80"]
        assert pod.get("http://169.254.20.10:8080/health") == "OK"
        metrics = pod.get("http://127.0.0.1:9253/metrics")
    assert 'coredns_cache_hits_total{server="dns://10.96.0.10:53"' in metrics
    heard = upstream.output.read_text()
    assert f"A IN {KUBE_DNS}. tcp" in heard
    assert " udp " not in heard
