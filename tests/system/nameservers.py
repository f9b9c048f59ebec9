"""Name servers of Debian's in processes of their own: NSD, Knot and BIND, as primaries and as secondaries."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.ports import free_port
from tests.kdns.server import exchange, query

KEY = "transfer-key"
NSD = """
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    database: ""
    pidfile: "{directory}/nsd.pid"
    xfrdfile: "{directory}/xfrd.state"
    xfrdir: "{directory}"
    zonelistfile: "{directory}/zone.list"
    zonesdir: "{directory}"
    server-count: 1
    minimal-responses: no
    round-robin: no
    refuse-any: no
    xfrd-reload-timeout: 0
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
{zones}
"""
KNOT = """
server:
    rundir: "{directory}"
    listen: 127.0.0.1@{port}
database:
    storage: "{directory}"
control:
    listen: "{directory}/knot.sock"
log:
  - target: stderr
    any: warning
acl:
  - id: anybody
    address: 127.0.0.0/8
    action: [transfer, notify]
{key}remote:
  - id: other
    address: 127.0.0.1@{other}
{uses}template:
  - id: default
    storage: "{directory}"
    file: "%s.zone"
    acl: anybody
    zonefile-load: difference
    journal-content: changes
    semantic-checks: soft
zone:
{zones}
"""
BIND = """
{key}options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile "{directory}/session.key";
    recursion no;
    dnssec-validation no;
    allow-transfer {{ any; }};
    allow-notify {{ any; }};
    ixfr-from-differences yes;
    notify explicit;
    notify-delay 0;
    startup-notify-rate 1000;
    also-notify {{ 127.0.0.1 port {other}; }};
}};
controls {{ }};
{zones}
"""


class NameServer:
    """One server with zones out of master files, or from the primary on port `other` where there is no file.

    With a `secret` (in Base64) it signs what it asks the primary, by the key transfer-key and HMAC with SHA-256.
    """

    program: str

    def __init__(self, directory: Path, zones: Mapping[str, str | None], other: int = 9, secret: str = "") -> None:
        self.secret = secret
        self.directory = directory
        self.port = free_port()
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in zones.items():
            if text is not None:
                self.write(name, text)
        path = f"{os.environ.get('PATH', '')}:/usr/sbin"
        with (directory / "output").open("wb") as output:
            self.process = subprocess.Popen(
                self.command(zones, other), stdout=output, stderr=output, env={**os.environ, "PATH": path}
            )
        while not self._answers():
            assert self.process.poll() is None, (directory / "output").read_text()

    def write(self, name: str, text: str) -> None:
        """Put a zone's master file."""
        (self.directory / f"{name}.zone").write_text(text)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)

    def command(self, zones: Mapping[str, str | None], other: int) -> list[str]:
        """How it is started."""
        raise AssertionError

    def _answers(self) -> bool:
        try:
            return bool(exchange(query("version.test. A"), ("127.0.0.1", self.port), tcp=True))
        except OSError:
            return False


class Nsd(NameServer):
    """An NSD."""

    def command(self, zones: Mapping[str, str | None], other: int) -> list[str]:
        """How it is started."""
        config = self.directory / "nsd.conf"
        lines = []
        if self.secret:
            lines.append(f'key:\n    name: {KEY}\n    algorithm: hmac-sha256\n    secret: "{self.secret}"')
        key = KEY if self.secret else "NOKEY"
        for name, text in zones.items():
            lines.append(f"zone:\n    name: {name}\n    zonefile: {name}.zone\n    provide-xfr: 127.0.0.0/8 NOKEY")
            if text is None:
                lines.append(f"    request-xfr: 127.0.0.1@{other} {key}\n    allow-notify: 127.0.0.0/8 NOKEY")
        config.write_text(NSD.format(port=self.port, directory=self.directory, zones="\n".join(lines)))
        return ["nsd", "-d", "-c", str(config)]


class Knot(NameServer):
    """A Knot DNS."""

    def command(self, zones: Mapping[str, str | None], other: int) -> list[str]:
        """How it is started."""
        config = self.directory / "knot.conf"
        lines = [
            f"  - domain: {name}" + ("\n    master: other" if text is None else "\n    notify: other")
            for name, text in zones.items()
        ]
        key, uses = "", ""
        if self.secret:
            key = f"key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {self.secret}\n"
            uses = f"    key: {KEY}\n"
        text = KNOT.format(
            key=key, uses=uses, port=self.port, directory=self.directory, other=other, zones="\n".join(lines)
        )
        config.write_text(text)
        return ["knotd", "-c", str(config)]

    def reload(self) -> None:
        """Read the master files again."""
        command = ["knotc", "-s", str(self.directory / "knot.sock"), "zone-reload"]
        subprocess.run(
            command,
            check=True,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"},
            capture_output=True,
        )


class Bind(NameServer):
    """A BIND."""

    def command(self, zones: Mapping[str, str | None], other: int) -> list[str]:
        """How it is started."""
        config = self.directory / "named.conf"
        key, uses = "", ""
        if self.secret:
            key, uses = f'key {KEY} {{ algorithm hmac-sha256; secret "{self.secret}"; }};\n', f" key {KEY}"
        lines = []
        for name, text in zones.items():
            kind = "primary" if text is not None else "secondary"
            lines.append(f'zone "{name}" {{ type {kind}; file "{name}.zone"; masterfile-format text;')
            lines.append("};" if text is not None else f"primaries {{ 127.0.0.1 port {other}{uses}; }}; }};")
        config.write_text(
            BIND.format(key=key, port=self.port, directory=self.directory, other=other, zones="\n".join(lines))
        )
        return ["named", "-g", "-n", "1", "-c", str(config)]

    def reload(self) -> None:
        """Read the master files again."""
        self.process.send_signal(signal.SIGHUP)


class DynamicBind(Bind):
    """A BIND whose zones anybody may update."""

    def command(self, zones: Mapping[str, str | None], other: int) -> list[str]:
        """How it is started."""
        command = super().command(zones, other)
        config = Path(command[-1])
        text = config.read_text().replace("ixfr-from-differences yes;", "allow-update { 127.0.0.0/8; };")
        config.write_text(text)
        return command
