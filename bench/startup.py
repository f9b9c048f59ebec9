"""How long after its start a demo cluster gives its first right answer: `kdns up` on an empty directory."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.ports import free_port

STARTS = 5
QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0\x08kube-dns\x0bkube-system\3svc\7cluster\5local\0\0\1\0\1"
ADDRESS = socket.inet_aton("10.96.0.10")  # what the demo's manifests ask for
BETWEEN = 0.005  # seconds between two questions


def delays() -> list[float]:
    """The delay of each of STARTS starts, in seconds."""
    return [_delay() for _ in range(STARTS)]


def row(measured: list[float]) -> tuple[str, str]:
    """The median and the greatest, as text."""
    return f"{median(measured):.2f} s", f"{max(measured):.2f} s"


def _delay() -> float:
    port = free_port()
    words = ["--dns-port", str(port), "--http-port", str(free_port()), "--admin-port", str(free_port())]
    with TemporaryDirectory() as place:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "kdns", "up", "--dir", place, *words]
        log = Path(place) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _first_answer(port, process)
            return time.perf_counter() - begun
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _first_answer(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Ask until the answer is right. RuntimeError if the cluster ends before."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect(("127.0.0.1", port))
        while process.poll() is None:
            try:
                sock.send(QUERY)
                if sock.recv(4096).endswith(ADDRESS):
                    return
            except OSError:  # nobody there yet
                pass
            time.sleep(BETWEEN)
    raise RuntimeError("kdns up ended before it answered")
