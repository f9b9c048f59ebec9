"""`ipamctl import`: what host-local and whereabouts have allocated goes over, all of it or nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ipamd.cni.installing import NAME, install
from tests.ipamd.cni.calling import ENVIRONMENT
from tests.ipamd.cni.executing import Executable
from tests.ipamd.daemon import Daemon

HOST_LOCAL = "/usr/lib/cni/host-local"
RANGES = [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that serves the plugin, and has to end without a fault."""
    made = Daemon(tmp_path)
    made.flags = ["--cni-socket", str(tmp_path / "cni.sock")]
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.errors.read_text()


@pytest.fixture
def executable(daemon: Daemon, tmp_path: Path) -> Executable:
    """The plugin that calls it."""
    install(tmp_path / "bin")
    return Executable(tmp_path / "bin" / NAME, tmp_path / "cni.sock")


class HostLocal:
    """Debian's host-local, with a network of two range sets."""

    def __init__(self, place: Path) -> None:
        self.data = place / "networks"
        ipam = {"type": "host-local", "ranges": RANGES, "dataDir": str(self.data)}
        self.config = {"cniVersion": "0.4.0", "name": "mynet", "type": "bridge", "ipam": ipam}
        self.file = place / "10-mynet.conflist"
        listed = {"cniVersion": "1.0.0", "name": "mynet", "plugins": [self.config, {"type": "portmap"}]}
        self.file.write_text(json.dumps(listed))

    def add(self, container: str) -> list[str]:
        environment = {**os.environ, **ENVIRONMENT, "CNI_CONTAINERID": container}
        stdin = json.dumps(self.config)
        done = subprocess.run([HOST_LOCAL], input=stdin, env=environment, capture_output=True, text=True, check=True)
        return [each["address"] for each in json.loads(done.stdout)["ips"]]


def ipamctl(daemon: Daemon, *words: object) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "ipamd.ctl", "--server", daemon.url, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def held(daemon: Daemon) -> dict[str, str]:
    listed = daemon.request("GET", "/v1/leases?limit=1000").body["leases"]
    owners = {each["address"]: f"{each['owner']['kind']} {each['owner']['name']}" for each in listed}
    return {address: owner for address, owner in owners.items() if owner != "Service kubernetes"}


def test_what_host_local_has_given_goes_on_under_ipamd(daemon: Daemon, executable: Executable, tmp_path: Path) -> None:
    host_local = HostLocal(tmp_path)
    given = {f"c{number}": host_local.add(f"c{number}") for number in range(3)}
    (host_local.data / "mynet" / "10.1.2.77").touch()  # as a kill leaves it
    (host_local.data / "mynet" / "10.1.2.78").write_text("older\n")
    words = ("import", "host-local", host_local.data, "--config", tmp_path)

    status, tried, _ = ipamctl(daemon, *words, "--dry-run")
    assert (status, held(daemon)) == (0, {})
    assert "4 attachments with 7 addresses could be taken over" in tried
    status, done, _ = ipamctl(daemon, *words)
    assert status == 0
    assert "10.1.2.77: torn, it names no container" in done
    assert "10.1.2.78: names no interface, taken as eth0" in done
    assert "4 attachments with 7 addresses were taken over" in done
    assert len(held(daemon)) == 7

    config = {**host_local.config, "ipam": {"type": "ipamd", "ranges": RANGES}}
    assert {name: executable.add(config, name) for name in given} == given  # an ADD that is repeated
    assert executable.add(config, "new") == ["10.1.2.5/24", "2001:db8:1::5/64"]  # where host-local would go on
    for name in (*given, "older", "new"):
        assert executable.call("DEL", config, name).status == 0
    assert held(daemon) == {}


def test_an_import_may_be_repeated(daemon: Daemon, tmp_path: Path) -> None:
    host_local = HostLocal(tmp_path)
    host_local.add("c1")
    words = ("-o", "json", "import", "host-local", host_local.data, "--config", host_local.file, "--node", "n1")

    replies = [json.loads(ipamctl(daemon, *words)[1]) for _ in range(2)]

    one: dict[str, Any] = {"attachments": 1, "addresses": 2, "networks": {"mynet": 1}, "remarks": [], "dryRun": False}
    assert replies == [one, one]
    assert held(daemon) == {"10.1.2.2": "Attachment c1/eth0", "2001:db8:1::2": "Attachment c1/eth0"}


def test_all_or_nothing_goes_over(daemon: Daemon, tmp_path: Path) -> None:
    host_local = HostLocal(tmp_path)
    for number in range(3):
        host_local.add(f"c{number}")
    (host_local.data / "mynet" / "10.9.9.9").write_text("c9\r\neth0")

    status, _, told = ipamctl(daemon, "import", "host-local", host_local.data, "--config", tmp_path)

    assert (status, held(daemon)) == (1, {})
    why = "c9/eth0: failed to allocate all requested IPs: 10.9.9.9"
    assert told == f"ipamctl: none was taken over, for 1 cannot be: {why}\n"
    pools = [pool["name"] for pool in daemon.request("GET", "/v1/pools").body["pools"]]
    assert not [name for name in pools if name.startswith("cni-")]


