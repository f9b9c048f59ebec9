"""`python -m bench [--write] [NAME...]`: measure, and print what was measured as Markdown. Loopback only.

Without names everything is measured, which takes about twelve minutes, and docs/performance.md is written anew where it
has tables, with its pictures; with names only these, in seconds each, and the page is left alone but with --write.
`python -m bench profile [WORKLOAD...]` shows instead where kdns's time goes, and `python -m bench instructions
[WORKLOAD...]` how many instructions a query takes.
"""

import argparse
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import (
    changes,
    cni,
    freshness,
    instructions,
    leases_page,
    leasing,
    page,
    processes,
    profiling,
    scale,
    startup,
    workers,
    workloads,
    zones,
)
from bench.cluster import Cluster
from bench.dnsperf import Measured
from bench.page import Fact
from bench.servers import Running, is_here, place
from bench.workloads import ROUNDS, SECONDS, WORKLOADS

Found = tuple[str, list[Fact]]  # a block of the page, and what was wanted of it

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "performance.md"
PICTURES = (DOCS / "performance.png", DOCS / "performance.svg")


def main() -> None:
    """Measure what the command line says."""
    if sys.argv[1:2] == ["profile"]:
        profiling.show(sys.argv[2:])
        return
    if sys.argv[1:2] == ["instructions"]:
        instructions.show(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *WORKLOADS, *OTHERS], help="what to measure")
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/performance.md")
    given = parser.parse_args()
    names = given.names or [*WORKLOADS, *OTHERS]
    blocks = {"machine": machine(given.names)}
    facts: list[Fact] = []
    measured: dict[str, dict[str, Measured]] = {}
    try:
        measure_workloads([name for name in names if name in WORKLOADS], measured, blocks, facts)
        for name in names:
            if name in OTHERS:
                block, found = OTHERS[name]()
                facts += found
                show(blocks, name, block)
    finally:  # a server that does not come up shall not cost what was measured of the others
        if measured or facts:
            show(blocks, "targets", page.targets(measured, facts))
        if given.write or not given.names:
            write(blocks, measured)


def machine(names: list[str]) -> str:
    """What it was measured on, and by which command."""
    command = " ".join(["python -m bench", *names])
    kind = f"{platform.machine()}, {cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    return f"`{command}` on {kind}.\n"


def measure_workloads(
    names: list[str], measured: dict[str, dict[str, Measured]], blocks: dict[str, str], facts: list[Fact]
) -> None:
    """Measure workloads on the cluster of full size, one after the other, into what is passed."""
    if not names:
        return
    cluster = Cluster()
    with TemporaryDirectory() as directory, ExitStack() as until:
        at = until.enter_context(place(Path(directory), cluster))
        running = Running(at, until)
        for name in names:
            measured[name] = workloads.measure(WORKLOADS[name], cluster, running, Path(directory))
            show(blocks, name, page.workload(WORKLOADS[name], measured[name]))
        if "mixed" in names:
            asked = workloads.slices(WORKLOADS["mixed"], cluster, Path(directory))[0]
            moved = {}
            for name in filter(is_here, WORKLOADS["mixed"].servers):
                with running.alone(name) as server:
                    moved[name] = changes.measure(at.api, server, asked, ROUNDS, SECONDS)
            facts += page.of_changes(moved)
            show(blocks, "changes", page.moving(moved))


def show(blocks: dict[str, str], name: str, block: str) -> None:
    """Print a block, and remember it for the page."""
    print(block, flush=True)
    blocks[name] = block


def write(blocks: Mapping[str, str], measured: Mapping[str, Mapping[str, Measured]]) -> None:
    """Put the blocks into the page, and draw the pictures of the workloads."""
    text = PAGE.read_text()
    for name, block in blocks.items():
        text = page.filled(text, name, block)
    PAGE.write_text(text)
    if measured:
        from bench.plot import draw  # here: matplotlib is an extra that only this needs

        draw(measured, PICTURES)


def sizes() -> Found:
    """What clusters of several sizes cost, and `kdns --version`."""
    bounds = {title: scale.formula(cluster) for title, cluster in scale.SIZES.items()}
    version, snapshot, rows = scale.version_seconds(), scale.snapshot_seconds(), scale.rows()
    said = (
        f"`kdns -version` takes {version:.3f} s; with 10,000 services in a snapshot it answers after {snapshot:.2f} s."
    )
    return f"{page.sizes(rows, bounds)}\n{said}\n", page.of_sizes(rows, bounds, version, snapshot)


def million() -> Found:
    """Answers among a million names."""
    found = scale.among_a_million(ROUNDS, SECONDS)
    return page.million(found), page.of_a_million(found)


def divided() -> Found:
    """A second process."""
    found = workers.measure(ROUNDS, SECONDS)
    return page.workers(found), page.of_workers(found)


def zone() -> Found:
    """A zone of a million names: read, given away, followed."""
    owned, followed = zones.primaries(), zones.secondaries()
    return page.owned(owned) + "\n" + page.followed(followed), page.of_zones(owned, followed)


def start() -> Found:
    """From an empty directory to an answer."""
    measured = startup.row(startup.delays())
    head = ("from the start of a demo cluster to the right answer", "median", "most")
    return page.table(head, [("", *measured)]), []


def lease_to_name() -> Found:
    """From a lease to its name."""
    with TemporaryDirectory() as directory, ExitStack() as running:
        ipamd = running.enter_context(processes.ipamd(Path(directory)))
        kdns = running.enter_context(processes.kdns(Path(directory), ipamd.port))
        delays = freshness.row(freshness.delays(ipamd, kdns))
    return page.table(("from a lease's 201 to the right answer", "p50", "p99", "most"), [("", *delays)]), []


def leases() -> Found:
    """Leases a second."""
    with TemporaryDirectory() as directory, processes.ipamd(Path(directory)) as ipamd, processes.echo() as echo:
        measured = leasing.rates(ipamd, echo)
    return leases_page.rates(measured), leases_page.of_rates(measured)


def batches() -> Found:
    """Leases a second in batches."""
    with TemporaryDirectory() as directory, processes.ipamd(Path(directory)) as ipamd:
        measured = leasing.batches(ipamd)
    return leases_page.batches(measured), leases_page.of_batches(measured)


def leases_by_size() -> Found:
    """A thousand leases and a million."""
    with TemporaryDirectory() as directory:
        measured = leasing.sizes(Path(directory))
    return leases_page.sizes(measured), leases_page.of_sizes(measured)


def attachments() -> Found:
    """ADDs of the CNI plugin."""
    with TemporaryDirectory() as directory:
        measured = cni.rows(Path(directory))
    return leases_page.attachments(measured), leases_page.of_attachments(measured)


OTHERS: Mapping[str, Callable[[], Found]] = {
    "scale": sizes,
    "million": million,
    "workers": divided,
    "zone": zone,
    "start": start,
    "lease": lease_to_name,
    "leases": leases,
    "batches": batches,
    "stores": leases_by_size,
    "cni": attachments,
}
"""What else is measured than queries, by name."""


if __name__ == "__main__":
    main()
