"""cache: keep replies for as long as their TTLs allow, and longer where that is asked for.

Syntax:
    cache [TTL] [ZONES...] {
        success CAPACITY [TTL [MINTTL]]     # 9984 3600 5
        denial CAPACITY [TTL [MINTTL]]      # 9984 1800 5
        prefetch AMOUNT [DURATION [PERCENTAGE%]]                    # 0 1m 10%
        serve_stale [DURATION [immediate [RTTL [RECHECK]]]]         # 1h; RTTL and RECHECK are durations: 0 0
        serve_stale [DURATION [verify [TIMEOUT [RTTL [RECHECK]]]]]
        serve_stale_policy prefer_positive
        servfail DURATION                   # 5s, at most 5m
        disable success|denial [ZONES...]
        keepttl
    }

Every reply that passes gets one TTL on all of its records: the least of them, within bounds. What the live cluster
index answered is not kept here: it says itself when it changes (until then the memo repeats it), so that a change in
the cluster is seen at once.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from random import Random
from typing import Any

from kdns.caching.entries import Entry, Key, key_of
from kdns.caching.settings import Settings, read
from kdns.caching.shelves import DENIAL, SUCCESS, Found, Judged, Shelves
from kdns.chain import Ageing, Dynamic, Handler, Keep, Plugin, Reply, Request, Step, nameblind
from kdns.corefile import Args
from kdns.errors import Dropped, NoAnswer
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.verdict import DENIALS, UNFIT


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for wrong properties."""
    draw = Random().random  # seeded by the system; quick, since a full cache asks for it at each miss
    return Cache(read(args), args.metrics, lambda most: int(draw() * most), time.time)


