"""The plan of a configuration: what each server block listens on, and its plugins in the order in which queries run.

`describe` is what `kdns plan` prints; `warnings` are about what no query can ever reach, told at each start. A warning
is only given where that is certain: of a plugin whose queries all end before it, go to another server block, or are
none of this block's zones; of a block behind one that takes all of its queries.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from kdns.corefile import Key
from kdns.corefile.args import Line, directives
from kdns.instance import Instance, Site, addresses
from kdns.plugins.view import View
from kdns.reach import Reach, overlaps
from kdns.transport.sockets import Endpoint
from kdns.wire import names
from kdns.wire.names import Name

# Directives that are about listeners of some schemes only.
SCHEMES = {
    "tls": ("tls", "https", "https3", "quic", "grpc"),
    "https": ("https",),
    "https3": ("https3",),
    "quic": ("quic",),
    "grpc_server": ("grpc",),
}
REVERSE = (names.parse("in-addr.arpa."), names.parse("ip6.arpa."))


class Step(NamedTuple):
    """One directive of a server block in its place, where it stands in the Corefile, and what it reaches."""

    name: str
    place: str
    reach: Reach
    answers: bool  # whether it takes part in the chain; other directives only configure


class Door(NamedTuple):
    """One way into a server block: a key on one of its addresses ("" for all)."""

    key: Key
    address: str


def describe(instance: Instance) -> Iterator[str]:
    """The plan as lines of text."""
    for site in instance.sites:
        yield f"{', '.join(token.text for token in site.source.keys)}    {_place(site)}"
        for listener in dict.fromkeys(map(_listener, _doors(site))):
            yield f"  listens on {listener}"
        if view := site.value(View):
            yield f"  only for queries that view {view.name} admits"
        found = steps(site)
        yield from _table("a query meets", [step for step in found if step.answers])
        yield from _table("configured by", [step for step in found if not step.answers])
        yield ""
    yield from (f"warning: {text}" for text in warnings(instance))


class _Entrances:
    """The server blocks behind each door, in the order of the Corefile, without those that a view makes choosy."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._behind: dict[Door, list[tuple[int, Site]]] = {}
        for at, site in enumerate(sites):
            for door in _doors(site) if site.value(View) is None else ():
                self._behind.setdefault(door, []).append((at, site))

    def before(self, at: int, door: Door) -> Site | None:
        """The first block before that with the number `at` which takes every query that comes through the door."""
        return next((site for other, site in self._behind.get(door, ()) if other < at), None)

    def taker(self, zone: Name, door: Door, own: Site) -> tuple[Site, Name] | None:
        """Another block than `own` that takes all of what is in `zone`, by a longer zone than the door's, and that."""
        found: list[tuple[int, Site, Name]] = []
        for name in names.ancestors(zone):
            if len(name) > len(door.key.zone):
                behind = self._behind.get(Door(door.key._replace(zone=name), door.address), ())
                found += ((at, site, name) for at, site in behind if site is not own)
        return min(found, key=itemgetter(0))[1:] if found else None


def warnings(instance: Instance) -> Iterator[str]:
    """What can never be reached, a line each, in the order of the Corefile."""
    entrances = _Entrances(instance.sites)
    for at, site in enumerate(instance.sites):
        blocking = [entrances.before(at, door) for door in _doors(site)]
        if blocking and all(blocking):
            first = next(other for other in blocking if other)
            zones = _shown(door.key.zone for door in _doors(site))
            yield f"{_place(site)} - the server block is never reached: {_place(first)} takes all queries for {zones}"
            continue
        yield from _of_plugins(site, entrances)


def steps(site: Site) -> list[Step]:
    """The directives of a block in the order of their plugins."""
    return [step for name, plugin in site.plugins.items() for step in _steps(site, name, plugin)]


def _steps(site: Site, name: str, plugin: object) -> Iterator[Step]:
    heads = [directive.head for directive in directives(site.source.directives[name])]
    told: Sequence[Reach] = plugin.reach() if hasattr(plugin, "reach") else ()
    if getattr(plugin, "final", False):
        told = [Reach(ends=(names.ROOT,))]
    each = told if len(told) == len(heads) else [_together(told) if told else Reach()] * len(heads)
    for head, reach in zip(heads, each, strict=True):
        yield Step(name, _at(head), reach, callable(plugin) and not isinstance(plugin, View))


