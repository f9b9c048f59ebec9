"""The demo cluster of `kdns up` in processes of its own, with a name server of Debian's as its upstream."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from bench.ports import free_port
from tests.kdns.server import exchange, query

NSD = """
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    database: ""
    pidfile: "{directory}/nsd.pid"
    xfrdfile: "{directory}/xfrd.state"
    zonelistfile: "{directory}/zone.list"
    zonesdir: "{directory}"
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: example.org
    zonefile: example.org.zone
"""
ZONE = """\
$TTL 300
@ IN SOA ns hostmaster 1 7200 3600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.80
"""


class Nsd:
    """An NSD that serves example.org on a port of the loopback."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        (directory / "example.org.zone").write_text(ZONE)
        config = directory / "nsd.conf"
        config.write_text(NSD.format(port=self.port, directory=directory))
        command = ["nsd", "-d", "-c", str(config)]
        path = f"{os.environ.get('PATH', '')}:/usr/sbin"
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PATH": path}
        )
        while not self._answers():
            assert self.process.poll() is None, "nsd ended"

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)

    def _answers(self) -> bool:
        try:
            return bool(exchange(query("www.example.org. A"), ("127.0.0.1", self.port), tcp=True))
        except OSError:
            return False


class Demo:
    """A running demo cluster."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nsd = Nsd(directory)
        self.dns, self.http, self.admin = free_port(), free_port(), free_port()
        self.api = f"http://127.0.0.1:{self.http}"
        ports = ["--dns-port", str(self.dns), "--http-port", str(self.http), "--admin-port", str(self.admin)]
        upstream = ["--upstream", f"127.0.0.1:{self.nsd.port}"]
        command = [sys.executable, "-m", "kdns", "up", "--dir", str(directory), *ports, *upstream]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.greeting = ""
        while "Ctrl-C" not in self.greeting:
            line = self.process.stdout.readline()
            assert line, f"kdns up ended: {self.logs()}"
            self.greeting += line

    def logs(self) -> str:
        """What both daemons said."""
        return "".join(path.read_text() for path in sorted(self.directory.glob("*.log")))

    def stop(self) -> int:
        """Press Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.nsd.stop()
        return status

    def dig(self, *words: str) -> list[str]:
        """What `dig +short` prints, a line each, sorted."""
        command = ["dig", "+short", "+time=5", "-p", str(self.dns), "@127.0.0.1", *words]
        return sorted(run(*command).splitlines())

    def shell(self, command: str) -> str:
        """Run a command line as the README prints it, with this cluster's ports in place of the usual ones."""
        line = command.replace("8653", str(self.http)).replace("1053", str(self.dns)).replace("9153", str(self.admin))
        environment = {
            **os.environ,
            "IPAMD_SERVER": self.api,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return subprocess.run(line, shell=True, check=True, capture_output=True, text=True, env=environment).stdout

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl prints."""
        command = ["kubectl", "-s", self.api, *words]
        home = {**os.environ, "HOME": str(self.directory), "KUBECONFIG": "/dev/null"}
        ended = subprocess.run(command, input=stdin, capture_output=True, text=True, env=home, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def lease(self, name: str, *, namespace: str = "default") -> Any:
        """Lease an address for a Pod; the decoded reply."""
        owner = {"kind": "Pod", "namespace": namespace, "name": name}
        body = json.dumps({"pool": "pods", "owner": owner}).encode()
        with urllib.request.urlopen(f"{self.api}/v1/leases", body) as response:
            return json.load(response)


def run(*command: str) -> str:
    """The standard output of a command that succeeds."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
