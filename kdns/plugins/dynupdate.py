"""dynupdate: a zone that clients change by dynamic updates (RFC 2136).

Syntax:
    dynupdate [ZONE] {
        file DBFILE                     # the master file that the zone begins with; it is never written
        database PATH                   # where changes are kept for good; without it a restart or a reload loses them
        allow KEY NAME TYPE...          # what a TSIG key may change; NAME: @ is the apex, * is all; TYPE: * is all
        max_records COUNT               # of the zone: 10000
        max_bytes BYTES                 # of the zone's records: 8388608
        max_update_records COUNT        # of an update: 1024
    }

The zone is the server block's, if that has one, without argument. Updates have to be signed, and *tsig* in the same
block to check that. An update is done whole or not at all, is on disk before its client is told, counts the SOA's
serial on, and is told to secondaries by *transfer*, which gives them the differences (IXFR). Once there is a database,
it is the zone, and `file` is not read again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kdns.authority.loading import load
from kdns.authority.service import Keys, Service
from kdns.authority.updating import Limits, Writable, begun, faults, restored, size_of
from kdns.chain import Handler, Reply, Request, repeatable
from kdns.corefile import Args, Directive, Line
from kdns.errors import SERVFAIL, NoAnswer, StartError, WireError, ZoneError
from kdns.reach import Reach
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.update import META, UNSIGNABLE

LIMITS = {"max_records": "records", "max_bytes": "octets", "max_update_records": "update"}
DEFAULTS = Limits()
ALL = "*"


class Permission(NamedTuple):
    """What a key may change; None for every name or every type."""

    key: Name
    name: Name | None
    types: frozenset[int] | None

    def covers(self, key: Name, name: Name, kind: int) -> bool:
        """Whether a change by a key, of records of a name and type, is allowed by it."""
        return key == self.key and self.name in (None, name) and (self.types is None or kind in self.types)


@dataclass
class Settings:
    """What the directive says; `database` None for changes in memory only."""

    origin: Name
    file: Path | None = None
    database: Path | None = None
    allowed: tuple[Permission, ...] = ()
    limits: Limits = DEFAULTS


def setup(args: Args) -> "DynUpdate":
    """The plugin of one server block. ConfigError in CoreDNS's words; what the files say is found out at start."""
    return DynUpdate(_read(args), args.log)


