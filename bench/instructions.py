"""`python -m bench instructions [WORKLOAD...]`: how many instructions a query takes, function by function.

kdns runs under valgrind's callgrind, which counts: what comes out is the same whatever else the machine does, so a
change of one in a hundred shows. The kernel's instructions are not among them. Python's own functions are the
interpreter's here (`bench profile` tells them apart); what C does for them stands under its name.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from socket import SOCK_DGRAM, socket
from tempfile import TemporaryDirectory

from bench.cluster import Cluster
from bench.servers import BY_NAME, corefile, place
from bench.workloads import WORKLOADS

SMALL = Cluster(300, 50)
ASKED = 2_000  # queries that are counted
PATIENCE = 30.0  # seconds for a reply: the server is some fifty times slower than it is
ROWS = 15
HEAD = b"\0\1\1\0\0\1\0\0\0\0\0\0"
TYPES = {"A": 1, "AAAA": 28, "SRV": 33}


def show(names: Sequence[str]) -> None:
    """Print the counts of each workload over UDP."""
    for name in names or ("hot", "fresh", "forward", "miss"):
        print(f"== {name}: {WORKLOADS[name].title}")
        print(counted(name))


def counted(name: str) -> str:
    """The instructions a query of kdns under one workload, in all and by function."""
    workload = WORKLOADS[name]
    with TemporaryDirectory() as directory, place(Path(directory), SMALL) as at:
        file = Path(directory) / "counts"
        command = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={file}"]
        more = BY_NAME if name == "storm" else ""
        with corefile([*command, sys.executable, "-m", "kdns"], at, "kdns-", more=more, patient=True) as server:
            lines = [*workload.asked(SMALL, 0)]
            ask(server.port, lines[: len(lines) // 2])
            asked = lines if workload.again else lines[len(lines) // 2 :]
            asked = (asked * (ASKED // len(asked) + 1))[:ASKED] if workload.again else asked[:ASKED]
            ask(server.port, asked) if workload.again else None
            _control("--instr=on", server.pid)
            ask(server.port, asked)
            _control("--instr=off", server.pid)
        return table(annotated(file), len(asked))


def ask(port: int, lines: Sequence[str]) -> None:
    """Ask for each line, `NAME TYPE`, when the one before is answered. TimeoutError if one is not."""
    with closing(socket(type=SOCK_DGRAM)) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        for line in lines:
            name, kind = line.split()
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
            sock.send(HEAD + labels + b"\0" + TYPES[kind].to_bytes(2, "big") + b"\0\1")
            sock.recv(4096)


def annotated(file: Path) -> list[tuple[int, str]]:
    """Instructions and function, the costliest first, of what callgrind wrote; the total is the first of them."""
    said = subprocess.run(
        ["callgrind_annotate", "--threshold=95", str(file)], check=True, capture_output=True, text=True
    )
    found = re.findall(r"^\s*([\d,]+) \([^)]*\)\s+(.*?)(?: \[.*\])?$", said.stdout, re.MULTILINE)
    return [(int(count.replace(",", "")), function) for count, function in found]


def table(counts: Sequence[tuple[int, str]], queries: int) -> str:
    """The rows, as instructions a query."""
    rows = [f"{count / queries:12,.0f}  {function.rpartition(':')[2]}" for count, function in counts[: ROWS + 1]]
    return f"instructions (of {queries:,} queries)\n" + "\n".join(rows) + "\n"


def _control(word: str, pid: int) -> None:
    subprocess.run(["callgrind_control", word, str(pid)], check=True, capture_output=True)
