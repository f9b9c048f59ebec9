"""hosts: addresses from a hosts file, and from lines of the same form in the Corefile.

Syntax:
    hosts [FILE [ZONES...]] {       # /etc/hosts
        INLINE                      # lines `ADDRESS NAME...`, before any option
        ttl SECONDS                 # 3600; 1 to 65535
        no_reverse                  # no PTR answers
        reload DURATION             # how often to look whether the file has changed: 5s; 0 never
        fallthrough [ZONES...]
        fallthrough_unsupported     # types other than A, AAAA and PTR go on too
    }

A name that is not there is SERVFAIL, since there is no SOA to deny it with, unless it falls through. The file is
read at start and looked at again while the server runs; a missing one is empty.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from kdns.chain import Handler, Keep, Plugin, Reply, Request, repeatable
from kdns.corefile import Args, Fall, Line, duration
from kdns.corefile.numbers import integer
from kdns.errors import SERVFAIL, NoAnswer
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone import hosts as table
from kdns.zone.hosts import Table

MAX_TTL = 65535  # seconds
NEVER = 1e9  # seconds
NO_FALL = Fall()


@dataclass(frozen=True)
class Settings:
    """What the directive says. Times in seconds."""

    path: Path = Path("/etc/hosts")
    zones: tuple[Name, ...] = ()
    inline: tuple[str, ...] = ()
    ttl: int = 3600
    reload: float = 5.0
    reverse: bool = True
    fall: Fall = NO_FALL
    fall_unsupported: bool = False


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for wrong properties."""
    directive = args.once()
    settings = Settings(zones=args.origins(directive.words[1:]))
    if directive.words:
        settings = replace(settings, path=args.directory / directive.words[0])
        _look_at(settings.path, args)
    for line in directive.properties({"no_reverse": 0}):
        settings = _with(settings, line, args)
    if settings.fall_unsupported and settings.fall.zones is None:
        raise directive.error("fallthrough_unsupported requires fallthrough")
    return Hosts(settings, args.metrics)