@pytest.mark.parametrize("config", [[], ["--config", "{place}/empty"]])
def test_a_network_without_a_configuration_is_told(daemon: Daemon, tmp_path: Path, config: list[str]) -> None:
    host_local = HostLocal(tmp_path)
    host_local.add("c1")
    (tmp_path / "empty").mkdir()
    words = [word.format(place=tmp_path) for word in config]

    status, _, told = ipamctl(daemon, "import", "host-local", host_local.data / "mynet", *words)

    assert (status, told) == (
        2,
        "ipamctl: the ranges of network mynet are unknown: name its configuration, or their directory, by --config\n",
    )


def pool(name: str, network: str, **allocations: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "whereabouts.cni.cncf.io/v1alpha1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {"range": network, "allocations": {key[1:]: value for key, value in allocations.items()}},
    }


def reservation(name: str, whose: str) -> dict[str, Any]:
    spec = {"containerid": "c", "podref": whose, "ifname": "net1"}
    return {"kind": "OverlappingRangeIPReservation", "metadata": {"name": name}, "spec": spec}


def definition(name: str, **ipam: object) -> dict[str, Any]:
    config = {"cniVersion": "0.3.1", "name": name, "type": "macvlan", "ipam": {"type": "whereabouts", **ipam}}
    return {"kind": "NetworkAttachmentDefinition", "metadata": {"name": name}, "spec": {"config": json.dumps(config)}}


def written(directory: Path, *manifests: object) -> Path:
    path = directory / "whereabouts.yaml"
    path.write_text(yaml.safe_dump_all(manifests))
    return path


WEB = {"id": "c1", "podref": "shop/web-0", "ifname": "net1"}
OLD = {"id": "c2", "podref": "shop/web-1"}


def test_what_whereabouts_has_given_goes_on_under_ipamd(daemon: Daemon, executable: Executable, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        pool("10.5.0.0-24", "10.5.0.0/24", _5=WEB, _9=OLD, _x=WEB, _11={"podref": "shop/gone"}),
        pool("blue-fd00-5---64", "fd00:5::/64", _1={**WEB, "id": "c3", "podref": "shop/web-2"}),
        reservation("10.5.0.5", "shop/web-0"),
        reservation("10.5.0.9", "shop/other"),
        reservation("10.5.0.200", "shop/lost"),
        reservation("blue-fd00-5--1", "shop/web-2"),
        definition("macvlan", range="10.5.0.0/24"),
        definition("blue", range="fd00:5::/64", network_name="blue"),
        definition("other", range="10.6.0.0/24"),
    )

    status, done, _ = ipamctl(daemon, "import", "whereabouts", path)

    assert status == 0
    assert sorted(done.splitlines()[:5]) == [
        "10.5.0.0-24: no allocation: 'x'; passed over",
        "10.5.0.11: allocated to no container; passed over, so it is free in ipamd",
        "10.5.0.200: reserved for shop/lost, but allocated in no pool; passed over",
        "10.5.0.9: allocated to shop/web-1, but reserved for shop/other",
        "10.5.0.9: names no interface, taken as eth0",
    ]
    assert held(daemon) == {"10.5.0.5": "Pod web-0", "10.5.0.9": "Pod web-1", "fd00:5::1": "Pod web-2"}
    config = {"cniVersion": "1.0.0", "name": "macvlan", "type": "macvlan", "ipam": {"range": "10.5.0.0/24"}}
    assert executable.add(config, "new") == ["10.5.0.1/24"]
    assert executable.call("DEL", config, "c1", IFNAME="net1").status == 0
    assert "10.5.0.5" not in held(daemon)


@pytest.mark.parametrize(
    ("definitions", "told"),
    [
        ([], "none has it"),
        (
            [definition("a", range="10.5.0.0/24"), definition("b", range="10.5.0.1-10.5.0.9/24")],
            "several have it (a, b)",
        ),
    ],
)
def test_a_pool_whose_network_is_not_clear_is_refused(
    daemon: Daemon, tmp_path: Path, definitions: list[object], told: str
) -> None:
    path = written(tmp_path, pool("10.5.0.0-24", "10.5.0.0/24", _5=WEB), *definitions)

    status, _, printed = ipamctl(daemon, "import", "whereabouts", path)

    assert status == 2
    assert f"the network of IPPool 10.5.0.0-24 (10.5.0.0/24) is unknown, {told}" in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["host-local", "{place}/absent"], "absent is no directory: host-local's data is meant"),
        (["host-local", "{place}", "--config", "{place}/absent"], "cannot read"),
        (["host-local", "{place}", "--config", "{place}/broken.conf"], "not JSON"),
        (["host-local", "{place}", "--config", "{place}/list.conf"], "not a network configuration"),
        (["whereabouts", "{place}/absent.yaml"], "cannot read"),
    ],
)
def test_what_cannot_be_read_is_told(daemon: Daemon, tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "broken.conf").write_text("{")
    (tmp_path / "list.conf").write_text("[]")

    status, _, printed = ipamctl(daemon, "import", *(word.format(place=tmp_path) for word in words))

    assert status == 2
    assert told in printed


def test_cni_install_puts_the_executable_into_place(daemon: Daemon, tmp_path: Path) -> None:
    status, told, _ = ipamctl(daemon, "cni", "install", "--dir", tmp_path)
    assert (status, told.startswith(f"installed {tmp_path}/ipamd, ")) == (0, True)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o755

    _, told, _ = ipamctl(daemon, "-o", "json", "cni", "install", "--dir", tmp_path)
    assert json.loads(told)["path"] == str(tmp_path / NAME)