def _together(told: Sequence[Reach]) -> Reach:
    """Several directives that make one: what ends at one of them, and is spared by none."""
    zones, ends, spared = (tuple(chain.from_iterable(parts)) for parts in zip(*told, strict=True))
    return Reach(zones, ends, spared)


def _of_plugins(site: Site, entrances: _Entrances) -> Iterator[str]:
    zones = tuple(dict.fromkeys(door.key.zone for door in _doors(site)))
    before: list[Step] = []
    schemes = {door.key.scheme for door in _doors(site)}
    for step in steps(site):
        if before and step.reach is before[-1].reach:
            continue  # directives that make one plugin stand together: a zone in one is not kept from the next
        if schemes.isdisjoint(SCHEMES.get(step.name, schemes)):
            keys = _either(step.name)
            yield f"{step.place} - {step.name} is never used: no key of the server block begins with {keys}"
        inside = [zone for zone in step.reach.zones if any(overlaps(zone, zones))]
        yield from (f"{step.place} - {step.name}: {text}" for text in _outside(step.reach.zones, inside, zones))
        if inside and step.answers:
            reasons = _reasons(site, step, before, entrances)
            if all(reasons):
                yield f"{step.place} - {step.name} is never reached: {'; '.join(filter(None, dict.fromkeys(reasons)))}"
        before.append(step)


def _outside(zones: Collection[Name], inside: Collection[Name], block: Collection[Name]) -> Iterator[str]:
    """Complaints about a plugin's zones of which its server block gets no queries.

    Beside a reverse zone a forward one may well be outside: it is where PTR records lead.
    """
    is_named = any(any(overlaps(zone, REVERSE)) for zone in inside)
    for zone in zones:
        if zone not in inside and (not is_named or any(overlaps(zone, REVERSE))):
            yield f"no query for {names.show(zone)} is ever seen: the server block is for {_shown(block)}"


def _reasons(site: Site, step: Step, before: Sequence[Step], entrances: _Entrances) -> list[str]:
    """Why each part of what a step is for does not come to it; "" for a part that does."""
    return [
        _taken(site, part, door, entrances) or _ended(part, before)
        for door in _doors(site)
        for zone in step.reach.zones
        for part in overlaps(zone, (door.key.zone,))
    ]


def _ended(zone: Name, before: Sequence[Step]) -> str:
    for step in before:
        if step.reach.ends_all(zone):
            return f"{step.name} ({step.place}) lets nothing in {names.show(zone)} through"
    return ""


def _taken(site: Site, zone: Name, door: Door, entrances: _Entrances) -> str:
    """Whether another block with a longer zone takes all of what is in `zone` behind this door."""
    found = entrances.taker(zone, door, site)
    return f"{_place(found[0])} takes all queries for {names.show(found[1])}" if found else ""


def _doors(site: Site) -> list[Door]:
    return [Door(key, address) for each in site.keys for key in each for address in addresses(site) or ("",)]


def _listener(door: Door) -> str:
    return f"{door.key.scheme}://{Endpoint(door.address, door.key.port)}"


def _place(site: Site) -> str:
    key = site.source.keys[0]
    return f"{key.file}:{key.line}"


def _at(head: Line) -> str:
    return f"{head.file}:{head.line}"


def _either(name: str) -> str:
    return " or ".join(f"{scheme}://" for scheme in SCHEMES[name])


def _shown(zones: Collection[Name] | Iterator[Name]) -> str:
    return ", ".join(dict.fromkeys(map(names.show, zones)))


def _table(title: str, found: Sequence[Step]) -> Iterator[str]:
    for number, step in enumerate(found):
        zones = "" if step.reach.zones == (names.ROOT,) else f"  for {_shown(step.reach.zones)}"
        yield f"  {title if not number else '':13}  {step.name:12}  {step.place}{zones}"
