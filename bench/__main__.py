"""`python -m bench`: measure, and print what was measured as Markdown. Takes about two minutes; loopback only."""

import platform
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cni, freshness, leasing, processes, queries, startup
from bench.queries import Rate


def main() -> None:
    """Measure everything, one thing after the other."""
    print(
        f"{platform.machine()}, {cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}\n"
    )
    measured = startup.row(startup.delays())
    print(table(("from the start of a demo cluster to the right answer", "median", "most"), [("", *measured)]))
    with TemporaryDirectory() as directory, ExitStack() as running:
        place = Path(directory)
        ipamd = running.enter_context(processes.ipamd(place))
        kdns = running.enter_context(processes.kdns(place, ipamd.port))
        delays = freshness.row(freshness.delays(ipamd, kdns))
        print(table(("from a lease's 201 to the right answer", "p50", "p99", "most"), [("", *delays)]))
        names = queries.fill(ipamd)
        nsd = running.enter_context(processes.nsd(place, queries.zone(names)))
        knot = running.enter_context(processes.knot(place, queries.zone(names)))
        servers = {"kdns": kdns, "nsd": nsd, "knot": knot}
        title = f"{queries.ABSENT:,} absent names"
        print(rates(title, "q/s", queries.rates(servers, queries.cold(place)), "nsd"))
        compiler = shutil.which("cc")
        if compiler is not None:
            servers["canned answer, C"] = running.enter_context(processes.limit(place, compiler))
        title = f"{queries.SERVICES:,} hot names"
        print(rates(title, "q/s", queries.rates(servers, queries.hot(names, place)), "nsd"))
        if compiler is None:
            print("No C compiler here: the canned answer is left out.\n")
    with TemporaryDirectory() as directory, processes.ipamd(Path(directory)) as ipamd, processes.echo() as echo:
        print(rates("leases, 64 clients", "requests/s", leasing.rates(ipamd, echo), "echo"))
    with TemporaryDirectory() as directory:
        print(table(("one CNI ADD", "ipamd", "host-local", "of host-local"), cni.rows(Path(directory))))


def rates(title: str, unit: str, measured: Mapping[str, Rate], peer: str) -> str:
    """A table of rates, each with its ratio to the peer's."""
    head = (title, unit, f"of {peer}", "CPU µs each", f"of {peer}")
    beside = measured[peer]
    rows = [
        (name, f"{rate.qps:,.0f}", f"{rate.qps / beside.qps:.2f}", f"{rate.cpu:.1f}", f"{rate.cpu / beside.cpu:.2f}")
        for name, rate in measured.items()
    ]
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
