r"""auto: a zone for every master file of a directory, as they come and go.

Syntax:
    auto [ZONES...] {
        directory DIR [REGEXP ORIGIN]   # files whose names match are zones, {1} being the first group: db\.(.*) {1}
        reload DURATION                 # how often to look at the directory and the files' serials: 1m; 0 never
        upstream                        # read and without effect, as in CoreDNS
    }

Only questions for ZONES, or those of the server block, are looked at. A file with a mistake is passed over with a
warning; where it was read before, what it had is served on. Of two files for one zone the first one counts.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kdns.authority.loading import load
from kdns.authority.service import Cell, Keys, Service
from kdns.authority.settings import reload_of
from kdns.chain import Handler, Reply, Request, nameblind
from kdns.corefile import Args, Line
from kdns.corefile.patterns import Pattern, compiled
from kdns.errors import WireError, ZoneError
from kdns.reach import Reach
from kdns.wire import names
from kdns.wire.names import Name
from kdns.zone.origins import origin_of

DEFAULT_PATTERN = compiled(r"db\.(.*)")


@dataclass(frozen=True)
class Settings:
    """What the directive says. `reload` in seconds, 0 never."""

    zones: tuple[Name, ...] = ()
    directory: Path = Path()
    pattern: Pattern = DEFAULT_PATTERN
    template: str = "{1}"
    reload: float = 60.0


def setup(args: Args) -> "Auto":
    """The plugin of one server block. ConfigError for wrong properties."""
    settings = Settings()
    for directive in args.directives:
        settings = replace(settings, zones=args.origins(directive.words))
        for line in directive.lines:
            settings = _with(settings, line, args)
    return Auto(settings, args.log)


@nameblind
class Auto:
    """The zones of one directory."""

    def __init__(self, settings: Settings, log: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._log = log
        self._service = Service("auto", (), log)
        self._paths: dict[Name, Path] = {}
        self._started = asyncio.Event()
        self.meet = self._service.meet
        self.transfer = self._service.transfer
        self.share = self._service.share

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from a zone, or hand on."""
        if not any(names.is_below(request.question.key, zone) for zone in self._settings.zones):
            return await rest(request)
        return await self._service.answer(request, rest, self._settings.zones)

    def follow(self, forget: Callable[[Keys], None]) -> None:
        """Tell `forget` which zones have changed."""
        self._service.forget = forget

    def reach(self) -> list[Reach]:
        """The zones that it looks at; what it has no file for goes on."""
        return [Reach(self._settings.zones)]

    def inherit(self, before: object, peers: Mapping[str, object]) -> bool:
        """Take over the zones of the same directory, until `start` reads them, or for good in other processes."""
        if not isinstance(before, Auto) or replace(before._settings, reload=self._settings.reload) != self._settings:
            return False
        self._paths = dict(before._paths)
        return self._service.take_over(before._service.cells)

    def take(self, change: bytes) -> None:
        """Look at the directory: the first process has seen other zones, and has told of them."""
        self._log = _silent
        self._service.begin(self._look())

    async def start(self) -> None:
        """Read every file."""
        self._paths.clear()
        self._service.cells.clear()
        await self._look()
        self._started.set()

    async def run(self) -> None:
        """Tell the secondaries of the zones; then look at the directory again and again."""
        await self._started.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._service.notify_all())
            group.create_task(self._keep())

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._settings.reload:
            await asyncio.sleep(self._settings.reload)
            begun, before = loop.time(), self._paths.keys() - ()
            found = await self._look()
            if found or before - self._paths.keys():
                await self._service.spread(b"", loop.time() - begun)
            await asyncio.gather(*(self._service.notify(origin) for origin in found))

    async def _look(self) -> tuple[Name, ...]:
        """Serve what the files of the directory have now; the zones that are new or have changed."""
        found = self._files()
        for origin in self._paths.keys() - found.keys():
            del self._paths[origin], self._service.cells[origin]
            self._service.forget((origin, *self._settings.zones))
            self._log("INFO", f"Deleting zone `{names.show(origin)}'")
        return tuple([origin for origin, path in found.items() if await self._read(origin, path)])

    async def _read(self, origin: Name, path: Path) -> bool:
        """Read a file; whether its zone is new or has changed."""
        cell = self._service.cells.get(origin) or Cell(origin)
        before = cell.zone
        try:
            zone = await load(path, origin, before.serial if before else None)
        except ZoneError as fault:
            self._log("WARNING", f"Parse zone `{names.show(origin)}': {fault}")
            return False
        self._paths[origin] = path
        if zone is None:
            return False
        self._service.cells[origin] = cell
        self._service.replace(cell, zone)
        if before is None:
            self._service.forget(self._settings.zones)
            self._log("INFO", f"Inserting zone `{names.show(origin)}' from: {path}")
        else:
            said = f'Successfully reloaded zone "{names.show(origin)}" in "{path}" with {zone.serial} SOA serial'
            self._log("INFO", said)
        return True

    def _files(self) -> dict[Name, Path]:
        """The files that are zones, by origin."""
        found: dict[Name, Path] = {}
        for path in _walk(Path(os.path.realpath(self._settings.directory)), self._log):
            try:
                origin = origin_of(path.name, self._settings.pattern.search(path.name), self._settings.template)
            except WireError as fault:
                self._log("WARNING", f"{path}: {fault}")
                continue
            if origin in found:
                said = f'using "{found[origin]}" instead of "{path}"'
                self._log("WARNING", f'Multiple zone files match origin "{names.show(origin)}": {said}')
            elif origin is not None:
                found[origin] = path
        return found


def _silent(level: str, message: str) -> None:
    """Log nothing."""


def _walk(directory: Path, log: Callable[[str, str], None]) -> Iterator[Path]:
    """The files below a directory in the order of their names; directories that are links are not entered.

    A pipe is none of them: to open it would wait for who writes into it.
    """
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as fault:
        log("WARNING", f"error reading {directory}: {fault.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, log)
        elif not path.is_dir() and not path.is_fifo():  # an entry's is_dir() raises for a link that leads to itself
            yield path


def _with(settings: Settings, line: Line, args: Args) -> Settings:
    """The settings with what one line of the block says."""
    match line.name:
        case "directory":
            return _directory(settings, line, args)
        case "reload":
            return replace(settings, reload=reload_of(line))
        case "upstream":
            return settings
    raise line.error(f"unknown property '{line.name}'")


def _directory(settings: Settings, line: Line, args: Args) -> Settings:
    if len(line.args) not in (1, 3):
        raise line.wrong_count()
    directory = args.directory / line.args[0]
    try:
        directory.stat()
    except FileNotFoundError:
        args.warn(f"Directory does not exist: {directory}")
    except OSError as fault:
        raise line.error(f"Unable to access root path '{directory}': {str(fault.strerror).lower()}") from None
    if len(line.args) == 1:
        return replace(settings, directory=directory)
    pattern = line.read(line.args[1], compiled)
    if not pattern.groups:
        raise line.error("Need at least one sub expression")
    return replace(settings, directory=directory, pattern=pattern, template=line.args[2])
