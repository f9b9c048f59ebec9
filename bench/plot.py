"""The workloads as a picture: CPU a query of each server, beside what it is compared with. Needs matplotlib.

Bars on a logarithmic axis, since a name server that waits for an upstream costs fifty times one that does not.
"""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from bench.dnsperf import Measured

WIDTH, HEIGHT = 11.0, 6.0  # inches
COLOURS = {
    "kdns": "#1f5fa8",
    "kdns without C": "#7fa7d1",
    "NSD": "#4d4d4d",
    "Knot DNS": "#7a7a7a",
    "BIND": "#a3a3a3",
    "unbound": "#bdbdbd",
    "dnsmasq": "#d6d6d6",
    "CoreDNS": "#d9822b",
    "canned answer, C": "#3a9a5b",
}


def draw(measured: Mapping[str, Mapping[str, Measured]], files: tuple[Path, ...]) -> None:
    """Write the picture to each of the files, in the format that its suffix says."""
    matplotlib.rcParams["svg.hashsalt"] = "kdns"  # the same numbers make the same file
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / max(len(_merged(servers)) for servers in measured.values())
    for place, servers in enumerate(measured.values()):
        for number, (name, each) in enumerate(_merged(servers).items()):
            known = place == 0 or name not in axes.get_legend_handles_labels()[1]
            label = name if known else None
            axes.bar(place - 0.4 + (number + 0.5) * width, each.rate.cpu, width, color=COLOURS[name], label=label)
    axes.set_yscale("log")
    axes.set_ylabel("CPU a query, µs (kernel included)")
    axes.set_xticks(range(len(measured)), list(measured))
    axes.legend(ncols=3, fontsize="small")
    axes.grid(axis="y", alpha=0.3)
    for file in files:
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def _merged(servers: Mapping[str, Measured]) -> dict[str, Measured]:
    """The servers by their names without what is special in one workload (`kdns, DoT`)."""
    return {name if name in COLOURS else name.split(",")[0]: each for name, each in servers.items()}
