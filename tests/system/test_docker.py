"""A real dockerd with ipamd as its IPAM driver: containers get addresses and names, and give them back."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.system.engine import IMAGE, DockerHost

COREFILE = """\
.:53 {{
    bind {gateway}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint {ipamd}
    }}
}}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerHost]:
    """A host whose ipamd must not have failed."""
    made = DockerHost(tmp_path_factory.mktemp("d") / "host")
    yield made
    made.stop()


def found(host: DockerHost, name: str) -> set[str]:
    """The addresses of a name, as the container `client` finds them."""
    lines = host.inside("client", "nslookup", name).splitlines()
    return {line.removeprefix("Address: ") for line in lines if line.startswith("Address: ")}


def names(host: DockerHost) -> set[str]:
    return {each["metadata"]["name"] for each in host.request("/api/v1/services")["items"]} - {"kubernetes"}


def test_containers_reach_each_other_and_find_each_other_by_name(host: DockerHost) -> None:
    host.network("front", "--subnet", "10.60.0.0/24", "--ipv6", "--subnet", "fd00:60::/64", "--gateway", "10.60.0.1")
    serving = host.machine.serving(host.directory / "kdns", COREFILE.format(gateway="10.60.0.1", ipamd=host.ipamd.url))
    dns = ("--dns", "10.60.0.1", "--dns-search", "front.svc.cluster.local")
    with serving:
        assert host.run("web_1", "front", "--network-alias", "www", *dns) == "10.60.0.2"
        assert host.run("client", "front", "--ip", "10.60.0.77", *dns) == "10.60.0.77"
        host.until(lambda: {"web-1", "www", "client"} <= names(host))

        for name in ("10.60.0.2", "web-1"):  # which Docker itself does not know: its name is web_1
            assert "1 packets received" in host.inside("client", "ping", "-c", "1", "-W", "10", name)
        for name in ("web-1", "www"):
            host.until(lambda name=name: found(host, f"{name}.front.svc.cluster.local") == {"10.60.0.2", "fd00:60::2"})
        assert "client.client.front.svc.cluster.local" in host.inside("web_1", "nslookup", "10.60.0.77", "10.60.0.1")
        assert host.leases()["10.60.0.2"] == "Docker: container web_1 in network front"

        host.docker("rm", "-f", "web_1")
        assert "10.60.0.2" not in host.leases()
        assert names(host) == {"client"}
        assert "NXDOMAIN" in host.inside("client", "nslookup", "www.front.svc.cluster.local")
    host.docker("rm", "-f", "client")
    host.docker("network", "rm", "front")
    assert (host.leases(), names(host)) == ({}, set())


def test_a_restart_keeps_an_address_that_was_asked_for_and_a_network_without_a_subnet_gets_one(
    host: DockerHost,
) -> None:
    host.network("back")
    host.network(
        "static", "--subnet", "10.62.0.7/24", "--ip-range", "10.62.0.128/25", "--aux-address", "nas=10.62.0.129"
    )
    assert host.run("plain", "back") == "10.61.0.2"
    assert host.run("fixed", "static", "--ip", "10.62.0.9") == "10.62.0.9"
    assert host.run("next", "static") == "10.62.0.130"  # behind the gateway, which is in the range as well
    host.docker("restart", "fixed")
    assert host.address("fixed", "static") == "10.62.0.9"
    assert "Address already in use" in host.tried("run", "--network", "static", "--ip", "10.62.0.9", IMAGE, "sh").stderr
    assert (
        "Pool overlaps"
        in host.tried("network", "create", "--ipam-driver", "ipamd", "--subnet", "10.62.0.0/16", "x").stderr
    )

    host.docker("rm", "-f", "plain", "fixed", "next")
    host.docker("network", "rm", "back", "static")
    host.until(lambda: not host.leases())


