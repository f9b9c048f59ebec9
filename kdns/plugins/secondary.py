"""secondary: zones fetched from other servers, and kept up with them.

Syntax:
    secondary [ZONES...] {
        transfer from ADDRESS[:PORT]...     # the primaries, asked in this order
        catalog [MEMBERS...]                # what the zones list is served too (RFC 9432): all, or zones below MEMBERS
        fallthrough [ZONES...]              # names that do not exist go on to the next plugin
    }

The zones are the server block's without arguments. A zone is SERVFAIL until it came for the first time, and again when
its primaries have been silent for as long as its SOA says. Differences (IXFR) are asked for before the whole.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address

from kdns.authority.following import Follower
from kdns.authority.service import Cell, Keys, Service
from kdns.authority.settings import addresses_of
from kdns.chain import Handler, Reply, Request, nameblind
from kdns.corefile import Args, Directive, Line
from kdns.reach import Reach
from kdns.transport.address import Address
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.zone import catalog
from kdns.zone.catalog import Member
from kdns.zone.zone import Zone


def setup(args: Args) -> "Secondary":
    """The plugin of one server block. ConfigError for wrong properties."""
    return Secondary(args)


@nameblind
class Secondary:
    """The zones of one server block, and those that their catalogs list."""

    divisible = False  # a NOTIFY comes to one process only

    def __init__(self, args: Args) -> None:
        self._log = args.log
        self._service = Service("secondary", (), args.log)
        self._catalogs: dict[Name, tuple[Name, ...]] = {}  # to the zones below which members may be; () for all
        self._followers: dict[Name, Follower] = {}
        self._members: dict[Name, tuple[Name, bytes]] = {}  # zones out of catalogs, with the catalog and their ID in it
        self._tasks: dict[Name, asyncio.Task[None]] = {}
        for directive in args.directives:
            self._read(directive, args)
        self.meet = self._service.meet
        self.transfer = self._service.transfer

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from a zone, or hand on; NOTIFY from a primary is taken."""
        asked = request.question
        if asked.flags & codes.OPCODE_MASK == codes.NOTIFY << 11:
            cell = self._service.cell(asked.key)
            follower = self._followers.get(cell.origin) if cell else None
            client = str(ip_address(request.client.address))
            if follower is not None and client in {str(ip_address(each.host)) for each in follower.primaries}:
                follower.notified(client)
                return Reply(flags=codes.AA, by="secondary")
        return await self._service.answer(request, rest, tuple(self._catalogs))

    def follow(self, forget: Callable[[Keys], None]) -> None:
        """Tell `forget` which zones have changed."""
        self._service.forget = forget

    def reach(self) -> list[Reach]:
        """Its zones, of which nothing goes on that does not fall through; with a catalog perhaps any other."""
        zones = tuple(self._service.cells)
        return [Reach((names.ROOT,) if self._catalogs else zones, zones, self._service.fall.zones or ())]

    def inherit(self, before: object, peers: Mapping[str, object]) -> bool:
        """Go on with the zones that the plugin of another configuration has from the same primaries."""
        if not isinstance(before, Secondary) or before._catalogs or self._catalogs:
            return False
        for origin, follower in self._followers.items():
            old = before._followers.get(origin)
            if old is not None and old.primaries == follower.primaries:
                follower.cell.zone, follower.cell.is_expired = old.cell.zone, old.cell.is_expired
        return bool(before._followers.keys() & self._followers.keys())

    async def run(self) -> None:
        """Follow the primaries."""
        for origin in self._followers:
            self._begin(origin)
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Follow them no more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _begin(self, origin: Name) -> None:
        self._tasks[origin] = asyncio.get_running_loop().create_task(self._followers[origin].run())

    def _read(self, directive: Directive, args: Args) -> None:
        primaries: list[Address] = []
        origins = args.origins(directive.words)
        for line in directive.lines:
            match line.name:
                case "transfer":
                    primaries += _primaries(line)
                case "catalog":
                    for origin in origins:
                        self._catalogs[origin] = _merged(self._catalogs.get(origin), _members(line, args))
                case "fallthrough":
                    self._service.fall = args.fallthrough(line)
                case _:
                    raise line.error(f"unknown property '{line.name}'")
        if not primaries:
            raise directive.error("secondary zones require a transfer from property")
        for origin in origins:
            before = self._followers[origin].primaries if origin in self._followers else ()
            self._add(origin, (*before, *primaries))

    def _add(self, origin: Name, primaries: tuple[Address, ...]) -> None:
        cell = self._service.cells[origin] = Cell(origin)
        arrived = partial(self._listed, origin) if origin in self._catalogs else lambda zone: None
        self._followers[origin] = Follower(cell, primaries, self._service, self._log, arrived)

    def _listed(self, origin: Name, zone: Zone) -> None:
        """Serve the zones that a catalog lists, and no more those that it did. ZoneError if it is no catalog."""
        members = catalog.members(zone)
        bounds = self._catalogs[origin]
        allowed = {
            each.zone: each for each in members if not bounds or any(names.is_below(each.zone, b) for b in bounds)
        }
        if len(allowed) < len(members):
            said = f"Skipped {len(members) - len(allowed)} member zones from catalog {names.show(origin)}"
            self._log("WARNING", f"{said}: outside configured member zones")
        for name in [name for name, (of, id_) in self._members.items() if of == origin]:
            if name not in allowed or self._members[name][1] != allowed[name].id:
                self._remove(name)
        for member in allowed.values():
            self._take_on(origin, member)
        self._service.forget(tuple(self._catalogs))
        self._log("INFO", f"Parsed catalog zone {names.show(origin)} with {len(members)} member zones")

    def _take_on(self, origin: Name, member: Member) -> None:
        if member.zone in self._members and self._members[member.zone][0] == origin:
            return
        if member.zone in self._followers:
            said = f"Skipping catalog member zone {names.show(member.zone)} from {names.show(origin)}"
            self._log("WARNING", f"{said}: zone already exists")
            return
        self._members[member.zone] = origin, member.id
        self._add(member.zone, self._followers[origin].primaries)
        self._begin(member.zone)
        self._log("INFO", f"Added catalog member zone {names.show(member.zone)} from catalog {names.show(origin)}")

    def _remove(self, name: Name) -> None:
        origin, _ = self._members.pop(name)
        self._tasks.pop(name).cancel()
        del self._followers[name], self._service.cells[name]
        self._log("INFO", f"Removed catalog member zone {names.show(name)} from catalog {names.show(origin)}")


def _primaries(line: Line) -> list[Address]:
    if not line.args or line.args == ("from",):
        raise line.wrong_count()
    if line.args[0] != "from":
        raise line.error(f"unknown property {line.args[0]}")
    if "*" in line.args:
        raise line.error("can't use '*' in transfer from")
    return list(addresses_of(line, line.args[1:]))


def _members(line: Line, args: Args) -> tuple[Name, ...]:
    found: list[Name] = []
    for word in line.args:
        zones = args.origins((word,))
        if not zones:
            raise line.error(f'invalid catalog member zone "{word}"')
        found += zones
    return tuple(found)


def _merged(before: tuple[Name, ...] | None, more: tuple[Name, ...]) -> tuple[Name, ...]:
    """The bounds of two `catalog` lines: one without members lifts them."""
    if before == () or not more:
        return ()
    return tuple(dict.fromkeys((*(before or ()), *more)))
