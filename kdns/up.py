"""`kdns up`: a demo cluster on this machine - ipamd, kdns in front of it, and a shop to resolve - until Ctrl-C.

Both daemons run as processes of their own, as they would anywhere; this module only starts them, waits until each
says that it is ready, applies the demo's manifests, and stops them again.
"""

import argparse
import http.client
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

PATIENCE = 20.0  # seconds that a daemon gets to become ready
POLL = 0.02  # seconds between two looks
STEP = 100  # from a port that is taken to the one that is proposed in its place
STOP = 10.0  # seconds that a daemon gets to stop

LEASE = '{"pool":"pods","owner":{"kind":"Pod","namespace":"default","name":"web-0"}}'
GREETING = """\
ipamd   http://127.0.0.1:{http}   leases, Kubernetes paths, /openapi.json
kdns    127.0.0.1:{dns} (UDP, TCP)   metrics at http://localhost:{admin}/metrics
kept    {directory}   leases and logs

Try, in another shell:
  curl -s localhost:{http}/v1/leases -d '{lease}'
  dig -p {dns} @127.0.0.1 web.shop.svc.cluster.local
  {ipamctl}{server} get services -A

Ctrl-C stops both."""


def main(words: list[str]) -> int:
    """Run the demo cluster until it is interrupted or a daemon ends; the exit status."""
    given = _flags().parse_args(words)
    ports = {"http": given.http_port, "dns": given.dns_port, "admin": given.admin_port}
    if taken := {name: port for name, port in ports.items() if _is_taken(port)}:
        print(_busy(taken, words, given.dir), file=sys.stderr)
        return 1
    given.dir.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too where a shell started this with it ignored
        signal.signal(number, _stop)
    with ExitStack() as running:
        return _run(given, running)


def _stop(number: int, _frame: FrameType | None) -> None:
    print("\nStopping kdns, then ipamd. What was leased is kept.", flush=True)
    sys.exit(0)


def _run(given: argparse.Namespace, running: ExitStack) -> int:
    api = f"http://127.0.0.1:{given.http_port}"
    environment = {
        **os.environ,
        "KDNS_DNS_PORT": str(given.dns_port),
        "KDNS_ADMIN_PORT": str(given.admin_port),
        "KDNS_IPAMD": api,
        "KDNS_UPSTREAM": given.upstream,
    }
    store = f"sqlite:{given.dir / 'ipamd.sqlite'}"
    configs = _configs()
    ipamd = _Daemon("ipamd", given.dir, environment, "--listen", f"127.0.0.1:{given.http_port}", "--store", store)
    running.callback(ipamd.stop)
    kdns = _Daemon("kdns", given.dir, environment, "-conf", str(configs / "Corefile.demo"))
    running.callback(kdns.stop)
    if not ipamd.wait_ready(given.http_port, "/readyz"):
        return 1
    apply = [sys.executable, "-m", "ipamd.ctl", "--server", api, "apply", "-f", str(configs / "demo")]
    if subprocess.run(apply, stdout=subprocess.DEVNULL, check=False).returncode:
        return 1
    if not kdns.wait_ready(given.admin_port, "/ready"):
        return 1
    print(_greeting(given), flush=True)
    while ipamd.runs() and kdns.runs():
        time.sleep(0.5)
    return 1


class _Daemon:
    """A child process, its output in a file of its name."""

    def __init__(self, module: str, directory: Path, environment: Mapping[str, str], *words: str) -> None:
        self._log = directory / f"{module}.log"
        self._module = module
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", module, *words]
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def runs(self) -> bool:
        """Whether it has not ended; if it has, say so."""
        if self._process.poll() is None:
            return True
        print(f"{self._module} ended. {self._log} says:\n{self._log.read_text(errors='replace')}", file=sys.stderr)
        return False

    def wait_ready(self, port: int, path: str) -> bool:
        """Wait until a GET is answered with 200; False, with words about it, if that does not happen."""
        deadline = time.monotonic() + PATIENCE
        while self.runs():
            if _is_ok(port, path):
                return True
            if time.monotonic() > deadline:
                print(f"{self._module} is not ready after {PATIENCE:.0f} s: see {self._log}", file=sys.stderr)
                return False
            time.sleep(POLL)
        return False

    def stop(self) -> None:
        """End it and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _busy(taken: Mapping[str, int], words: list[str], directory: Path) -> str:
    """That ports are taken, and what to type for a second cluster beside whoever has them."""
    named = " and ".join(map(str, taken.values()))
    said = f"ports {named} are" if len(taken) > 1 else f"port {named} is"
    others = [word for name, port in taken.items() for word in (f"--{name}-port", str(_free_above(port)))]
    command = [_command("kdns"), "up", *words, *others, "--dir", f"{directory}-2"]
    return f"{said} in use, perhaps by another `kdns up`; for one beside it:\n  {shlex.join(command)}"


def _free_above(port: int) -> int:
    """A port that is free now, a round step above one that is not; 0 if all are taken."""
    return next((other for other in range(port + STEP, 1 << 16, STEP) if not _is_taken(other)), 0)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _is_ok(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _greeting(given: argparse.Namespace) -> str:
    server = "" if given.http_port == _HTTP_PORT else f" --server http://127.0.0.1:{given.http_port}"
    ports = {"dns": given.dns_port, "http": given.http_port, "admin": given.admin_port}
    return GREETING.format(**ports, lease=LEASE, ipamctl=_command("ipamctl"), server=server, directory=given.dir)


def _command(name: str) -> str:
    """How a shell here starts one of our commands: its name if the PATH has this environment's, else where it is."""
    beside = Path(sys.executable).with_name(name)
    if not beside.exists() or shutil.which(name) == str(beside):
        return name
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)


def _configs() -> Path:
    """Where the demo's files are: in the package where it was installed, beside it in a checkout."""
    packaged = Path(__file__).parent / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "configs"


_DNS_PORT, _HTTP_PORT, _ADMIN_PORT = 1053, 8653, 9153


def _flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kdns up", description="Run a demo cluster on this machine.")
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    add = parser.add_argument
    add("--dir", type=Path, default=state / "kdns-demo", help="state and logs (default: %(default)s)")
    add("--dns-port", type=int, default=_DNS_PORT, help="where kdns answers (default: %(default)s)")
    add("--http-port", type=int, default=_HTTP_PORT, help="where ipamd answers (default: %(default)s)")
    add("--admin-port", type=int, default=_ADMIN_PORT, help="metrics and readiness of kdns (default: %(default)s)")
    add("--upstream", default="/etc/resolv.conf", help="who knows all other names (default: %(default)s)")
    return parser