@pytest.mark.parametrize(
    "options",
    [
        "--subnet 10.68.0.0/28 --ip-range 10.68.0.8/30 --aux-address a=10.68.0.9",
        "--subnet 10.68.0.5/29 --gateway 10.68.0.6 --aux-address a=10.68.0.1",
        "--ipv6 --subnet 10.68.0.0/29 --subnet fd00:68::/125 --aux-address a=fd00:68::2",
    ],
)
def test_addresses_are_those_of_docker_s_own_ipam(host: DockerHost, options: str) -> None:
    given = []
    for driver in ("default", "ipamd"):
        host.docker("network", "create", "--ipam-driver", driver, *options.split(), "alike")
        for name in ("one", "two"):
            host.run(name, "alike")
        fields = ("IPAddress", "Gateway", "GlobalIPv6Address", "IPv6Gateway")
        shown = " ".join(f"{{{{.NetworkSettings.Networks.alike.{each}}}}}" for each in fields)
        given.append(host.docker("inspect", "--format", shown, "one", "two"))
        host.docker("rm", "-f", "one", "two")
        host.docker("network", "rm", "alike")
    assert given[0] == given[1]


def test_what_a_killed_dockerd_had_comes_back_or_is_given_back(host: DockerHost) -> None:
    host.network("kept", "--subnet", "10.63.0.0/24")
    host.run("again", "kept", "--restart", "always")
    host.run("gone", "kept")
    host.until(lambda: {"again", "gone"} <= names(host))
    died = int(host.docker("inspect", "--format", "{{.State.Pid}}", "gone"))
    host.kill()
    os.kill(died, signal.SIGKILL)
    host.start()

    host.until(lambda: host.address("again", "kept") != "" and names(host) == {"again"})
    host.until(lambda: set(host.leases()) == {"10.63.0.1", host.address("again", "kept")})
    host.docker("rm", "-f", "again", "gone")
    host.docker("network", "rm", "kept")
    assert (host.leases(), names(host)) == ({}, set())


def test_what_was_leased_for_a_reply_that_got_lost_is_collected(host: DockerHost) -> None:
    host.network("lossy", "--subnet", "10.64.0.0/24")
    mac = {"com.docker.network.endpoint.macaddress": "02:42:00:00:00:99"}
    asked = {"PoolID": "ipamdlocal/10.64.0.0/24", "Address": "10.64.0.9", "Options": mac}
    lost = {"AddressSpace": "ipamdlocal", "Pool": "10.65.0.0/24"}
    call(host, "RequestAddress", asked)
    call(host, "RequestPool", lost)
    assert "10.64.0.9" in host.leases()

    host.run("one", "lossy")  # an event, and with it a look
    host.until(lambda: "10.64.0.9" not in host.leases())
    host.until(lambda: "docker-ipamdlocal-10.65.0.0-24" not in str(host.request("/v1/pools")))
    host.docker("rm", "-f", "one")
    host.docker("network", "rm", "lossy")


def test_containers_start_while_ipamd_is_restarted(host: DockerHost) -> None:
    host.network("busy", "--subnet", "10.66.0.0/24")
    host.ipamd.kill()
    host.ipamd.start()

    assert host.run("one", "busy") == "10.66.0.2"
    host.until(lambda: names(host) == {"one"})
    host.docker("rm", "-f", "one")
    host.docker("network", "rm", "busy")
    host.until(lambda: (host.leases(), names(host)) == ({}, set()))


def test_what_docker_has_is_taken_over_by_an_ipamd_that_has_lost_its_store(host: DockerHost) -> None:
    host.network("old", "--subnet", "10.67.0.0/24", "--subnet", "fd00:67::/64", "--ipv6")
    given = host.run("before", "old")
    leases = {*host.leases()}
    host.ipamd.kill()
    for file in host.directory.glob("ipamd.sqlite*"):
        file.unlink()
    host.ipamd.start()

    host.until(lambda: {*host.leases()} == leases and names(host) == {"before"})
    assert host.run("after", "old") not in (given, "10.67.0.1")
    host.docker("rm", "-f", "before", "after")
    host.docker("network", "rm", "old")
    assert (host.leases(), names(host)) == ({}, set())


def call(host: DockerHost, method: str, body: object) -> None:
    """Call the plugin as a dockerd would that goes away before the reply."""
    where = ("--unix-socket", "/run/docker/plugins/ipamd.sock", f"http://ipamd/IpamDriver.{method}")
    host.machine.run("curl", "--silent", "--fail", "--data", json.dumps(body), *where)
