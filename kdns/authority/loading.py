"""Zone files read while everything else goes on: a slice of records, then whoever waits gets a turn.

A million records take seconds of work. A thread would take the interpreter from the loop for milliseconds at a time,
and a process would have to hand over every record; slices of a millisecond cost neither.
"""

import asyncio
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from kdns.errors import ZoneError
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone import text
from kdns.zone.zone import Builder, Zone

SLICE = 64  # records between two turns of others: about a millisecond


async def load(path: Path, origin: Name, serial: int | None = None) -> Zone | None:
    """The zone that a file has; None if its SOA has `serial`, after no more than that was read.

    ZoneError, in CoreDNS's words with file and line, for a file that has none or cannot be read.
    """
    builder = Builder(origin)
    try:
        with closing(_parsed(path, origin)) as rrs:
            is_the_same = not await _gather(rrs, builder, serial)
    except ZoneError as fault:
        where = f'failed to parse file "{path}" for origin {names.show(origin)}'
        raise ZoneError(f"{where} with error {fault}") from None
    if is_the_same:
        return None
    try:
        return builder.build()
    except ZoneError:
        raise ZoneError(f'file "{path}" has no SOA record for origin {names.show(origin)}') from None


async def _gather(rrs: Iterator[RR], builder: Builder, serial: int | None) -> bool:
    """Give the records to a builder, slice by slice; False, with no more than that read, if the SOA has `serial`."""
    for count, rr in enumerate(rrs):
        if serial is not None and records.rtype(rr) == codes.SOA:
            if records.soa_serial(rr) == serial:
                return False
            serial = None
        builder.add(rr)
        if not count % SLICE:
            await asyncio.sleep(0)
    return True


def _parsed(path: Path, origin: Name) -> Generator[RR, None, None]:
    yield from text.read(str(path), origin, _lines)


def _lines(path: str) -> Iterator[str]:
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        yield from file
