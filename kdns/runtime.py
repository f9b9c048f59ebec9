"""What the interpreter and the process say of themselves, for those who publish metrics.

Names that dashboards of CoreDNS ask for are given a value where Python has something to say: the rest of Go's (its
heap's parts, its collector's pauses) have no counterpart and are absent.
"""

import asyncio
import gc
import platform
import resource
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

NETSTAT = Path("/proc/self/net/netstat")
UNLIMITED = float(1 << 64)  # how Go's collector shows a limit that is none

Gauges = Mapping[str, tuple[str, Callable[[], float]]]

ALWAYS: Gauges = {
    "go_goroutines": ("Tasks of the event loop, which are what goroutines are in Go.", lambda: _tasks()),
    "go_threads": ("Threads of the process.", threading.active_count),
    "go_memstats_heap_objects": ("Memory blocks in use.", sys.getallocatedblocks),
    "process_virtual_memory_max_bytes": ("Most virtual memory that the process may have.", lambda: _most_memory()),
}
MORE: Gauges = {
    "python_threads": ("Threads of the interpreter.", threading.active_count),
    "python_allocated_blocks": ("Memory blocks in use.", sys.getallocatedblocks),
    "python_gc_objects_pending": ("Container objects made since the last collections.", lambda: sum(gc.get_count())),
    "python_asyncio_tasks": ("Tasks of the event loop.", lambda: _tasks()),
}


class Runtime(Collector):
    """What is always published."""

    def collect(self) -> Iterator[Metric]:
        """The numbers as they are now."""
        info = GaugeMetricFamily("go_info", "What runs this: Python, not Go.", labels=("version",))
        info.add_metric((f"python{platform.python_version()}",), 1)
        yield info
        yield from _read(ALWAYS)
        for direction, octets in network(NETSTAT.read_text() if NETSTAT.is_file() else "").items():
            name = f"process_network_{direction}_bytes"
            yield CounterMetricFamily(name, f"Octets that the process's network did {direction}.", octets)

    def describe(self) -> Iterator[Metric]:
        """The names, by which a registry knows when it has them already."""
        return _named(ALWAYS)


class MoreRuntime(Collector):
    """What is published where somebody asked for more."""

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        return _read(MORE)

    def describe(self) -> Iterator[Metric]:
        """The names, by which a registry knows when it has them already."""
        return _named(MORE)


def network(netstat: str) -> dict[str, float]:
    """Octets by direction (receive, transmit) from the text of /proc/PID/net/netstat; {} if it does not say."""
    rows = [line.split() for line in netstat.splitlines() if line.startswith("IpExt:")]
    if len(rows) != 2:
        return {}
    found = dict(zip(*rows, strict=False))
    named = {"receive": "InOctets", "transmit": "OutOctets"}
    return {direction: float(found[name]) for direction, name in named.items() if name in found}


def _read(gauges: Gauges) -> Iterator[Metric]:
    return (GaugeMetricFamily(name, about, read()) for name, (about, read) in gauges.items())


def _named(gauges: Gauges) -> Iterator[Metric]:
    return (GaugeMetricFamily(name, about) for name, (about, _) in gauges.items())


def _tasks() -> float:
    return len(asyncio.all_tasks())


def _most_memory() -> float:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