@repeatable
class Hosts:
    """The tables of one server block: what the file last said, and the Corefile's own lines."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._inline = table.parse("\n".join(settings.inline), settings.zones, reverse=settings.reverse)
        self._file = Table({}, {})
        self._seen: tuple[int, int] | None = None  # time of modification and size of the file when it was read
        self._forget: Callable[[Collection[Name]], None] = lambda keys: None

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from the tables, or hand on; an update (RFC 2136) is no question."""
        if request.question.is_update:
            return await rest(request)
        key, qtype = request.question.key, request.question.qtype
        if qtype == codes.PTR:
            return await self._point(request, rest)
        if not any(names.is_below(key, zone) for zone in self._settings.zones):
            return await rest(request)
        if qtype not in (codes.A, codes.AAAA) and self._settings.fall_unsupported and self._settings.fall.through(key):
            return await self._hand_on(request, rest, (key, table.wildcard(key)))
        found = table.lookup((self._file, self._inline), key, qtype)
        if not found and not self._exists(key):
            if self._settings.fall.through(key):
                return await self._hand_on(request, rest, (key, table.wildcard(key)))
            raise NoAnswer(SERVFAIL)
        answer = tuple(records.make(key, qtype, self._settings.ttl, packed) for packed in found)
        return _reply(answer, (key, table.wildcard(key)))

    def reach(self) -> list[Reach]:
        """Its zones, and every address for what has names in them."""
        return [Reach((names.ROOT,) if self._settings.reverse else self._settings.zones)]

    async def start(self) -> None:
        """Read the file for the first time."""
        await self._read()

    async def run(self) -> None:
        """Look at the file again and again, if the Corefile says so."""
        while True:
            await asyncio.sleep(self._settings.reload or NEVER)
            await self._read()

    def follow(self, forget: Callable[[Collection[Name]], None]) -> None:
        """Tell `forget` which names a new reading of the file changed."""
        self._forget = forget

    async def _point(self, request: Request, rest: Handler) -> Reply:
        key = request.question.key
        address = table.address_of_reverse(key)
        if address is None:
            return await rest(request)
        keys = key, table.reverse_of(address)
        owners = table.owners((self._file, self._inline), address)
        if not owners:
            return await self._hand_on(request, rest, keys)
        return _reply(tuple(records.make(key, codes.PTR, self._settings.ttl, owner) for owner in owners), keys)

    async def _hand_on(self, request: Request, rest: Handler, keys: tuple[Name, ...]) -> Reply:
        """The reply from below holds only as long as these names stay unknown here."""
        reply = await rest(request)
        if reply.keep is None:
            return reply
        return reply._replace(keep=reply.keep._replace(names=(*reply.keep.names, *keys)))

    def _exists(self, key: Name) -> bool:
        return any(table.lookup((self._file, self._inline), key, qtype) for qtype in (codes.A, codes.AAAA))

    async def _read(self) -> None:
        try:
            status = self._settings.path.stat()
            if self._seen == (status.st_mtime_ns, status.st_size):
                return
            # In a thread: files of millions of lines are in use, and queries do not wait for them.
            found, changed = await asyncio.to_thread(self._parsed, self._file)
        except OSError:
            return  # said at set-up; what was read before stays
        self._file, self._seen = found, (status.st_mtime_ns, status.st_size)
        self._forget(changed)
        entries = self._inline.entries + self._file.entries
        self._metrics.family("hosts_entries").set((str(self._settings.path),), entries)
        self._metrics.family("hosts_reload_timestamp_seconds").set((), status.st_mtime)

    def _parsed(self, before: Table) -> tuple[Table, set[Name]]:
        """The file as it is now, and what differs from what it was."""
        text = self._settings.path.read_text(encoding="utf-8", errors="replace")
        found = table.parse(text, self._settings.zones, reverse=self._settings.reverse)
        return found, set(table.changed(before, found))


def _reply(answer: tuple[RR, ...], keys: tuple[Name, ...]) -> Reply:
    return Reply(answer=answer, flags=codes.AA, by="hosts", keep=Keep(keys))


def _look_at(path: Path, args: Args) -> None:
    try:
        path.stat()
    except FileNotFoundError:
        args.warn(f"File does not exist: {path}")
    except OSError as fault:
        raise args.once().error(f"unable to access hosts file '{path}': {str(fault.strerror).lower()}") from None
    if path.is_dir():
        args.warn(f'Hosts file "{path}" is a directory')


def _with(settings: Settings, line: Line, args: Args) -> Settings:
    """The settings with what one line of the block says."""
    match line.name:
        case "fallthrough":
            return replace(settings, fall=args.fallthrough(line))
        case "fallthrough_unsupported":
            line.expect(0)
            return replace(settings, fall_unsupported=True)
        case "no_reverse":
            return replace(settings, reverse=False)
        case "ttl":
            return replace(settings, ttl=_ttl(line))
        case "reload":
            return replace(settings, reload=_reload(line))
    if settings.fall.zones is not None:
        raise line.error(f"unknown property '{line.name}'")
    return replace(settings, inline=(*settings.inline, " ".join(line.words)))


def _ttl(line: Line) -> int:
    if not line.args:
        raise line.error("ttl needs a time in second")
    try:
        seconds = integer(line.args[0])
    except ValueError:
        raise line.error("ttl needs a number of second") from None
    if not 0 < seconds <= MAX_TTL:
        raise line.error("ttl provided is invalid")
    return seconds


def _reload(line: Line) -> float:
    if len(line.args) != 1:
        raise line.error("reload needs a duration (zero seconds to disable)")
    try:
        seconds = duration(line.args[0])
    except ValueError:
        raise line.error(f"invalid duration for reload '{line.args[0]}'") from None
    if seconds < 0:
        raise line.error(f"invalid negative duration for reload '{line.args[0]}'")
    return seconds
