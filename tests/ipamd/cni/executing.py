"""The executable in a process of its own, as a runtime calls it."""

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.ipamd.cni.calling import ENVIRONMENT


class Printed(NamedTuple):
    """How the executable ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """What it printed as JSON; None if it printed nothing."""
        return json.loads(self.stdout) if self.stdout else None


class Executable:
    """A plugin at a path, whose daemon listens at `socket`."""

    def __init__(self, path: Path, socket: Path) -> None:
        self.path = path
        self.socket = socket

    def start(self, config: object, **variables: str | None) -> subprocess.Popen[str]:
        """Start it on this configuration (text: as it stands), with these variables of CNI (None: unset)."""
        mine = {f"CNI_{name}": value for name, value in variables.items()}
        asked = {name: value for name, value in {**ENVIRONMENT, **mine}.items() if value is not None}
        environment = {"PATH": os.environ["PATH"], "IPAMD_CNI_SOCKET": str(self.socket), **asked}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([self.path], env=environment, text=True, **pipes)
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(config if isinstance(config, str) else json.dumps(config))
        return process

    def call(self, command: str, config: object, container: str = "c1", **variables: str | None) -> Printed:
        """Run it to its end."""
        return ended(self.start(config, COMMAND=command, CONTAINERID=container, **variables))

    def add(self, config: object, container: str = "c1", **variables: str | None) -> list[str]:
        """The addresses that an ADD gives."""
        printed = self.call("ADD", config, container, **variables)
        assert printed.status == 0, printed
        return [each["address"] for each in printed.document["ips"]]


def ended(process: subprocess.Popen[str]) -> Printed:
    """How a started one ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        stdout, stderr = process.stdout.read(), process.stderr.read()
    return Printed(process.wait(30), stdout, stderr)
