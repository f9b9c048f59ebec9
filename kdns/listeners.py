"""The listeners of a configuration: which blocks are behind which address and port, and their sockets.

A listener outlives the configuration: on reload it only gets other blocks, so that not one packet is lost. What a new
configuration no longer wants is closed, what it wants in addition is opened before anything of the old one goes.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain

from kdns.answer import Answers
from kdns.banner import zone_lines
from kdns.block import Block
from kdns.errors import StartError
from kdns.instance import Instance, Site, addresses
from kdns.memo import Memo
from kdns.metrics import Metrics
from kdns.plugins import timeouts
from kdns.plugins.multisocket import Multisocket
from kdns.serving import Around, Behind, Place, opened
from kdns.transport.sockets import Shares
from kdns.transport.timeouts import Timeouts
from kdns.wire import names
from kdns.wire.names import Name

MEMO_BUDGET = 32 << 20  # octets a socket: some 60,000 answers
OTHER_CLASSES = ("chaos", "forward")  # plugins that answer other classes than IN
DRAIN = 5.0  # seconds that queries under way get when a listener closes


OnFault = Callable[[str, Exception], None]


def places(instance: Instance) -> dict[Place, Behind]:
    """Every place that a configuration listens on. StartError for a transport that is not there."""
    found: dict[Place, Behind] = {}
    is_divisible = instance.is_divisible
    for site, place, block in chain.from_iterable(map(_placed, instance.sites)):
        before = found.get(place) or Behind({})
        own = before.blocks.get(block.zone, ())
        found[place] = Behind(
            {**before.blocks, block.zone: (*own, block)},
            before.any_class or any(name in site.plugins for name in OTHER_CLASSES),
            _timeouts(site, before.timeouts),
            sockets := max(before.sockets, multiple.sockets if (multiple := site.value(Multisocket)) else 1),
            _processes(sockets) if is_divisible else 1,
            (*site.values, *before.values),
        )
    return found


def _processes(sockets: int) -> int:
    """As many processes as sockets, but more than two only if there are processors for them."""
    return min(sockets, max(2, len(os.sched_getaffinity(0))))


def _timeouts(site: Site, otherwise: Timeouts) -> Timeouts:
    """What a block's `timeouts` say, where they say something; blocks of one place share its listener."""
    said = site.value(timeouts.Timeouts)
    if said is None:
        return otherwise
    read, idle, write = said.read or otherwise.read, said.idle or otherwise.idle, said.write or otherwise.write
    return Timeouts(read, idle, write, max(0, said.max_queries) or otherwise.max_queries)


def _placed(site: Site) -> Iterator[tuple[Site, Place, Block]]:
    """Each block of a site with each of its places."""
    for key, block in site.blocks().items():
        for address in addresses(site) or ("",):
            yield site, Place(key.scheme, address, key.port), block


class Listener:
    """The sockets of one place, and what they answer with."""

    def __init__(self, place: Place, behind: Behind, metrics: Metrics, on_fault: OnFault, shares: Shares) -> None:
        self.place = place
        self._shares = shares
        self.answers = Answers(str(place), behind.blocks, behind.any_class, metrics, on_fault)
        self.answers.keeps = not behind.has_views
        self.answers.updates = behind.takes_updates
        self.memos: list[Memo] = []
        self._servers = opened(place, behind, Around(self.answers, self._memo, metrics, shares))

    def serve(self, behind: Behind) -> None:
        """Answer with other blocks from now on."""
        self.answers.blocks = behind.blocks
        self.answers.any_class = behind.any_class
        self.answers.keeps = not behind.has_views
        self.answers.updates = behind.takes_updates
        for server in self._servers:
            server.adopt(behind.timeouts, behind.proxying())
        self.answers.stencils.clear()
        for memo in self.memos:
            memo.clear()

    async def start(self) -> None:
        """Answer from now on."""
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Take no more queries, wait up to DRAIN seconds for those under way, give the ports back."""
        for server in self._servers:
            server.stop()
        await self.answers.pending.finish(DRAIN)
        self.settle()
        self.abandon()

    def abandon(self) -> None:
        """Give the ports back of a listener that never started."""
        for server in self._servers:
            server.close()
        self._shares.release(str(self.place))

    def settle(self) -> None:
        """Count what was answered without the chain since the last time."""
        self.answers.stencils.settle()
        for memo in self.memos:
            memo.settle()

    def _memo(self) -> Memo:
        self.memos.append(Memo(MEMO_BUDGET))
        return self.memos[-1]


class Listeners:
    """All listeners of the process."""

    def __init__(self, metrics: Metrics, on_fault: OnFault, shares: Shares | None = None) -> None:
        self._shares = shares or Shares()
        self._metrics = metrics
        self._on_fault = on_fault
        self._open: dict[Place, Listener] = {}
        metrics.before_scrape.append(self._settle)

    async def serve(self, wanted: Mapping[Place, Behind]) -> None:
        """Listen on these places, and only these. StartError, with nothing changed, if one cannot be opened."""
        fresh: list[Listener] = []
        try:
            for place in wanted.keys() - self._open.keys():
                fresh.append(Listener(place, wanted[place], self._metrics, self._on_fault, self._shares))
        except StartError:
            for listener in fresh:
                listener.abandon()
            raise
        for place, listener in self._open.items():
            if place in wanted:
                listener.serve(wanted[place])
        for listener in fresh:
            self._open[listener.place] = listener  # before it answers: what it keeps must be forgotten with the rest
            await listener.start()
        await self._stop([place for place in self._open if place not in wanted])

    async def stop(self) -> None:
        """Close every listener."""
        await self._stop(list(self._open))

    def forget(self, changed: Collection[Name]) -> None:
        """Drop the kept answers that were made from these index keys."""
        for listener in self._open.values():
            for memo in listener.memos:
                memo.forget(changed)

    async def _stop(self, gone: Collection[Place]) -> None:
        await asyncio.gather(*(self._open.pop(place).stop() for place in gone))

    def _settle(self) -> None:
        for listener in self._open.values():
            listener.settle()


def banner(wanted: Mapping[Place, Behind]) -> list[str]:
    """The lines that CoreDNS prints at start: the zones of each listener."""
    lines: list[str] = []
    for place, behind in wanted.items():
        scheme = "" if place.scheme == "dns" else f"{place.scheme}://"
        lines += zone_lines(scheme, place.address, place.port, map(names.show, behind.blocks))
    return lines
