"""What the plugins with zones have in common: which zone a question is for, and the reply that it gives.

A zone in service is a cell whose `zone` is replaced whole when the data change; the index key of every answer made from
it is its origin, so that one `forget` ends them all in the same step.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Protocol, runtime_checkable

from kdns.chain import Alike, Handler, Keep, Member, Reply, Request
from kdns.corefile import Fall
from kdns.errors import REFUSED, SERVFAIL, Dropped, NoAnswer
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR
from kdns.zone.direct import direct
from kdns.zone.lookup import YXDOMAIN, Found, Outcome, joined, lookup
from kdns.zone.zone import Zone

Keys = Collection[Name]
NO_FALL = Fall()
LISTENERS_OPEN = 1.0  # seconds after a start: secondaries that are told of a zone come and ask at once
SETTLING = 1.0  # seconds for other processes to hear of a change
WILDCARD = "zone/wildcard"  # the metadata label

_RCODES = {
    Outcome.NXDOMAIN: codes.NXDOMAIN, Outcome.FAILURE: codes.SERVFAIL, Outcome.TOO_LONG: YXDOMAIN,
}  # fmt: skip


@runtime_checkable
class Notifier(Protocol):
    """The plugin that tells secondaries of changes."""

    def notify(self, zone: Name) -> Awaitable[Sequence[str]]:
        """Tell those who may transfer a zone that it has changed; what went wrong, in words."""


@dataclass(slots=True)
class Cell:
    """A zone in service: None before it was first read. `is_expired`: a secondary that its primary has forgotten.

    `version` is another number whenever `zone` is replaced.
    """

    origin: Name
    zone: Zone | None = None
    is_expired: bool = False
    version: int = 0


class Service:
    """The zones of one plugin in one server block. `by` is the plugin's name."""

    def __init__(self, by: str, origins: Iterable[Name], log: Callable[[str, str], None]) -> None:
        self.cells = {origin: Cell(origin) for origin in origins}
        self.fall = NO_FALL
        self.forget: Callable[[Keys], None] = lambda keys: None
        self._by = by
        self._log = log
        self._versions = count(1)
        self._tell: Callable[[bytes], int] = lambda change: 0
        self._is_last = False
        self._notifier: Notifier | None = None
        self._reading: set[asyncio.Task[Any]] = set()

    def meet(self, peers: Mapping[str, object]) -> None:
        """Look for the plugin that sends NOTIFY, and whether any comes behind this one."""
        notifier = peers.get("transfer")
        self._notifier = notifier if isinstance(notifier, Notifier) else None
        behind = list(peers)[list(peers).index(self._by) + 1 :]
        self._is_last = not any(callable(peers[name]) for name in behind)

    def begin(self, reading: Coroutine[Any, Any, Any]) -> None:
        """Have zones read while others are answered from."""
        task = asyncio.get_running_loop().create_task(reading)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    def cell(self, key: Name) -> Cell | None:
        """The zone that a name is in: the longest."""
        return next((self.cells[name] for name in names.ancestors(key) if name in self.cells), None)

    async def answer(self, request: Request, rest: Handler, also: Keys = ()) -> Reply:
        """The reply to a question: out of its zone, or from below. `also`: index keys of whether there is a zone."""
        asked = request.question
        cell = self.cell(asked.key)
        if cell is None:
            if self._is_last:
                raise NoAnswer(REFUSED)
            return kept_by(await rest(request), also)
        if asked.flags & codes.OPCODE_MASK == codes.NOTIFY << 11:
            self._log("INFO", f"Dropping notify from {request.client.address} for {names.show(cell.origin)}")
            raise Dropped
        if asked.qtype in (codes.AXFR, codes.IXFR):
            raise NoAnswer(REFUSED)
        if cell.zone is None:
            raise NoAnswer(SERVFAIL)
        if cell.is_expired:
            self._log("ERROR", f"Zone {names.show(cell.origin)} is expired")
            raise NoAnswer(SERVFAIL)
        found, keep = await self._found(request, cell.zone, (cell.origin, *also))
        if not found.answer and found.outcome in (Outcome.NXDOMAIN, Outcome.EMPTY) and self.fall.through(asked.key):
            return kept_by(await rest(request), (cell.origin, *also))
        if found.outcome is Outcome.FAILURE and not found.answer:
            raise NoAnswer(SERVFAIL)
        return self._reply(found, keep)

    def transfer(self, zone: Name, serial: int | None) -> Iterable[RR] | None:
        """A zone as a whole, or its SOA if that has this serial (but 0); None of a name that is no zone here."""
        cell = self.cells.get(zone)
        if cell is None:
            return None
        if cell.zone is None:
            raise NoAnswer(SERVFAIL, "no SOA")
        return (cell.zone.soa,) if serial and serial == cell.zone.serial else cell.zone.records()

    def replace(self, cell: Cell, zone: Zone) -> None:
        """Serve other data from now on."""
        cell.zone, cell.is_expired, cell.version = zone, False, next(self._versions)
        self.forget((cell.origin,))

    def expire(self, cell: Cell) -> None:
        """Serve the data no longer."""
        cell.is_expired = True
        self.forget((cell.origin,))

    def share(self, tell: Callable[[bytes], int]) -> None:
        """Call `tell` with word of what has changed for the other processes of this server."""
        self._tell = tell

    async def spread(self, change: bytes, seconds: float) -> None:
        """Have the other processes read again what changed, and wait until they should have; here it took `seconds`.

        Secondaries that are told of it come to any process.
        """
        if self._tell(change):
            await asyncio.sleep(SETTLING + 2 * seconds)

    def take_over(self, cells: Mapping[Name, Cell]) -> bool:
        """Serve the zones that the plugin of another configuration has; whether there are any."""
        for origin, cell in cells.items():
            self.cells[origin] = Cell(origin, cell.zone, cell.is_expired)
        return bool(cells)

    async def notify(self, origin: Name) -> None:
        """Tell the secondaries, if there are any, and the log what went wrong."""
        if self._notifier is not None:
            for fault in await self._notifier.notify(origin):
                self._log("WARNING", f"Failed sending notifies: {fault}")

    async def notify_all(self) -> None:
        """The same of every zone that was read, once the listeners are open."""
        if self._notifier is not None:
            await asyncio.sleep(LISTENERS_OPEN)
            await asyncio.gather(*(self.notify(cell.origin) for cell in self.cells.values() if cell.zone is not None))

    async def _found(self, request: Request, zone: Zone, keys: tuple[Name, ...]) -> tuple[Found, Keep | None]:
        asked = request.question
        found = lookup(zone, asked.key, asked.qtype, asked.do)
        keep: Keep | None = Keep(keys, alike=Alike(zone.origin, partial(self._member, keys, asked.do)))
        if found.target is not None:
            reply = await request.ask(request, found.target, asked.qtype)
            found = joined(zone, found, reply.rcode, reply.answer, asked.do, reply.authority)
            keep = kept_by(reply, keys).keep
        if found.wildcard is not None and request.labels is not None:
            request.labels[WILDCARD] = names.show(found.wildcard)
        return found, keep

    def _member(self, keys: tuple[Name, ...], do: bool, asked: Question) -> Member | None:
        """What a name of the zone `keys[0]` is answered if it takes nothing but that: the same as `answer` answers."""
        key = asked.key
        cell = self.cells.get(keys[0])
        if cell is None or cell.zone is None or cell.is_expired:
            return None
        if len(self.cells) > 1 and self.cell(key) is not cell:
            return None
        found = direct(cell.zone, key, asked.qtype, do)
        if found is None or (not found.exists and self.fall.through(key)):
            return None
        answer = found.answer
        return Member((cell.version, found.is_absent, len(answer)), answer, keys)

    def _reply(self, found: Found, keep: Keep | None) -> Reply:
        rcode = _RCODES.get(found.outcome, codes.NOERROR)
        is_referral = found.outcome is Outcome.DELEGATION and not found.answer
        flags = 0 if is_referral else codes.AA
        return Reply(rcode, found.answer, found.authority, found.additional, flags, by=self._by, keep=keep)


def kept_by(reply: Reply, keys: Keys) -> Reply:
    """A reply made elsewhere that holds only as long as these keys do; not one that has several good forms."""
    keep = reply.keep
    if keep is None or keep.variants > 1:
        return reply.keeping(None)
    return reply.keeping(Keep((*keep.names, *keys), keep.until, keep.tallies))
