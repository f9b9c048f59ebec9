"""In a machine of its own: a stock Corefile on port 53, and the resolvers of glibc and busybox as Pods have them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ipamd.daemon import Daemon
from tests.kdns.server import Kdns, free_port
from tests.kdns.transport import certificates
from tests.system.surroundings import Machine

ROOT = Path(__file__).parents[2]
RESOLV_CONF = """\
search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 127.0.0.1
options ndots:5
"""
UPSTREAM = "nameserver 127.0.0.9\n"  # nobody: what kdns forwards to when it starts


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The demo cluster in ipamd, kdns as kubeadm configures it, in a Pod's surroundings."""
    directory = tmp_path_factory.mktemp("machine")
    made = Machine()
    ipamd = Daemon(directory)
    ipamd.prefix = made.prefix
    ipamd.start()
    front = tls_front(made, directory, ipamd.port)
    service_account(made, directory)
    kdns = Kdns(directory, (ROOT / "configs/Corefile.kubeadm").read_text())
    kdns.environment |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": front.args[-3]}  # type: ignore[dict-item]
    kdns.prefix = made.prefix
    resolv_conf = directory / "resolv.conf"
    resolv_conf.write_text(UPSTREAM)
    made.put("/etc/resolv.conf", resolv_conf)
    kdns.start()
    resolv_conf.write_text(RESOLV_CONF)
    made.run(sys.executable, "-m", "ipamd.ctl", "--server", ipamd.url, "apply", "-f", str(ROOT / "configs/demo"))
    yield made
    kdns.stop()
    front.terminate()
    front.wait(20)
    assert front.stdout is not None
    front.stdout.close()
    ipamd.stop()
    made.stop()
    assert "Traceback" not in kdns.output.read_text()


def tls_front(machine: Machine, directory: Path, target: int) -> "subprocess.Popen[str]":
    """HTTPS in front of ipamd, as an API server has it."""
    certificate = certificates.make(directory)
    command = [sys.executable, str(Path(__file__).with_name("tls_front.py")), str(free_port()), str(target)]
    front = subprocess.Popen([*machine.prefix, *command, str(certificate)], stdout=subprocess.PIPE, text=True)
    assert front.stdout is not None
    assert front.stdout.readline() == "ready\n"
    return front


def service_account(machine: Machine, directory: Path) -> None:
    """What every Pod finds in /var/run/secrets."""
    account = "/run/secrets/kubernetes.io/serviceaccount"
    token = directory / "token"
    token.write_text("a-token")
    machine.run("mkdir", "-p", account)
    machine.run("cp", str(token), f"{account}/token")
    machine.run("cp", str(directory / "certificate.crt"), f"{account}/ca.crt")


def test_the_stock_corefile_of_kubeadm_answers_unmodified(machine: Machine) -> None:
    told = machine.run("dig", "+short", "@127.0.0.1", "kube-dns.kube-system.svc.cluster.local")
    assert told.split() == ["10.96.0.10"]
    ready = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8181/ready').read().decode())"
    assert machine.run(sys.executable, "-c", ready) == "OK\n"


@pytest.mark.parametrize("name", ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "WEB"])
def test_glibc_finds_short_names(machine: Machine, name: str) -> None:
    whole = machine.run("dig", "+short", "@127.0.0.1", "web.shop.svc.cluster.local").split()
    found = machine.run("getent", "ahosts", name)
    assert {line.split()[0] for line in found.splitlines()} == set(whole)


def test_glibc_finds_names_of_other_namespaces_and_addresses_of_both_families(machine: Machine) -> None:
    members = machine.run("dig", "+short", "@127.0.0.1", "db.data.svc.cluster.local").split()
    found = machine.run("getent", "ahosts", "db.data").splitlines()
    assert {line.split()[0] for line in found} == set(members)
    with pytest.raises(subprocess.CalledProcessError):
        machine.run("getent", "ahosts", "nobody.shop")


def test_glibc_finds_names_of_addresses(machine: Machine) -> None:
    (line,) = machine.run("getent", "hosts", "10.96.0.10").splitlines()
    assert line.split() == ["10.96.0.10", "kube-dns.kube-system.svc.cluster.local"]


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("web", "web.shop.svc.cluster.local"),
        ("kube-dns.kube-system", "kube-dns.kube-system.svc.cluster.local"),
        ("kube-dns.kube-system.svc.cluster.local", "kube-dns.kube-system.svc.cluster.local"),
    ],
)
def test_busybox_finds_names(machine: Machine, name: str, whole: str) -> None:
    (address,) = machine.run("dig", "+short", "@127.0.0.1", whole).split()
    said = machine.says("busybox", "ping", "-c", "1", name)  # nobody has the address: its resolver is what counts
    assert f"PING {name} ({address})" in said