@nameblind
class Cache:
    """One server block's cache. `wall` tells Unix seconds; monotonic time comes with the requests."""

    def __init__(
        self, settings: Settings, metrics: Metrics, choose: Callable[[int], int], wall: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._shelves = Shelves(settings, choose)
        self._count = _Counters(metrics, settings)
        self._wall = wall
        self._dynamic: tuple[Name, ...] = ()
        self._refreshes: set[asyncio.Task[Reply | None]] = set()

    def meet(self, peers: Mapping[str, object]) -> None:
        """Find the zones that clients change: nothing out of these is kept."""
        found = [peer.dynamic_zones() for peer in peers.values() if isinstance(peer, Dynamic)]
        self._dynamic = tuple(zone for zones in found for zone in zones)

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from what is kept, or keep what the rest answers."""
        asked = request.question
        if not self._is_for(asked.key) or asked.qtype in (codes.AXFR, codes.IXFR) or asked.flags & codes.OPCODE_MASK:
            return (await rest(request)).alone()
        key = key_of(asked)
        found = self._shelves.find(key, request.now)
        if found is None:
            self._count.miss(request)
            return self._taken(request, key, await rest(_authenticated(request)))
        self._count.hit(request, found.shelf)
        if found.entry.remaining(request.now) <= 0:
            return await self._stale(request, rest, key, found.entry)
        return self._fresh(request, rest, key, found)

    def step(self) -> Step | None:
        """Look whether a reply is there, and keep the one that comes."""
        return Step(self._dynamic, self._handed_on, self._returned) if names.ROOT in self._settings.zones else None

    def reach(self) -> list[Reach]:
        """Its zones."""
        return [Reach(self._settings.zones)]

    async def close(self) -> None:
        """End the refreshes under way."""
        for task in self._refreshes:
            task.cancel()
        if self._refreshes:
            await asyncio.wait(self._refreshes)

    def _is_for(self, key: Name) -> bool:
        zones = self._settings.zones
        if self._dynamic and any(names.is_below(key, zone) for zone in self._dynamic):
            return False
        return names.ROOT in zones or any(names.is_below(key, zone) for zone in zones)

    def _handed_on(self, asked: Question) -> Question | None:
        return None if self._shelves.has(key_of(asked)) else asked.with_flags(asked.flags | codes.AD)

    def _returned(self, request: Request, reply: Reply) -> Reply:
        self._count.miss(request)
        return self._taken(request, key_of(request.question), reply)

    def _taken(self, request: Request, key: Key, reply: Reply) -> Reply:
        """A reply that was asked for since none was there: kept, if it may be, and passed on."""
        judged = self._judge(request, reply)
        self._keep(request, key, judged)
        return self._passed_on(request, judged)

    def _judge(self, request: Request, reply: Reply) -> Judged:
        return self._shelves.judge(request.question, reply, self._wall)

    def _keep(self, request: Request, key: Key, judged: Judged, *, refreshing: bool = False) -> Reply:
        """Keep a reply, if it may be, and give it back."""
        if judged.reply.keep is None:
            kept = self._shelves.keep(key, judged, request.now, refreshing=refreshing)
            if kept is not None:
                self._count.kept(request, *kept, self._shelves)
        return judged.reply

    def _passed_on(self, request: Request, judged: Judged) -> Reply:
        reply = judged.reply
        if reply.flags & codes.AD:
            reply = _unsigned(request, reply)
        if reply.keep is None:
            return reply
        shelf = DENIAL if judged.verdict in DENIALS else SUCCESS
        count = self._count
        tallied = reply.keep.tallied(
            lambda times: count.hit(request, shelf, times), lambda times: count.miss(request, times)
        )
        covers = tallied.alike is None or self._is_for(tallied.alike.zone)
        return reply.keeping(tallied) if covers else reply.keeping(tallied).alone()

    def _fresh(self, request: Request, rest: Handler, key: Key, found: Found) -> Reply:
        entry, now, settings = found.entry, request.now, self._settings
        if settings.prefetch:
            entry.asked(now, settings.gap)
            if entry.is_due(now, settings.prefetch, settings.percentage):
                self._begin_refresh(request, rest, key, entry, stale=False)

        def tally(times: int) -> None:
            self._count.hit(request, found.shelf, times)
            entry.hits += times

        seconds = entry.lifetime if settings.keep_ttl else entry.remaining(now)
        reply = entry.to_reply(seconds, _is_authenticated(request))
        if settings.prefetch and entry.is_ending(now, settings.percentage):
            return reply  # each time that it is asked for counts now
        entry.next = entry.next or partial(self._next, key, entry)
        keep = Keep(until=entry.changes_at(now), tallies=(tally,), ageing=Ageing(seconds, entry.next))
        return reply.keeping(keep)

    def _next(self, key: Key, entry: Entry, now: float) -> tuple[int, float] | None:
        """The TTL of a fresh entry that is asked for again, and until when; None where more is to be done than that."""
        settings, found = self._settings, self._shelves.find(key, now)
        if found is None or found.entry is not entry or entry.remaining(now) <= 0:
            return None
        if settings.prefetch:
            if entry.is_ending(now, settings.percentage):
                return None
            entry.asked(now, settings.gap, 0)
        return entry.lifetime if settings.keep_ttl else entry.remaining(now), entry.changes_at(now)

    async def _stale(self, request: Request, rest: Handler, key: Key, entry: Entry) -> Reply:
        settings = self._settings
        if not settings.verify:
            self._begin_refresh(request, rest, key, entry, stale=True)
        elif not settings.recheck or entry.begin_refresh(request.now):
            verified = await self._verified(request, rest, key, entry)
            if verified is not None:
                return verified
        self._count.stale(request)
        seconds = settings.stale_ttl or (entry.lifetime if settings.keep_ttl else 0)
        return entry.to_reply(seconds, _is_authenticated(request))

    async def _verified(self, request: Request, rest: Handler, key: Key, entry: Entry) -> Reply | None:
        """A reply of the rest that is fit to replace a stale entry and came in time, or None."""
        timeout = self._settings.verify_timeout
        if not timeout:
            reply = await self._refresh(request, rest, key, entry, stale=True, refreshing=False)
            return reply and _unsigned(request, reply)
        task = self._spawn(self._refresh(request, rest, key, entry, stale=True, refreshing=True))
        await asyncio.wait({task}, timeout=timeout)
        reply = task.result() if task.done() and not task.cancelled() else None  # `close` cancels it
        fresh = self._shelves.newest(key)
        if reply is None or fresh is None or fresh is entry:
            return reply and _unsigned(request, reply)
        return fresh.to_reply(fresh.lifetime, _is_authenticated(request))

    def _begin_refresh(self, request: Request, rest: Handler, key: Key, entry: Entry, *, stale: bool) -> None:
        """Fetch an entry anew in the background, unless that is under way."""
        if entry.begin_refresh(request.now):
            self._count.prefetch(request)
            # Over TCP, so that what is kept for all is not cut to one client's size.
            detached = request._replace(client=request.client._replace(proto="tcp"))
            self._spawn(self._refresh(detached, rest, key, entry, stale=stale, refreshing=True))

    def _spawn(self, refresh: Coroutine[Any, Any, Reply | None]) -> asyncio.Task[Reply | None]:
        task = asyncio.get_running_loop().create_task(refresh)
        self._refreshes.add(task)
        task.add_done_callback(self._refreshes.discard)
        return task

    async def _refresh(
        self, request: Request, rest: Handler, key: Key, entry: Entry, *, stale: bool, refreshing: bool
    ) -> Reply | None:
        """Ask the rest and keep its reply. A stale entry is replaced only by one that is accepted; else None."""
        reply = None
        try:
            judged = self._judge(request, await rest(_authenticated(request)))
            if not stale or self._accepts(judged):
                reply = self._keep(request, key, judged, refreshing=refreshing)
            elif self._settings.prefer_positive and not judged.reply.flags & codes.TC:
                self._keep(request, key, judged, refreshing=refreshing)
        except (NoAnswer, Dropped):
            pass  # the stale entry is what there is
        finally:
            entry.end_refresh(request.now, self._settings.recheck, reply is not None or not stale)
        newest = self._shelves.newest(key)
        if newest is not None:
            newest.hits, newest.last = entry.hits, request.now
        return reply

    def _accepts(self, judged: Judged) -> bool:
        """Whether a reply may take a stale entry's place (RFC 8767 section 4: NOERROR or NXDOMAIN)."""
        if self._settings.prefer_positive:
            return judged.is_usable
        whole = not judged.reply.flags & codes.TC and judged.verdict is not UNFIT
        return whole and judged.reply.rcode in (codes.NOERROR, codes.NXDOMAIN)


_FAMILIES = (
    "entries", "hits_total", "misses_total", "requests_total", "served_stale_total", "prefetch_total", "drops_total",
    "evictions_total",
)  # fmt: skip


class _Counters:
    """The cache's metrics, under the labels of the server block."""

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        self._families = {name: metrics.family(f"cache_{name}") for name in _FAMILIES}
        self._requests, self._misses, self._drops, self._entries = (
            self._families[name] for name in ("requests_total", "misses_total", "drops_total", "entries")
        )
        self._zones = ",".join(map(names.show, settings.zones))

    def hit(self, request: Request, shelf: str, times: int = 1) -> None:
        self._add("requests_total", request, times)
        labels = request.server, shelf, self._zones, request.view
        self._families["hits_total"].add(labels, times)

    def miss(self, request: Request, times: int = 1) -> None:
        labels = request.server, self._zones, request.view
        requests, misses = self._requests.values, self._misses.values
        requests[labels] = requests.get(labels, 0) + times
        misses[labels] = misses.get(labels, 0) + times

    def stale(self, request: Request) -> None:
        self._add("served_stale_total", request)

    def prefetch(self, request: Request) -> None:
        self._add("prefetch_total", request)

    def kept(self, request: Request, shelf: str, evicted: bool, shelves: Shelves) -> None:
        server, view, zones = request.server, request.view, self._zones
        self._drops.values[server, zones, view] = 0  # what answers another question does not come so far
        entries = self._entries.values
        for name, store in shelves.stores.items():
            entries[server, name, zones, view] = len(store.entries)
        if evicted:
            self._families["evictions_total"].add((server, shelf, zones, view))

    def _add(self, name: str, request: Request, times: int = 1) -> None:
        self._families[name].add((request.server, self._zones, request.view), times)


def _authenticated(request: Request) -> Request:
    """The request with AD set, so that the reply says whether it was validated (RFC 6840 section 5.7)."""
    asked = request.question
    return request.about(asked.with_flags(asked.flags | codes.AD))


def _is_authenticated(request: Request) -> bool:
    """Whether the client understands AD: it set it, or DO."""
    return request.question.do or bool(request.question.flags & codes.AD)


def _unsigned(request: Request, reply: Reply) -> Reply:
    """The reply without AD for a client that does not understand it."""
    if not reply.flags & codes.AD or _is_authenticated(request):
        return reply
    return reply._replace(flags=reply.flags & ~codes.AD)
