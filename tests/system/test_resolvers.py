"""In a machine of its own: a stock Corefile on port 53, and the resolvers of glibc and busybox as Pods have them."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.system.pod import ROOT, Pod

RESOLV_CONF = """\
search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 127.0.0.1
options ndots:5
"""


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """The demo cluster, and kdns in front of it as kubeadm configures it."""
    made = Pod(tmp_path_factory.mktemp("pod"))
    with made.serving("kubeadm", (ROOT / "configs/Corefile.kubeadm").read_text()):
        made.write("/etc/resolv.conf", RESOLV_CONF)
        yield made
    made.stop()


@pytest.mark.parametrize("name", ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "WEB"])
def test_glibc_finds_short_names(pod: Pod, name: str) -> None:
    whole = pod.dig("127.0.0.1", "web.shop.svc.cluster.local")
    found = pod.run("getent", "ahosts", name)
    assert {line.split()[0] for line in found.splitlines()} == set(whole)


def test_glibc_finds_names_of_other_namespaces_and_only_those_that_exist(pod: Pod) -> None:
    members = pod.dig("127.0.0.1", "db.data.svc.cluster.local")
    found = pod.run("getent", "ahosts", "db.data").splitlines()
    assert {line.split()[0] for line in found} == set(members)
    with pytest.raises(subprocess.CalledProcessError):
        pod.run("getent", "ahosts", "nobody.shop")


def test_glibc_finds_addresses_of_both_families(pod: Pod) -> None:
    both = [
        address for kind in ("A", "AAAA") for address in pod.dig("127.0.0.1", "checkout.shop.svc.cluster.local", kind)
    ]
    found = pod.run("getent", "ahosts", "checkout").splitlines()
    assert len(both) == 2
    assert {line.split()[0] for line in found} == set(both)


def test_glibc_finds_names_of_addresses(pod: Pod) -> None:
    (line,) = pod.run("getent", "hosts", "10.96.0.10").splitlines()
    assert line.split() == ["10.96.0.10", "kube-dns.kube-system.svc.cluster.local"]


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("web", "web.shop.svc.cluster.local"),
        ("kube-dns.kube-system", "kube-dns.kube-system.svc.cluster.local"),
        ("kube-dns.kube-system.svc.cluster.local", "kube-dns.kube-system.svc.cluster.local"),
    ],
)
def test_busybox_finds_names(pod: Pod, name: str, whole: str) -> None:
    (address,) = pod.dig("127.0.0.1", whole)
    said = pod.machine.says("busybox", "ping", "-c", "1", name)  # nobody has the address: its resolver is what counts
    assert f"PING {name} ({address})" in said
