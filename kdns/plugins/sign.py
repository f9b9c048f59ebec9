"""sign: sign master files, and keep their signatures fresh.

Syntax:
    sign DBFILE [ZONES...] {
        key file KEY...         # made by dnssec-keygen -f KSK; with or without .key or .private
        directory DIR           # where db.ZONE.signed goes; /var/lib/coredns
    }

A zone that was not signed yet is signed at start. It is looked at every five hours, and signed again when its
signatures are six days old or hold for less than seven more; new ones hold for 32 days and up to five more, and from
three hours ago or up to 18 more. The serial is the time of signing. Serve the result by *file* or *auto*, which notice
it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from kdns.authority.settings import keys_of
from kdns.corefile import Args, Directive, Line
from kdns.errors import ZoneError
from kdns.transport.files import put
from kdns.wire import names
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone import signed, text
from kdns.zone.keys import Key
from kdns.zone.signing import Period

HOUR, DAY = 3600, 86400  # seconds
LOOK = 5 * HOUR
OLDEST, LEAST = 6 * DAY, 7 * DAY
BEFORE, AFTER = 3 * HOUR, 32 * DAY
MOST_BEFORE, MOST_AFTER = 18 * HOUR, 5 * DAY  # more, by chance, so that zones are not all signed at once
DIRECTORY = "/var/lib/coredns"
READABLE = 0o644  # by the other servers of the machine


@dataclass(frozen=True)
class Signer:
    """One zone, its master file and where the signed one goes; `earlier` and `later` in seconds are chance's part."""

    origin: Name
    source: Path
    target: Path
    keys: tuple[Key, ...]
    earlier: int
    later: int

    def why(self, now: int) -> str:
        """Why the zone has to be signed at a time in Unix seconds; empty if it does not."""
        try:
            return signed.why_again(text.read(str(self.target), self.origin, _lines), now, OLDEST, LEAST)
        except ZoneError as fault:
            return str(fault)

    def sign(self, now: int) -> None:
        """Sign the zone and put it in its place. ZoneError if it cannot be read, OSError if it cannot be written."""
        period = Period(now - BEFORE - self.earlier, now + AFTER + self.later)
        rrs = text.read(str(self.source), self.origin, _lines)
        _write(self.target, signed.signed(rrs, self.origin, self.keys, period, now))


class Signs:
    """The signers of one server block. No query comes here. `wall` tells Unix seconds."""

    divisible = False  # a zone file has one writer

    def __init__(self, signers: tuple[Signer, ...], wall: Callable[[], float], log: Callable[[str, str], None]) -> None:
        self._signers = signers
        self._wall = wall
        self._log = log

    async def run(self) -> None:
        """Look at each zone now and every five hours, and sign it where it needs that."""
        while True:
            for signer in self._signers:
                await self.look(signer)
            await asyncio.sleep(LOOK)

    async def look(self, signer: Signer) -> None:
        """Look at one zone, and sign it if it needs that."""
        now = int(self._wall())
        zone = names.show(signer.origin)
        why = await asyncio.to_thread(signer.why, now)
        if not why:
            self._log("INFO", f'Skipping signing zone "{zone}" in "{signer.target}": signatures are valid')
            return
        self._log("INFO", f'Signing "{zone}" because {why}')
        tags = ",".join(str(key.tag) for key in signer.keys)
        try:
            await asyncio.to_thread(signer.sign, now)
        except (ZoneError, OSError) as fault:
            self._log("WARNING", f'Error signing "{zone}" with key tags "{tags}": {fault}')
            return
        self._log(
            "INFO",
            f'Successfully signed zone "{zone}" in "{signer.target}" with key tags "{tags}" and {now} SOA serial',
        )


def setup(args: Args) -> Signs:
    """The signers of one server block. ConfigError for keys that cannot be used."""
    return Signs(
        tuple(each for directive in args.directives for each in _signers(args, directive)), time.time, args.log
    )


def _signers(args: Args, directive: Directive) -> Iterator[Signer]:
    if not directive.words:
        raise directive.wrong_count()
    source, *zones = directive.words
    found: list[Key] = []
    directory = Path(DIRECTORY)
    for line in directive.lines:
        match line.name:
            case "key":
                found += _keys(args, line)
            case "directory":
                directory = args.directory / _one(line)
            case _:
                raise line.error(f"unknown property '{line.name}'")
    for origin in args.origins(zones):
        target = directory / f"db.{names.show(origin)}signed"
        earlier, later = random.randrange(MOST_BEFORE), random.randrange(MOST_AFTER)
        yield Signer(origin, args.directory / source, target, tuple(found), earlier, later)


def _one(line: Line) -> str:
    if len(line.args) != 1:
        raise line.error('can only be one argument after "directory"')
    return line.args[0]


def _keys(args: Args, line: Line) -> list[Key]:
    found = keys_of(line, args.directory)
    for file, key in zip(line.args[1:], found, strict=True):
        if not key.signs_keys:
            raise line.error(f'DNSKEY in "{file}" is not a CSK/KSK')
    return found


def _lines(path: str) -> Iterable[str]:
    with Path(path).open() as file:
        yield from file


def _write(target: Path, rrs: Iterable[RR]) -> None:
    """Put the zone in its place; until it is whole its name is none that *auto* takes for a zone's (db.ZONE)."""
    beside = f"signed-{crc32(target.name.encode()):08x}"
    put(target, (f"{signed.to_text(rr)}\n".encode() for rr in rrs), READABLE, beside=beside)
