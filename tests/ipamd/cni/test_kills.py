"""Whoever is killed in the middle of an ADD: what was acknowledged stands, and a DEL finds the rest."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipamd.cni.installing import NAME, install
from tests.ipamd.cni.calling import network
from tests.ipamd.cni.executing import Executable, ended
from tests.ipamd.daemon import Daemon

CONFIG = network({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}, "1.1.0")
ROUNDS = 4
AT_ONCE = 12


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that serves the plugin."""
    made = Daemon(tmp_path)
    made.flags = ["--cni-socket", str(tmp_path / "cni.sock")]
    made.start()
    yield made
    made.stop()


@pytest.fixture
def executable(tmp_path: Path) -> Executable:
    """The executable that calls it."""
    install(tmp_path / "bin")
    return Executable(tmp_path / "bin" / NAME, tmp_path / "cni.sock")


def held(daemon: Daemon) -> dict[str, str]:
    """The leases of the network: whose an address is."""
    listed = daemon.request("GET", "/v1/leases?kind=Attachment&limit=10000").body["leases"]
    assert len({each["address"] for each in listed}) == len(listed)
    return {each["address"]: each["owner"]["name"].partition("/")[0] for each in listed}


def test_a_daemon_that_is_killed_loses_no_acknowledged_address(daemon: Daemon, executable: Executable) -> None:
    acknowledged: dict[str, str] = {}
    for number in range(ROUNDS):
        names = [f"r{number}-{each}" for each in range(AT_ONCE)]
        running = {name: executable.start(CONFIG, CONTAINERID=name) for name in names}
        ended(running.pop(names[number]))  # some are done by then, some under way, some not yet there
        daemon.restart()
        for name, process in running.items():
            printed = ended(process)
            given = printed.document.get("ips", [])
            assert bool(given) == (printed.status == 0)
            acknowledged |= {each["address"].partition("/")[0]: name for each in given}

    found = held(daemon)
    assert acknowledged.items() <= found.items()
    for name in {f"r{number}-{each}" for number in range(ROUNDS) for each in range(AT_ONCE)}:
        assert executable.call("DEL", CONFIG, name).status == 0
    assert held(daemon) == {}


def test_executables_that_are_killed_leave_what_their_dels_find(daemon: Daemon, executable: Executable) -> None:
    chance = random.Random(7)
    kept: dict[str, str] = {}
    for number in range(ROUNDS):
        names = [f"r{number}-{each}" for each in range(AT_ONCE)]
        running = {name: executable.start(CONFIG, CONTAINERID=name) for name in names}
        killed = chance.sample(names, AT_ONCE // 2)
        for name in killed:
            running[name].send_signal(signal.SIGKILL)
        for name, process in running.items():
            printed = ended(process)
            if name not in killed:
                kept |= {each["address"].partition("/")[0]: name for each in printed.document["ips"]}
        for name in killed:
            assert executable.call("DEL", CONFIG, name).status == 0

    assert held(daemon) == kept
