"""The plugin socket, called as Go's HTTP client does: no name of a host, and no body where there is nothing to say."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ipamd.daemon import Daemon

HEAD = "POST {path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {length}\r\n{more}\r\n"
ACCEPT = "Accept: application/vnd.docker.plugins.v1.2+json\r\n"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a daemon that serves Docker, and has to end without a fault."""
    directory = tmp_path_factory.mktemp("ipamd")
    made = configured(directory)
    made.start()
    yield directory / "plugins/ipamd.sock"
    assert made.stop() == 0
    assert "Traceback" not in made.errors.read_text()


def configured(directory: Path, more: str = "") -> Daemon:
    daemon = Daemon(directory)
    (directory / "ipamd.toml").write_text(f'[docker]\nsocket = "{directory}/plugins/ipamd.sock"\napi = ""\n{more}')
    daemon.flags = ["--config", str(directory / "ipamd.toml")]
    return daemon


def sent(path: Path, request: bytes) -> tuple[int, Any]:
    """Send octets, and read one reply: its status and document."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(request)
        reply = connection.makefile("rb")
        status = int(reply.readline().split()[1])
        headers = {}
        while (line := reply.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, json.loads(reply.read(int(headers["content-length"])))


def called(path: Path, method: str, body: Any = None, more: str = ACCEPT) -> Any:
    """The document of a reply, which is always of status 200."""
    raw = b"" if body is None else json.dumps(body).encode()
    status, document = sent(path, HEAD.format(path=method, length=len(raw), more=more).encode() + raw)
    assert status == 200
    return document


def test_a_network_and_its_addresses(plugin: Path) -> None:
    assert called(plugin, "/Plugin.Activate") == {"Implements": ["IpamDriver"]}
    assert called(plugin, "/IpamDriver.GetCapabilities") == {"RequiresMACAddress": True, "RequiresRequestReplay": False}
    spaces = called(plugin, "/IpamDriver.GetDefaultAddressSpaces")
    space = spaces["LocalDefaultAddressSpace"]
    assert space != spaces["GlobalDefaultAddressSpace"]

    asked = {"AddressSpace": space, "Pool": "", "SubPool": "", "Options": {}, "V6": False}
    pool = called(plugin, "/IpamDriver.RequestPool", asked)
    assert (pool["Pool"], pool["Data"]) == ("172.16.0.0/16", {})
    asked = {"PoolID": pool["PoolID"], "Address": "", "Options": None}
    assert called(plugin, "/IpamDriver.RequestAddress", asked) == {"Address": "172.16.0.1/16", "Data": {}}
    released = {"PoolID": pool["PoolID"], "Address": "172.16.0.1"}
    assert called(plugin, "/IpamDriver.ReleaseAddress", released) == {}
    assert called(plugin, "/IpamDriver.ReleasePool", {"PoolID": pool["PoolID"]}) == {}


@pytest.mark.parametrize(
    ("method", "body", "refused"),
    [
        ("/IpamDriver.RequestAddress", None, "an empty body"),
        ("/IpamDriver.RequestAddress", [], "invalid request: Expected `object`, got `array`"),
        ("/Other.Method", {}, "ipamd has no method Other.Method"),
        ("/no/such/path", {}, "invalid request: Not Found"),
    ],
)
def test_errors_have_the_status_200(plugin: Path, method: str, body: Any, refused: str) -> None:
    assert called(plugin, method, body)["Error"].startswith(refused)


def test_only_the_owner_may_call(plugin: Path) -> None:
    assert plugin.stat().st_mode & 0o777 == 0o600


def test_what_was_given_is_there_after_a_kill(tmp_path: Path) -> None:
    daemon = configured(tmp_path, 'default_pools = [{base = "10.9.0.0/16", size = 24}]')
    daemon.start()
    plugin = tmp_path / "plugins/ipamd.sock"
    pool = called(plugin, "/IpamDriver.RequestPool", {"AddressSpace": "ipamdlocal"})["PoolID"]
    asked = {"PoolID": pool, "Address": "10.9.0.5", "Options": None}
    called(plugin, "/IpamDriver.RequestAddress", asked)
    daemon.restart()

    assert called(plugin, "/IpamDriver.RequestPool", {"AddressSpace": "ipamdlocal"})["Pool"] == "10.9.1.0/24"
    listed = daemon.request("GET", "/v1/leases?kind=Endpoint").body["leases"]
    assert [(each["address"], each["pool"]) for each in listed] == [("10.9.0.5", "docker-ipamdlocal-10.9.0.0-24")]
    assert daemon.stop() == 0


def test_a_socket_that_somebody_listens_on_is_not_taken(tmp_path: Path) -> None:
    first = configured(tmp_path)
    first.start()
    other = configured(tmp_path)
    other.store = tmp_path / "other.sqlite"
    with pytest.raises(AssertionError, match="another process does"):
        other.start()
    other.stop()
    assert first.stop() == 0
