"""The tables of docs/performance.md that are about ipamd, and what was wanted of it. Pure."""

from collections.abc import Mapping, Sequence

from bench.cni import Row
from bench.dnsperf import Rate
from bench.leasing import BATCH, Granted, Sized
from bench.page import Fact, table

WHO = "ipamd"


def rates(measured: Mapping[str, Granted]) -> str:
    """Leases of 64 clients, each kind with its ratios to the echo."""
    head = ("leases, 64 clients", "requests/s", "of echo", "CPU µs each", "of echo", "p99 ms", "of echo")
    echo = measured["echo"]
    rows = [
        (
            name,
            f"{each.rate.qps:,.0f}",
            f"{each.rate.qps / echo.rate.qps:.2f}",
            f"{each.rate.cpu:.1f}",
            f"{each.rate.cpu / echo.rate.cpu:.2f}",
            f"{each.p99:.1f}",
            f"{each.p99 / echo.p99:.2f}",
        )
        for name, each in measured.items()
    ]
    return table(head, rows)


def of_rates(measured: Mapping[str, Granted]) -> list[Fact]:
    """What was wanted of single leases."""
    echo, lease = measured["echo"], measured["lease"]
    return [
        Fact("leases, 64 clients", "rate at least 0.8 x echo", lease.rate.qps / echo.rate.qps, 0.8, True, WHO),
        Fact("leases, 64 clients", "p99 at most 10 x that of echo", lease.p99 / echo.p99, 10.0, who=WHO),
    ]


def batches(measured: Rate) -> str:
    """The table of leases in batches."""
    row = (f"{BATCH:,} leases a batch", f"{measured.qps:,.0f}", f"{measured.cpu:.1f}")
    return table(("leases, one client", "leases/s", "CPU µs each"), [row])


def of_batches(measured: Rate) -> list[Fact]:
    """What was wanted of batches."""
    return [Fact(f"batches of {BATCH:,}", "at least 50,000 leases/s", measured.qps, 50_000, True, WHO)]


def sizes(measured: Mapping[int, Sized]) -> str:
    """Stores with few leases and with many."""
    head = ("leases in a /8", "start to answer s", "RSS MB", "all listed s", "RSS MB after that", "CPU µs a lease more")
    rows = [
        (
            f"{count:,}",
            f"{each.start:.2f}",
            f"{each.memory:.0f}",
            f"{each.listed:.2f}",
            f"{each.memory_after:.0f}",
            f"{each.cost:.1f}",
        )
        for count, each in measured.items()
    ]
    return table(head, rows)


def of_sizes(measured: Mapping[int, Sized]) -> list[Fact]:
    """What was wanted of the store with the most leases."""
    few, many = measured[min(measured)], measured[max(measured)]
    what = f"{max(measured):,} leases"
    return [
        Fact(what, "from start to answer at most 5 s", many.start, 5.0, who=WHO),
        Fact(what, "RSS at most 400 MB", max(many.memory, many.memory_after), 400.0, who=WHO),
        Fact(what, f"a lease costs at most 1.2 x that among {min(measured):,}", many.cost / few.cost, 1.2, who=WHO),
    ]


def attachments(measured: Sequence[Row]) -> str:
    """ADDs of the CNI plugin."""
    rows = [(row.title, f"{row.ours:.1f} ms", f"{row.theirs:.1f} ms", f"{row.ratio:.2f}") for row in measured]
    return table(("one CNI ADD", "ipamd", "host-local", "of host-local"), rows)


def of_attachments(measured: Sequence[Row]) -> list[Fact]:
    """What was wanted of them."""
    return [Fact(f"CNI ADD, {row.title}", "time at most 1 x host-local", row.ratio, 1.0, who=WHO) for row in measured]
