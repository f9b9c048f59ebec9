"""A host with a real dockerd: a machine of its own, an ipamd that serves it, and an image that holds busybox alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.ipamd.daemon import Daemon
from tests.system.surroundings import Machine

LOOK = 0.05  # seconds between two looks at what is to become so
LOOKS = 400
IMAGE = "busybox"
APPLETS = ("sh", "sleep", "ping", "nslookup", "ip")
LIFETIME = "120"  # seconds, after which a container ends by itself whatever becomes of the test
PLAIN = (
    "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", "--userland-proxy=false",
    "--shutdown-timeout=1",
)  # fmt: skip
SOCKET = "unix:///run/docker.sock"
CONTAINERD = "/run/docker/containerd/containerd.pid"  # its process, as dockerd notes it
CONFIGURATION = """\
dns_ttl = 0

[docker]
grace = 2
default_pools = [{base = "10.61.0.0/16", size = 24}]
"""


class DockerHost:
    """The host. It has a `/run` of its own, where all sockets are at their usual places."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.machine = Machine()
        (directory / "ipamd.toml").write_text(CONFIGURATION)
        self.ipamd = Daemon(directory)
        self.ipamd.prefix = self.machine.prefix
        self.ipamd.flags = ["--config", str(directory / "ipamd.toml")]
        self.ipamd.start()
        self.start()
        self._import_image()

    def start(self) -> None:
        """Start dockerd, and return when it answers."""
        with (self.directory / "dockerd.log").open("ab") as log:
            command = [*self.machine.prefix, "dockerd", "--data-root", str(self.directory / "data"), *PLAIN]
            self.dockerd = subprocess.Popen(command, stdout=log, stderr=log)
        self.until(lambda: self.tried("version").returncode == 0)

    def kill(self) -> None:
        """End dockerd as the kernel would when memory runs out; its containerd ends with it, the containers live on."""
        self.dockerd.kill()
        self.dockerd.wait(20)
        # The next dockerd takes a containerd that has ended, and was not waited for yet, for one that runs.
        with suppress(ProcessLookupError):
            os.kill(int(self.machine.run("cat", CONTAINERD)), 9)
        self.machine.run("rm", CONTAINERD, "/run/docker.pid")

    def stop(self) -> None:
        """Take it all down, and what dockerd may have left; nothing may have failed in ipamd."""
        if self.dockerd.poll() is None:
            for container in self.docker("ps", "-aq").split():
                self.docker("rm", "-f", container)
            self.dockerd.terminate()
            self.dockerd.wait(30)
        status, said = self.ipamd.stop(), self.ipamd.errors.read_text()
        for pid in self.machine.inhabitants():
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.machine.stop()
        shutil.rmtree(self.directory, ignore_errors=True)  # an image takes more than its megabyte
        assert (status, "Traceback" in said) == (0, False)

    def docker(self, *arguments: str) -> str:
        """Run a command of Docker; its output. CalledProcessError if it fails."""
        done = self.tried(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}\n{self.logs()}"
        return done.stdout.strip()

    def tried(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Docker that may fail."""
        command = [*self.machine.prefix, "/usr/bin/docker", "--host", SOCKET, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def shell(self, script: str) -> str:
        """Run a script of commands as a user types them; its output. It fails with the first that does."""
        (self.directory / "bin").mkdir(exist_ok=True)
        (self.directory / "bin/docker").unlink(missing_ok=True)
        (self.directory / "bin/docker").symlink_to("/usr/bin/docker")
        path = f"PATH={self.directory}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        where = ("env", path, f"DOCKER_HOST={SOCKET}", f"IPAMD_SERVER={self.ipamd.url}")
        return self.machine.run(*where, "sh", "-ec", script)

    def network(self, name: str, *options: str) -> str:
        """Make a network with addresses of ipamd."""
        return self.docker("network", "create", "--ipam-driver", "ipamd", *options, name)

    def run(self, name: str, network: str, *options: str) -> str:
        """Start a container that does nothing; its address."""
        always = ("-d", "--stop-signal", "KILL", "--name", name, "--network", network)
        self.docker("run", *always, *options, IMAGE, "sleep", LIFETIME)
        return self.address(name, network)

    def address(self, name: str, network: str) -> str:
        """The IPv4 address of a container in a network; empty if it has none."""
        inspected = json.loads(self.docker("inspect", name))[0]
        return str(inspected["NetworkSettings"]["Networks"][network]["IPAddress"])

    def inside(self, container: str, *command: str) -> str:
        """Run a command in a container; its output, whatever becomes of it."""
        done = self.tried("exec", container, *command)
        return done.stdout + done.stderr

    def request(self, path: str) -> Any:
        """Ask ipamd; the document of the reply."""
        return json.loads(self.machine.run("curl", "--silent", "--fail", f"{self.ipamd.url}{path}"))

    def leases(self) -> dict[str, str]:
        """The leases that Docker has: what ipamd says of each."""
        return {
            each["address"]: each["description"]
            for each in self.request("/v1/leases?kind=Endpoint&limit=1000")["leases"]
        }

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, for which dockerd has to live."""
        for _ in range(LOOKS):
            if is_so():
                return
            with suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"dockerd ended with {self.dockerd.wait(LOOK)}: {self.logs()}")
        raise AssertionError(f"it never came to be: {self.leases()}\n{self.logs()}")

    def logs(self) -> str:
        """What both daemons have said."""
        return (self.directory / "dockerd.log").read_text()[-3000:] + self.ipamd.errors.read_text()

    def _import_image(self) -> None:
        root = self.directory / "root"
        (root / "bin").mkdir(parents=True)
        shutil.copy2(shutil.which("busybox") or "", root / "bin/busybox")
        for name in APPLETS:
            (root / "bin" / name).symlink_to("busybox")
        archive = shutil.make_archive(str(self.directory / "image"), "tar", root)
        self.docker("import", archive, IMAGE)
