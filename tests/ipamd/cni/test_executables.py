"""Both executables, the compiled one and the script: each does the same."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipamd.cni import installing
from ipamd.cni.codes import VERSIONS
from ipamd.cni.executable import VERSIONS as SCRIPTS_VERSIONS
from ipamd.cni.installing import NAME, install
from ipamd.errors import Misused
from tests.ipamd.cni.calling import network
from tests.ipamd.cni.executing import Executable, Printed, ended
from tests.ipamd.daemon import Daemon

DUAL = network({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}, "1.1.0")
ABSENT = Path("/nowhere/executable")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that serves the plugin, and has to end without a fault."""
    made = Daemon(tmp_path_factory.mktemp("ipamd"))
    made.flags = ["--cni-socket", str(made.store.with_name("cni.sock"))]
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.errors.read_text()


@pytest.fixture(scope="module", params=["compiled", "script"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executable, as a machine with or without a compiler has it."""
    place = tmp_path_factory.mktemp("bin")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "script":
            patch.setenv("CC", "no-such-compiler")
        made = install(place, ABSENT)
    assert made.startswith("compiled now" if request.param == "compiled" else "a script")
    return place / NAME


@pytest.fixture
def executable(installed: Path, daemon: Daemon) -> Executable:
    """The executable that calls the daemon."""
    return Executable(installed, daemon.store.with_name("cni.sock"))


def test_an_attachment_comes_and_goes(executable: Executable) -> None:
    name = f"c-{executable.path.stat().st_size}"
    added = executable.call("ADD", DUAL, name)
    assert (added.status, added.stderr) == (0, "")
    assert [each["gateway"] for each in added.document["ips"]] == ["10.1.2.1", "2001:db8:1::1"]

    assert executable.call("CHECK", {**DUAL, "prevResult": added.document}, name) == Printed(0, "", "")
    for _ in range(2):
        assert executable.call("DEL", DUAL, name) == Printed(0, "", "")
    assert executable.call("CHECK", DUAL, name).document["code"] == 105
    assert executable.call("STATUS", DUAL) == Printed(0, "", "")
    assert executable.call("GC", {**DUAL, "cni.dev/valid-attachments": []}) == Printed(0, "", "")


def test_the_daemon_counts_calls_and_takes_the_list_of_a_gc_for_a_word(executable: Executable, daemon: Daemon) -> None:
    config = {**DUAL, "name": f"counted-{executable.path.stat().st_size}"}
    executable.call("ADD", config)
    executable.call("GC", {**config, "cni.dev/valid-attachments": []})  # too early for the GC itself to collect it

    counted = 'ipamd_cni_request_duration_seconds_count{code="0",command="%s"}'
    metrics = daemon.raw("GET", "/metrics").decode()
    assert all(counted % command in metrics for command in ("ADD", "GC"))
    suspects = daemon.request("GET", "/v1/reconcile").body["suspects"]
    assert {each["lease"]["owner"]["namespace"] for each in suspects} >= {config["name"]}
    assert executable.call("DEL", config).status == 0


def test_what_the_daemon_refuses_is_printed_with_status_1(executable: Executable) -> None:
    refused = executable.call("ADD", {**DUAL, "name": "bad name!"})

    assert refused.status == 1
    assert refused.document == {
        "cniVersion": "1.1.0",
        "code": 7,
        "msg": "invalid characters found in network name",
        "details": "bad name!",
    }


def test_versions_and_the_line_for_people_need_no_daemon(executable: Executable) -> None:
    executable.socket = ABSENT

    printed = executable.call("VERSION", "")
    assert (printed.status, printed.document) == (0, {"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)})
    for command in (None, ""):
        printed = ended(executable.start("", COMMAND=command))
        assert (printed.status, printed.stdout) == (0, "")
        assert printed.stderr == f"CNI plugin ipamd\nCNI protocol versions supported: {', '.join(VERSIONS)}\n"
    assert SCRIPTS_VERSIONS == VERSIONS


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("ADD", 11, "ipamd cannot be reached: try again later"),
        ("DEL", 11, "ipamd cannot be reached: nothing was released, call DEL again"),
        ("STATUS", 50, "ipamd cannot be reached"),
    ],
)
def test_a_daemon_that_is_away_is_told_as_such(
    executable: Executable, tmp_path: Path, command: str, code: int, message: str
) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(dead))
    for path, details in ((ABSENT, "No such file or directory"), (dead, "Connection refused")):
        executable.socket = path

        printed = executable.call(command, DUAL)

        assert (printed.status, printed.stderr) == (1, "")
        assert printed.document == {"cniVersion": "1.1.0", "code": code, "msg": message, "details": details}


def test_a_daemon_that_goes_away_before_it_answers_is_told_as_such(executable: Executable, tmp_path: Path) -> None:
    executable.socket = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(executable.socket))
        listening.listen()
        process = executable.start(DUAL)
        connection, _ = listening.accept()
        connection.recv(1 << 16)
        connection.close()

        printed = ended(process)

    assert (printed.document["code"], printed.document["details"]) == (11, "Connection reset by peer")


def test_a_configuration_without_end_is_refused(executable: Executable) -> None:
    printed = executable.call("ADD", " " * (1 << 20))

    assert (printed.status, printed.document["code"]) == (1, 5)


def test_the_own_network_namespace_is_told_to_the_daemon(executable: Executable) -> None:
    name = f"own-{executable.path.stat().st_size}"
    own = {"NETNS": f"/proc/{os.getpid()}/ns/net"}

    assert executable.call("ADD", DUAL, name, **own).document["code"] == 8
    assert executable.call("ADD", DUAL, name, **own, NETNS_OVERRIDE="1").status == 0
    assert executable.call("DEL", DUAL, name).status == 0


def test_the_node_is_the_host_unless_it_is_named(executable: Executable, tmp_path: Path) -> None:
    received: list[bytes] = []
    executable.socket = tmp_path / "hear.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(executable.socket))
        listening.listen()
        for name in ("", "node-7"):
            environment = {"CNI_COMMAND": "ADD", "IPAMD_CNI_SOCKET": str(executable.socket), "IPAMD_NODE": name}
            process = subprocess.Popen([executable.path], env=environment, stdin=subprocess.DEVNULL)
            connection, _ = listening.accept()
            with connection:
                received.append(connection.recv(1 << 16))
                connection.sendall(b"\x07")
            assert process.wait(30) == 7

    assert f"IPAMD_NODE={socket.gethostname()}\0".encode() in received[0]
    assert b"IPAMD_NODE=node-7\0" in received[1]


def test_the_one_that_was_compiled_with_the_package_is_preferred(tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"program")

    assert install(tmp_path / "bin", tmp_path / "made") == "compiled with the package"

    installed = tmp_path / "bin" / NAME
    assert (installed.read_bytes(), installed.stat().st_mode & 0o777) == (b"program", 0o755)
    assert [each.name for each in (tmp_path / "bin").iterdir()] == [NAME]


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Misused, match="cannot install into"):
        install(tmp_path / "file", ABSENT)


def test_the_c_source_has_no_warnings(tmp_path: Path) -> None:
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / "made"), str(installing.SOURCE)]
    subprocess.run(command, check=True)


def test_an_executable_that_is_killed_leaves_nothing_that_a_del_does_not_find(
    executable: Executable, daemon: Daemon
) -> None:
    for number in range(20):
        process = executable.start(DUAL, CONTAINERID=f"killed-{number}")
        process.send_signal(signal.SIGKILL)
        ended(process)
        assert executable.call("DEL", DUAL, f"killed-{number}").status == 0

    listed = daemon.request("GET", "/v1/leases?kind=Attachment").body
    assert listed["leases"] == [], json.dumps(listed)
