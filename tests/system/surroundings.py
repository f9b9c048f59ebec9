"""A machine of its own for a test: a network and mount namespace in which files and addresses can be put."""

import subprocess
from pathlib import Path

SETTLE = "ip link set lo up && mount -t tmpfs none /run && echo ready && exec sleep infinity"


class Machine:
    """Namespaces held by a sleeping process. `prefix` in front of a command runs it there. Needs root."""

    def __init__(self) -> None:
        command = ["unshare", "--net", "--mount", "sh", "-c", SETTLE]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        self.prefix = ["nsenter", "--net", "--mount", f"--target={self._holder.pid}"]

    def put(self, path: str, content: Path) -> None:
        """Have a file of ours stand at a path of the machine."""
        self.run("mount", "--bind", str(content), path)

    def run(self, *command: str) -> str:
        """Run a command there; its output. CalledProcessError if it fails."""
        return subprocess.run([*self.prefix, *command], check=True, capture_output=True, text=True).stdout

    def says(self, *command: str) -> str:
        """Run a command there that may fail; its output."""
        return subprocess.run([*self.prefix, *command], check=False, capture_output=True, text=True).stdout

    def stop(self) -> None:
        """Take the machine down; what still runs in it is the test's to end."""
        self._holder.kill()
        self._holder.wait(20)
        assert self._holder.stdout is not None
        self._holder.stdout.close()
