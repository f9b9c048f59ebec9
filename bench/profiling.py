"""`python -m bench profile [WORKLOAD...]`: where kdns's time goes while it is asked, function by function.

The server runs under cProfile, which slows calls of Python down more than what is done in C; so the columns say where
to look, and `python -m bench` whether it helped.
"""

import io
import pstats
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cluster import Cluster
from bench.dnsperf import rate
from bench.servers import BY_NAME, CERTIFICATE, corefile, place
from bench.workloads import WORKLOADS, slices

SMALL = Cluster(1_000, 300)
SECONDS = 2.0
ROWS = 30


def show(names: Sequence[str]) -> None:
    """Print a profile of each workload."""
    for name in names or ("fresh", "miss"):
        print(f"== {name}: {WORKLOADS[name].title}")
        print(profile(name))


def profile(name: str, rows: int = ROWS) -> str:
    """The profile of kdns under one workload: its costliest functions, and the microseconds a query in each."""
    workload = WORKLOADS[name]
    with TemporaryDirectory() as directory, place(Path(directory), SMALL) as at:
        file = Path(directory) / "profile"
        command = [sys.executable, "-m", "cProfile", "-o", str(file), "-m", "kdns"]
        more = {"storm": BY_NAME, "tls": CERTIFICATE}.get(name, "")
        with corefile(command, at, "kdns-", more=more, secure=name == "tls", patient=True) as server:
            asked = slices(workload, SMALL, Path(directory), 2)
            queries = sum(rate(server, each, SECONDS).answers for each in asked)
        return table(file, queries, rows)


def table(file: Path, queries: int, rows: int) -> str:
    """What cProfile wrote, with times as microseconds a query."""
    text = io.StringIO()
    found = pstats.Stats(str(file), stream=text)
    head = f"{'own µs':>8} {'all µs':>8} {'calls':>7}  function (of about {queries:,} queries)\n"
    lines = []
    for (path, line, function), (_, calls, own, everything, _) in found.stats.items():  # type: ignore[attr-defined]
        where = f"{'/'.join(Path(path).parts[-2:])}:{line} {function}" if line else function
        each = f"{own / queries * 1e6:8.2f} {everything / queries * 1e6:8.2f} {calls / queries:7.2f}  {where}"
        lines.append((own, each))
    return head + "\n".join(each for _, each in sorted(lines, reverse=True)[:rows])
