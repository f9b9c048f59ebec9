"""A machine of its own for a test: a network and mount namespace in which files and addresses can be put."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kdns.server import Kdns

SETTLE = "ip link set lo up && mount -t tmpfs none /run && echo ready && exec sleep infinity"


class Machine:
    """Namespaces held by a sleeping process. `prefix` in front of a command runs it there.

    Whoever is not root is it there, by a user namespace; machines that are to be joined must share that: the second is
    made `beside` the first.
    """

    def __init__(self, beside: "Machine | None" = None) -> None:
        self._user = beside._user if beside is not None else []
        unshare = ["unshare", "--net", "--mount"]
        if os.geteuid() and beside is None:
            unshare.append("--map-root-user")
        command = [*self._user, *unshare, "sh", "-c", SETTLE]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        target = f"--target={self._holder.pid}"
        if os.geteuid():
            self._user = self._user or ["nsenter", "--user", "--preserve-credentials", target]
        self.prefix = [*self._user, "nsenter", "--net", "--mount", target]

    def join(self, other: "Machine", here: str, there: str) -> None:
        """Lay a cable to another machine, at whose end everything is that is not here; addresses of both ends."""
        cable = ["ip", "link", "add", "name", "cable", "type", "veth", "peer", "name", "cable"]
        self.run(*cable, "netns", str(other._holder.pid))
        for machine, address in ((self, here), (other, there)):
            machine.run("ip", "address", "add", address, "dev", "cable")
            machine.run("ip", "link", "set", "cable", "up")
            machine.run("ip", "route", "add", "default", "dev", "cable")

    def has(self, *addresses: str) -> None:
        """Have these addresses too."""
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", "lo")

    @contextmanager
    def serving(self, directory: Path, corefile: str, environment: Mapping[str, str] | None = None) -> Iterator[Kdns]:
        """A kdns in it on a Corefile as it stands; at the end it quits at once, and must not have had a fault."""
        directory.mkdir()
        server = Kdns(directory, corefile, environment)
        server.prefix = self.prefix
        server.start()
        try:
            yield server
        finally:
            server.signal(signal.SIGQUIT)
            assert server.stop() == 0
        assert "Traceback" not in server.output.read_text()

    def run(self, *command: str) -> str:
        """Run a command there; its output. CalledProcessError if it fails."""
        return subprocess.run([*self.prefix, *command], check=True, capture_output=True, text=True).stdout

    def says(self, *command: str) -> str:
        """Run a command there that may fail; its output."""
        return subprocess.run([*self.prefix, *command], check=False, capture_output=True, text=True).stdout

    def inhabitants(self) -> list[int]:
        """The processes that were started in it and run still, but for the one that holds it."""
        own, found = Path(f"/proc/{self._holder.pid}/ns/mnt").readlink(), []
        for place in Path("/proc").glob("[0-9]*/ns/mnt"):
            with suppress(OSError):  # it has ended meanwhile
                if place.readlink() == own:
                    found.append(int(place.parts[2]))
        return [pid for pid in found if pid != self._holder.pid]

    def stop(self) -> None:
        """Take the machine down; what still runs in it is the test's to end."""
        self._holder.kill()
        self._holder.wait(20)
        assert self._holder.stdout is not None
        self._holder.stdout.close()