@repeatable
class DynUpdate:
    """The zone of one server block."""

    divisible = False  # a zone has one writer

    def __init__(self, settings: Settings, log: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._log = log
        self._service = Service("dynupdate", (settings.origin,), log)
        self._cell = self._service.cells[settings.origin]
        self._writable: Writable | None = None
        self._news = asyncio.Event()
        self.meet = self._service.meet

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from the zone, change it, or hand on questions about others; no other plugin takes updates."""
        if not request.question.is_update:
            return await self._service.answer(request, rest)
        asked = request.question
        if asked.qtype != codes.SOA or asked.qclass != codes.IN:
            return self._reply(codes.FORMERR)
        if asked.key != self._settings.origin:
            return self._reply(codes.NOTAUTH)
        return self._reply(self._update(request.signed_by, asked.answer, asked.authority))

    def transfer(self, zone: Name, serial: int | None) -> Iterable[RR] | None:
        """The zone: the differences from a serial where they are known, else as `Service.transfer`."""
        served = self._cell.zone
        if zone == self._settings.origin and served is not None and serial and serial != served.serial:
            differences = self._writable.differences(serial) if self._writable is not None else None
            if differences is not None:
                return differences
        return self._service.transfer(zone, serial)

    def dynamic_zones(self) -> tuple[Name, ...]:
        """The zone."""
        return (self._settings.origin,)

    def follow(self, forget: Callable[[Keys], None]) -> None:
        """Tell `forget` when the zone has changed."""
        self._service.forget = forget

    def reach(self) -> list[Reach]:
        """The zone, of which nothing goes on."""
        return [Reach(self.dynamic_zones(), self.dynamic_zones())]

    def inherit(self, before: object, peers: Mapping[str, object]) -> bool:
        """Go on with the database that the plugin of another configuration has open."""
        if not isinstance(before, DynUpdate) or before._writable is None or self._settings.database is None:
            return False
        mine, its = self._settings, before._settings
        if (mine.origin, mine.database) != (its.origin, its.database):
            return False
        self._writable = before._writable.hold()
        self._cell = self._service.cells[mine.origin] = before._cell
        return True

    async def start(self) -> None:
        """Read the zone, out of the database if there is one. StartError if it cannot be, or may not be changed."""
        try:
            writable = self._writable or await self._first()
        except ZoneError as fault:
            raise StartError(f"plugin/dynupdate: {fault}") from None
        except OSError as fault:
            raise StartError(f"plugin/dynupdate: open {fault.filename}: {str(fault.strerror).lower()}") from None
        self._writable = writable
        wrong = faults(writable.zone)
        if wrong is None and not self._settings.limits.admit(writable.size):
            wrong = "it exceeds the configured limits"
        if wrong is not None:
            raise StartError(f"plugin/dynupdate: zone {names.show(self._settings.origin)} cannot be updated: {wrong}")
        self._service.replace(self._cell, writable.zone)

    async def run(self) -> None:
        """Tell the secondaries of the zone, and of changes: once for all that came while they were told."""
        await self._service.notify_all()
        while True:
            await self._news.wait()
            self._news.clear()
            await self._service.notify(self._settings.origin)

    async def close(self) -> None:
        """Let the database go."""
        if self._writable is not None:
            self._writable.let_go()

    async def _first(self) -> Writable:
        """The zone as the database has it, or as the file has it and the database does from now on."""
        settings = self._settings
        assert settings.file is not None
        if settings.database is not None:
            with suppress(FileNotFoundError):
                return restored(settings.database, settings.origin)
        zone = await load(settings.file, settings.origin)
        assert zone is not None
        return begun(settings.database if faults(zone) is None and settings.limits.admit(size_of(zone)) else None, zone)

    def _update(self, key: Name, wanted: Sequence[RR], updates: Sequence[RR]) -> int:
        """Process an update by a key, empty for none; its RCODE. NoAnswer if it cannot be written down."""
        allowed = [each for each in self._settings.allowed if each.key == key]
        if not allowed:
            return codes.REFUSED
        if self._writable is None:
            raise NoAnswer(SERVFAIL)

        def may(name: Name, kind: int) -> bool:
            return any(each.covers(key, name, kind) for each in allowed)

        try:
            updated = self._writable.update(wanted, updates, may, self._settings.limits)
        except OSError as fault:
            origin = names.show(self._settings.origin)
            raise NoAnswer(SERVFAIL, f"update of {origin} could not be written: {fault.strerror}") from None
        if updated.zone is not None:
            self._service.replace(self._cell, updated.zone)
            self._news.set()
        return updated.rcode

    def _reply(self, rcode: int) -> Reply:
        return Reply(rcode, flags=codes.AA, by="dynupdate")


def _read(args: Args) -> Settings:
    directive = args.once()
    settings = Settings(_origin(directive, args))
    seen: set[str] = set()
    for line in directive.lines:
        if line.name in seen:
            raise line.error(f"{line.name} specified more than once")
        if line.name != "allow":
            seen.add(line.name)
        _property(settings, line, args.directory)
    if settings.file is None:
        raise directive.error("file is required")
    if not settings.allowed:
        raise directive.error("at least one allow rule is required")
    return settings


def _origin(directive: Directive, args: Args) -> Name:
    if len(directive.words) > 1:
        raise directive.error("exactly one zone is allowed")
    zones = set(args.origins(directive.words))
    if len(zones) != 1:
        if directive.words:
            raise directive.error(f'invalid zone "{directive.words[0]}"')
        raise directive.error("zone is required when the server block does not define exactly one zone")
    return zones.pop()


def _property(settings: Settings, line: Line, directory: Path) -> None:
    match line.name:
        case "file":
            settings.file = directory / line.expect(1)[0]
        case "database":
            settings.database = directory / line.expect(1)[0]
        case "allow":
            settings.allowed = (*settings.allowed, _permission(settings.origin, line))
        case "max_records" | "max_bytes" | "max_update_records":
            (text,) = line.expect(1)
            if not (text.isascii() and text.isdigit() and int(text)):
                raise line.error(f"{line.name} requires a positive integer")
            settings.limits = settings.limits._replace(**{LIMITS[line.name]: int(text)})
        case _:
            raise line.error(f'unknown property "{line.name}"')


def _permission(origin: Name, line: Line) -> Permission:
    if len(line.args) < 3:
        raise line.error("allow requires KEY NAME and at least one RR type")
    key, name, *types = line.args
    if key in (ALL, "@"):
        raise line.error(f'invalid TSIG key "{key}"')
    if ALL in types and len(types) > 1:
        raise line.error("wildcard RR type must be the only type in an allow rule")
    kinds = None if types == [ALL] else frozenset(_type(line, word) for word in types)
    return Permission(_name(line, key), _owner(origin, line, name), kinds)


def _owner(origin: Name, line: Line, text: str) -> Name | None:
    if text == ALL:
        return None
    name = origin if text == "@" else _name(line, text)
    if not names.is_below(name, origin):
        raise line.error(f'allow name "{text}" is outside zone "{names.show(origin)}"')
    return name


def _name(line: Line, text: str) -> Name:
    try:
        return names.parse(text).lower()
    except WireError as fault:
        raise line.error(str(fault)) from None


def _type(line: Line, word: str) -> int:
    try:
        kind = codes.type_number(word)
    except KeyError:
        kind = 0
    if kind in META - {codes.ANY} or kind in UNSIGNABLE:
        raise line.error(f'invalid RR type "{word}" in allow rule')
    return kind
