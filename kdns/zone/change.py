"""A zone with records taken out and put in: what IXFR and dynamic update make of one. Pure.

Only the names that the change names are made anew; all others keep the tuples that they had. Taking a name out may end
the empty non-terminals above it: whether anything else is below them is found by one pass over the zone's names.
"""

from collections import defaultdict
from collections.abc import Iterable

from kdns.wire import names, records
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.zone.zone import Builder, Node, Zone, canonical, non_terminals, normal

Identity = tuple[Name, int, bytes]


def changed(zone: Zone, deleted: Iterable[RR], added: Iterable[RR]) -> Zone:
    """Another zone: without `deleted` (whatever their TTL; what is not there does not count), with `added`.

    An SOA among the added replaces the one before; deleting one does nothing. ZoneError as Builder has it.
    """
    gone = {identity(rr) for rr in deleted}
    fresh = _by_owner(added)
    touched = {owner for owner, _, _ in gone} | fresh.keys() | {zone.origin}
    builder = Builder(zone.origin)
    for key in touched:
        kept = [rr for rr in zone.node(key) or () if rr == zone.soa or identity(rr) not in gone]
        for rr in (*kept, *fresh.get(key, ())):
            builder.add(rr)
    part = builder.build()
    nodes = dict(zone.nodes)
    for key in touched & nodes.keys():
        nodes[key] = ()
    nodes.update((key, node) for key, node in part.nodes.items() if node)
    for key in [key for key in touched if nodes.get(key)]:
        nodes.update(dict.fromkeys(list(non_terminals(key, zone.origin, nodes)), ()))
    _prune(nodes, [key for key in touched if nodes.get(key) == ()], zone.origin)
    chain = sorted([*(key for key in zone.chain if key not in touched), *part.chain], key=canonical)
    stars, ends = zone.stars | part.stars, (zone.ends - touched) | part.ends
    return Zone(zone.origin, part.soa, part.ns, part.soa_signatures, part.ns_signatures, nodes, chain, stars, ends)


def identity(rr: RR) -> Identity:
    """What makes two records of a zone the same: owner, type and RDATA, not the TTL (RFC 2136 section 1.1.1)."""
    at = names.end_of(rr, 0)
    kind = rr[at] << 8 | rr[at + 1]
    return rr[:at].lower(), kind, records.rdata(normal(rr, kind, at))


def _by_owner(rrs: Iterable[RR]) -> dict[Name, list[RR]]:
    found: dict[Name, list[RR]] = defaultdict(list)
    for rr in rrs:
        found[records.owner(rr).lower()].append(rr)
    return found


def _prune(nodes: dict[Name, Node], emptied: Iterable[Name], origin: Name) -> None:
    """Take out the names without records, of these and of the non-terminals above them, that have nothing below."""
    doubtful = {name: 0 for key in emptied for name in names.ancestors(key) if nodes.get(name) == ()}
    if doubtful.keys() <= {origin}:  # as after most changes: the first name of the zone tells
        doubtful = {name: any(key[1 + key[0] :] == name for key in nodes if key != origin) for name in doubtful}
    else:
        _count_below(nodes, doubtful, origin)
    for name in sorted(doubtful, key=len, reverse=True):
        if not doubtful[name]:
            del nodes[name]
            parent = name[1 + name[0] :]
            if parent in doubtful:
                doubtful[parent] -= 1


def _count_below(nodes: Iterable[Name], doubtful: dict[Name, int], origin: Name) -> None:
    """Count the names that are right below the doubtful ones."""
    for key in nodes:
        parent = key[1 + key[0] :]
        if parent in doubtful and key != origin:
            doubtful[parent] += 1
