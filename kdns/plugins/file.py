"""file: zones out of master files.

Syntax:
    file DBFILE [ZONES...] {
        reload DURATION             # how often to look whether the SOA's serial is another: 1m; 0 never
        reload_by_mtime             # look at the file's time of modification in its place
        fallthrough [ZONES...]      # names that do not exist go on to the next plugin
        upstream                    # read and without effect, as in CoreDNS: aliases always ask the server itself
    }

The zones are the server block's without arguments. A file that is not there yet is waited for, with SERVFAIL meanwhile;
one with a mistake is refused, at start with the whole configuration, later in favour of what was read before.

Of several processes the first looks at the files, and tells the others to read one again and the secondaries that they
have; what these begin with is in memory once.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kdns.authority.loading import load
from kdns.authority.service import Cell, Keys, Service
from kdns.authority.settings import reload_of
from kdns.chain import Handler, Reply, Request, nameblind
from kdns.corefile import Args, Directive
from kdns.corefile.durations import show_duration
from kdns.errors import StartError, ZoneError
from kdns.reach import Reach
from kdns.wire import names
from kdns.wire.names import Name

MINUTE = 60.0  # seconds


@dataclass
class Source:
    """Where a zone comes from. `reload` in seconds, 0 never; `modified` when it was last read, None for not yet."""

    cell: Cell
    path: Path
    reload: float
    by_mtime: bool
    modified: float | None = None


def setup(args: Args) -> "File":
    """The plugin of one server block. ConfigError for wrong properties; what the files say is found out at start."""
    return File(args)


@nameblind
class File:
    """The zones of one server block."""

    def __init__(self, args: Args) -> None:
        self._log = args.log
        origins = [args.origins(directive.expect(1, len(directive.words))[1:]) for directive in args.directives]
        self._service = Service("file", (origin for each in origins for origin in each), args.log)
        self._sources: dict[Name, Source] = {}  # whose cells are the service's
        self._started = asyncio.Event()
        reload, by_mtime = MINUTE, False
        for directive, each in zip(args.directives, origins, strict=True):
            reload, by_mtime = self._read_properties(directive, args, reload, by_mtime)
            path = args.directory / directive.words[0]
            for origin in each:
                self._sources[origin] = Source(self._service.cells[origin], path, reload, by_mtime)
        self.meet = self._service.meet
        self.transfer = self._service.transfer
        self.share = self._service.share

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from a zone, or hand on."""
        return await self._service.answer(request, rest)

    def follow(self, forget: Callable[[Keys], None]) -> None:
        """Tell `forget` which zones have changed."""
        self._service.forget = forget

    def reach(self) -> list[Reach]:
        """Its zones, of which nothing goes on that does not fall through."""
        zones = tuple(self._sources)
        return [Reach(zones, zones, self._service.fall.zones or ())]

    def inherit(self, before: object, peers: Mapping[str, object]) -> bool:
        """Take over the zones of the same files, until `start` reads them, or for good in other processes."""
        if not isinstance(before, File):
            return False
        same = {
            origin: before._sources[origin].cell
            for origin, source in self._sources.items()
            if origin in before._sources and before._sources[origin].path == source.path
        }
        found = self._service.take_over(same)
        for origin in same:
            self._sources[origin].cell = self._service.cells[origin]
        return found

    def take(self, change: bytes) -> None:
        """Read the file of a zone again: the first process has."""
        self._service.begin(self._read_again(self._sources[change]))

    async def start(self) -> None:
        """Read every file. StartError for one with a mistake, or that is missing for good."""
        for source in self._sources.values():
            source.cell.zone = None
            try:
                await self._load(source)
            except ZoneError as fault:
                raise StartError(f"plugin/file: {fault}") from None
            except OSError as fault:
                said = f"open {source.path}: {(fault.strerror or str(fault)).lower()}"
                if not source.reload:
                    raise StartError(f"plugin/file: {said}") from None
                self._log("WARNING", f'Failed to open "{said}": trying again in {show_duration(source.reload)}')
        self._started.set()

    async def run(self) -> None:
        """Tell the secondaries of the zones; then look at the files again and again."""
        await self._started.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._service.notify_all())
            for source in self._sources.values():
                group.create_task(self._keep(source))

    async def _keep(self, source: Source) -> None:
        loop = asyncio.get_running_loop()
        while source.reload:
            await asyncio.sleep(source.reload)
            begun = loop.time()
            if await self._look_again(source):
                await self._service.spread(source.cell.origin, loop.time() - begun)
                await self._service.notify(source.cell.origin)

    async def _read_again(self, source: Source) -> None:
        with suppress(ZoneError, OSError):  # the first process tells of them
            await self._load(source)

    async def _look_again(self, source: Source) -> bool:
        """Read the file again if it has changed; whether it had."""
        origin = names.show(source.cell.origin)
        try:
            if source.by_mtime and source.path.stat().st_mtime == source.modified:
                return False
            if not await self._load(source):
                return False
        except ZoneError as fault:
            self._log("ERROR", f'Parsing zone "{origin}": {fault}')
            return False
        except OSError as fault:
            self._log("ERROR", f'Failed to open zone "{origin}" in "{source.path}": {fault.strerror}')
            return False
        assert source.cell.zone is not None
        serial = source.cell.zone.serial
        self._log("INFO", f'Successfully reloaded zone "{origin}" in "{source.path}" with {serial} SOA serial')
        return True

    async def _load(self, source: Source) -> bool:
        """Read the file; whether it has something else than what is served. OSError, ZoneError if it cannot be read."""
        modified = source.path.stat().st_mtime
        before = source.cell.zone
        zone = await load(source.path, source.cell.origin, before.serial if before and not source.by_mtime else None)
        source.modified = modified
        if zone is None:
            return False
        self._service.replace(source.cell, zone)
        return True

    def _read_properties(self, directive: Directive, args: Args, reload: float, by_mtime: bool) -> tuple[float, bool]:
        """`reload` and `reload_by_mtime` as they are behind this directive: one that says nothing takes over."""
        for line in directive.properties({"reload_by_mtime": 0}):
            match line.name:
                case "fallthrough":
                    self._service.fall = args.fallthrough(line)
                case "reload":
                    reload = reload_of(line)
                case "reload_by_mtime":
                    by_mtime = True
                case "upstream":
                    continue
                case _:
                    raise line.error(f"unknown property '{line.name}'")
        return reload, by_mtime
