"""A Pod's surroundings: a cluster's API server over HTTPS, a service account, and files of its own in /etc."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ports import free_port
from tests.ipamd.daemon import Daemon
from tests.kdns.server import Kdns
from tests.kdns.transport import certificates
from tests.system.surroundings import Machine

ROOT = Path(__file__).parents[2]
ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
NOBODY = "nameserver 192.0.2.1\n"  # an upstream that no route leads to


class Pod:
    """A machine in which an ipamd with the demo cluster runs, and servers can be started as Pods of that cluster."""

    def __init__(self, directory: Path, beside: Machine | None = None) -> None:
        self.directory = directory
        self.machine = Machine(beside)
        self.ipamd = Daemon(directory)
        self.ipamd.prefix = self.machine.prefix
        self.ipamd.start()
        self._own_etc()
        self._front, self._port = self._tls_front()
        self._account()
        demo = ["apply", "-f", str(ROOT / "configs/demo")]
        self.run(sys.executable, "-m", "ipamd.ctl", "--server", self.ipamd.url, *demo)

    def run(self, *command: str) -> str:
        """Run a command in it; its output. CalledProcessError if it fails."""
        return self.machine.run(*command)

    def write(self, path: str, text: str) -> None:
        """Have a file stand at a path below /etc or /run."""
        source = self.directory / "content"
        source.write_text(text)
        self.run("mkdir", "-p", str(Path(path).parent))
        self.run("cp", str(source), path)

    @contextmanager
    def serving(self, name: str, corefile: str) -> Iterator[Kdns]:
        """A kdns on a Corefile, as it stands, that reads this cluster."""
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": self._port}
        with self.machine.serving(self.directory / name, corefile, environment) as server:
            yield server

    def dig(self, server: str, *words: str) -> list[str]:
        """What `dig +short @SERVER` prints, a line each, sorted."""
        return sorted(self.run("dig", "+short", "+time=5", f"@{server}", *words).splitlines())

    def get(self, url: str) -> str:
        """The body of a page that is fetched from inside."""
        fetch = f"import urllib.request as u; print(u.urlopen({url!r}).read().decode())"
        return self.run(sys.executable, "-c", fetch).strip()

    def stop(self) -> None:
        """End everything in it but the servers that were asked for."""
        self._front.terminate()
        self._front.wait(20)
        assert self._front.stdout is not None
        self._front.stdout.close()
        self.ipamd.stop()
        self.machine.stop()

    def _own_etc(self) -> None:
        self.machine.says("cp", "-a", "/etc", "/run/etc")  # but for what only root may read, if that is somebody else
        self.run("mount", "--bind", "/run/etc", "/etc")
        self.run("rm", "-f", "/etc/resolv.conf")
        self.write("/etc/resolv.conf", NOBODY)

    def _tls_front(self) -> "tuple[subprocess.Popen[str], str]":
        """HTTPS in front of ipamd, as an API server has it, and its port."""
        certificate = certificates.make(self.directory)
        port = str(free_port())
        script = [sys.executable, str(Path(__file__).with_name("tls_front.py"))]
        command = [*self.machine.prefix, *script, port, str(self.ipamd.port), str(certificate)]
        front = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert front.stdout is not None
        assert front.stdout.readline() == "ready\n"
        return front, port

    def _account(self) -> None:
        """What every Pod finds in /var/run/secrets."""
        self.write(f"{ACCOUNT}/token", "a-token")
        self.write(f"{ACCOUNT}/ca.crt", (self.directory / "certificate.crt").read_text())
