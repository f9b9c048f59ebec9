"""A cluster's zone fetched whole by somebody else's client, in as many messages as it takes."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ipamd.daemon import Daemon
from tests.kdns.server import Kdns

COREFILE = """\
cluster.local:@PORT@ {
    bind 127.0.0.1
    kubernetes {
        endpoint %s
    }
    transfer {
        to %s
    }
}
"""
PORTS = 300  # of one Service: more records than a message holds


@pytest.fixture
def ipamd(tmp_path: Path) -> Iterator[Daemon]:
    """A cluster with one headless Service of two endpoints and many ports."""
    made = Daemon(tmp_path)
    made.start()
    made.request("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    ports = [{"name": f"a-port-with-a-long-{number}", "port": number} for number in range(1, PORTS + 1)]
    spec = {"clusterIP": "None", "ports": ports}
    made.request("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": spec})
    endpoints = [{"addresses": [f"10.244.0.{number}"]} for number in (7, 8)]
    metadata = {"name": "web-a", "labels": {"kubernetes.io/service-name": "web"}}
    body = {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": ports}
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    assert made.request("POST", path, body).status == 201
    yield made
    made.stop()


def dig(server: Kdns, *words: str) -> list[str]:
    """What dig prints of a query to the server, a record a line, blanks between its parts."""
    command = ["dig", "@127.0.0.1", "-p", str(server.port), "+time=5", "+tries=1", "+nocomments", "+nocmd", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [" ".join(line.split()) for line in printed.splitlines() if line and not line.startswith(";; ")]


def test_a_zone_is_fetched_whole(ipamd: Daemon, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(COREFILE % (ipamd.url, "127.0.0.1"))

    first, *found, last = dig(server, "cluster.local", "AXFR", "+nostats")

    assert first == last
    assert first.startswith("cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ")
    assert sum("web.default.svc" in line for line in found) == 2 * (2 + PORTS)
    assert "kubernetes.default.svc.cluster.local. 5 IN A 10.96.0.1" in found
    assert "web.default.svc.cluster.local. 5 IN A 10.244.0.7" in found
    owner = f"_a-port-with-a-long-{PORTS}._tcp.web.default.svc.cluster.local."
    assert f"{owner} 5 IN SRV 0 50 {PORTS} 10-244-0-8.web.default.svc.cluster.local." in found
    assert f'Outgoing transfer of {len(found) + 2} records of zone "cluster.local."' in server.wait_for("Outgoing")

    serial = first.split()[6]
    assert dig(server, "cluster.local", f"IXFR={serial}", "+nostats") == [first]
    assert len(dig(server, "cluster.local", "IXFR=1", "+nostats")) == len(found) + 2


def test_somebody_else_is_refused(ipamd: Daemon, kdns: Callable[[str], Kdns]) -> None:
    server = kdns(COREFILE % (ipamd.url, "192.0.2.7"))
    assert dig(server, "cluster.local", "AXFR", "+nostats") == ["; Transfer failed."]
