"""A host with containers: network namespaces that Debian's CNI plugins attach, with ipamd as their IPAM plugin."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ipamd.cni.installing import NAME, install
from tests.ipamd.daemon import Daemon
from tests.system.surroundings import Machine

PLUGINS = "/usr/lib/cni"


class Refused(Exception):
    """A plugin ended with an error."""

    def __init__(self, printed: str) -> None:
        super().__init__(printed)
        self.error = json.loads(printed)


class Host:
    """A machine with an ipamd that serves the CNI plugin, and the runtime that calls the plugins, as libcni does."""

    def __init__(self, directory: Path) -> None:
        self.machine = Machine()
        self.machine.run(
            "mount", "-t", "sysfs", "none", "/sys"
        )  # that of this network namespace: bridges are seen there
        self.ipamd = Daemon(directory)
        self.ipamd.prefix = self.machine.prefix
        self.socket = directory / "cni.sock"
        self.ipamd.flags = ["--cni-socket", str(self.socket)]
        self.ipamd.start()
        self.directory = directory
        install(directory / "bin")

    def stop(self) -> None:
        """Take it down; nothing may have failed in the daemon."""
        status = self.ipamd.stop()
        self.machine.stop()
        assert status == 0
        assert "Traceback" not in self.ipamd.errors.read_text()

    def command(self, container: str, command: str, variables: Mapping[str, str]) -> list[str]:
        """The environment of a plugin's call, as a command that the plugin's path goes behind."""
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": f"/run/netns/{container}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": f"{self.directory / 'bin'}:{PLUGINS}",
            "IPAMD_CNI_SOCKET": str(self.socket),
            **variables,
        }
        return [*self.machine.prefix, "env", *(f"{name}={value}" for name, value in environment.items())]

    def call(self, command: str, config: Mapping[str, Any], container: str, **variables: str) -> Any:
        """Call the plugin that the configuration names; its result. Raises Refused."""
        path = self.directory / "bin" / NAME if config["type"] == NAME else Path(PLUGINS) / config["type"]
        whole = [*self.command(container, command, variables), str(path)]
        done = subprocess.run(whole, input=json.dumps(config), capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.stdout)
        return json.loads(done.stdout) if done.stdout else None

    def attach(self, config: Mapping[str, Any], container: str, **variables: str) -> Any:
        """Make a container and attach it; the result."""
        self.machine.run("ip", "netns", "add", container)
        return self.call("ADD", config, container, **variables)

    def detach(self, config: Mapping[str, Any], container: str, **variables: str) -> None:
        """Detach a container and take it away."""
        self.call("DEL", config, container, **variables)
        self.machine.run("ip", "netns", "delete", container)

    def inside(self, container: str, *command: str) -> str:
        """Run a command in a container; its output."""
        return self.machine.run("ip", "netns", "exec", container, *command)

    def ping(self, container: str, address: str) -> None:
        """Reach an address from a container. CalledProcessError if there is no reply."""
        self.inside(container, "busybox", "ping", "-c", "1", "-W", "10", address)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Ask the daemon over HTTP; the document of the reply."""
        script = (
            "import json,sys,urllib.request as u;"
            "b=json.loads(sys.argv[3]);"
            "r=u.Request(sys.argv[2],None if b is None else json.dumps(b).encode(),"
            "{'Content-Type':'application/json'},method=sys.argv[1]);"
            "print(u.urlopen(r).read().decode())"
        )
        printed = self.machine.run("python3", "-c", script, method, f"{self.ipamd.url}{path}", json.dumps(body))
        return json.loads(printed) if printed.strip() else None

    def leases(self, pool: str) -> dict[str, str]:
        """The leases of a pool: whose an address is."""
        listed = self.request("GET", f"/v1/leases?pool={pool}")["leases"]
        return {each["address"]: each["owner"]["name"] for each in listed}

    def interfaces(self) -> Sequence[str]:
        """The veth interfaces of the host."""
        shown = json.loads(self.machine.run("ip", "-json", "link", "show", "type", "veth") or "[]")
        return [each["ifname"] for each in shown if each]
