"""The plan of a configuration: what each server block listens on, and its plugins in the order in which queries run.

`describe` is what `kdns plan` prints; `warnings` are about what no query can ever reach, told at each start. A warning
is only given where that is certain: of a plugin whose queries all end before it, go to another server block, or are
none of this block's zones; of a block behind one that takes all of its queries.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
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


def warnings(instance: Instance) -> Iterator[str]:
    """What can never be reached, a line each, in the order of the Corefile."""
    for at, site in enumerate(instance.sites):
        before = instance.sites[:at]
        blocking = [next((other for other in before if _takes(other, door)), None) for door in _doors(site)]
        if blocking and all(blocking):
            first = next(other for other in blocking if other)
            zones = _shown(door.key.zone for door in _doors(site))
            yield f"{_place(site)} - the server block is never reached: {_place(first)} takes all queries for {zones}"
            continue
        yield from _of_plugins(site, [other for other in instance.sites if other is not site])


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


def _of_plugins(site: Site, others: Sequence[Site]) -> Iterator[str]:
    zones = tuple(dict.fromkeys(door.key.zone for door in _doors(site)))
    before: list[Step] = []
    schemes = {door.key.scheme for door in _doors(site)}
    for step in steps(site):
        if schemes.isdisjoint(SCHEMES.get(step.name, schemes)):
            keys = _either(step.name)
            yield f"{step.place} - {step.name} is never used: no key of the server block begins with {keys}"
        inside = [zone for zone in step.reach.zones if any(overlaps(zone, zones))]
        yield from (f"{step.place} - {step.name}: {text}" for text in _outside(step.reach.zones, inside, zones))
        if inside and step.answers:
            reasons = _reasons(site, step, before, others)
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


def _reasons(site: Site, step: Step, before: Sequence[Step], others: Sequence[Site]) -> list[str]:
    """Why each part of what a step is for does not come to it; "" for a part that does."""
    return [
        _taken(part, door, others) or _ended(part, before)
        for door in _doors(site)
        for zone in step.reach.zones
        for part in overlaps(zone, (door.key.zone,))
    ]


def _ended(zone: Name, before: Sequence[Step]) -> str:
    for step in before:
        if step.reach.ends_all(zone):
            return f"{step.name} ({step.place}) lets nothing in {names.show(zone)} through"
    return ""


def _taken(zone: Name, door: Door, others: Sequence[Site]) -> str:
    """Whether another block with a longer zone takes all of what is in `zone` behind this door."""
    for other in others:
        for key, address in _doors(other):
            longer = len(key.zone) > len(door.key.zone) and names.is_below(zone, key.zone)
            if longer and _is_same_place(Door(key, address), door) and not _has_view(other):
                return f"{_place(other)} takes all queries for {names.show(key.zone)}"
    return ""


def _takes(site: Site, door: Door) -> bool:
    """Whether a block takes every query that comes through this door, if it stands before the door's own block."""
    if _has_view(site):
        return False
    return any(mine.key.zone == door.key.zone and _is_same_place(mine, door) for mine in _doors(site))


def _has_view(site: Site) -> bool:
    return site.value(View) is not None


def _is_same_place(one: Door, other: Door) -> bool:
    return (one.key.scheme, one.key.port, one.address) == (other.key.scheme, other.key.port, other.address)


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
