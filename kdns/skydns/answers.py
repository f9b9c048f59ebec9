"""The records that services make, type by type, in CoreDNS's way. No I/O: the store and other names are asked through
functions.

Aliases are followed, within the zone here and beyond it through the chain, as clients expect of a resolver. What a
service cannot contribute (a loop, a chain that is too long, a name without addresses) is left out.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from kdns.errors import NoSuchKey, UpstreamError
from kdns.skydns.service import Service
from kdns.wire import build, codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

CHAIN = 10  # aliases that are followed one after the other
WEIGHT = 100  # of a service that has none, and of all of one priority together
APEX, NAMESERVERS = [b"apex", b"dns"], [b"ns", b"dns"]  # where the zone's own addresses and name servers stand
NO_PORT = -1
LONGEST_TEXT = 255 * 255  # octets: with its lengths, and what else a message needs, below 65,535

Find = Callable[[Name, int, bool], Awaitable[list[Service]]]
"""The services of a (lower-cased) name that may make records of a type; the name's own alone if that is asked for.
NoSuchKey without any, UpstreamError."""
Lookup = Callable[[Name, int], Awaitable[tuple[RR, ...]]]
"""What a name beyond the zone answers."""


class Found(NamedTuple):
    """An answer section, and the addresses of what it leads to."""

    answer: list[RR]
    additional: list[RR]


class Answers:
    """Questions about one zone (lower-cased) of a store."""

    def __init__(self, zone: Name, find: Find, lookup: Lookup) -> None:
        self._zone = zone
        self._find = find
        self._lookup = lookup

    async def to(self, qname: Name, qtype: int) -> Found:
        """What a name answers. NoSuchKey of one that is not there; UpstreamError."""
        key = qname.lower()
        match qtype:
            case codes.A | codes.AAAA:
                return Found(await self._addresses(qname, qtype, ()), [])
            case codes.TXT:
                return Found(await self._texts(qname, ()), [])
            case codes.CNAME:
                return Found(await self._alias(qname), [])
            case codes.PTR:
                return Found(await self._pointers(qname), [])
            case codes.SRV:
                return await self._services(qname)
            case codes.MX:
                return await self._exchangers(qname)
            case codes.NS if key == self._zone:
                return await self._nameservers(qname)
        await self._addresses(qname, codes.A, ())  # so that a name without the type differs from none
        return Found([], [])

    async def _at(self, key: Name, qtype: int) -> list[Service]:
        """The services of a name, of the zone's own those below apex.dns if there are any."""
        if key == self._zone:
            try:
                return await self._find(names.join(APEX, key), qtype, False)
            except NoSuchKey:
                pass
        return await self._find(key, qtype, False)

    async def _addresses(self, qname: Name, qtype: int, before: Sequence[Name]) -> list[RR]:
        found: dict[RR, None] = {}
        seen: set[bytes] = set()
        for service in await self._at(qname.lower(), qtype):
            address = service.address
            if service.kind == codes.CNAME:
                found |= dict.fromkeys(await self._followed(qname, service, qtype, before, self._addresses))
            elif service.kind == qtype and address is not None and address not in seen:
                seen.add(address)
                found[build.address(qname, service.ttl, address)] = None
        return [*found]

    async def _texts(self, qname: Name, before: Sequence[Name]) -> list[RR]:
        async def next_texts(name: Name, _: int, passed: Sequence[Name]) -> list[RR]:
            return await self._texts(name, passed)

        found: dict[RR, None] = {}
        seen: set[str] = set()
        for service in await self._find(qname.lower(), codes.TXT, False):
            if service.kind == codes.CNAME:
                found |= dict.fromkeys(await self._followed(qname, service, codes.TXT, before, next_texts))
            elif service.kind == codes.TXT and service.text not in seen:
                seen.add(service.text)
                found[build.txt(qname, service.ttl, *_strings(service.text))] = None
        return [*found]

    async def _followed(
        self,
        qname: Name,
        service: Service,
        qtype: int,
        before: Sequence[Name],
        follow: Callable[[Name, int, Sequence[Name]], Awaitable[list[RR]]],
    ) -> list[RR]:
        """An alias with what it leads to; `before` are the targets that led here."""
        target = service.target
        key = target.lower()
        if names.is_below(key, qname.lower()) or len(before) > CHAIN or key in before:
            return []
        alias = build.to_name(qname, codes.CNAME, service.ttl, target)
        if not names.is_below(key, self._zone):
            return [alias, *await self._lookup(target, qtype)]
        try:
            found = await follow(target, qtype, (*before, key))
        except UpstreamError:
            return []
        return [alias, *found] if found else []

    async def _alias(self, qname: Name) -> list[RR]:
        first = (await self._find(qname.lower(), codes.CNAME, True))[:1]
        return [build.to_name(qname, codes.CNAME, each.ttl, each.target) for each in first if each.address is None]

    async def _pointers(self, qname: Name) -> list[RR]:
        found = await self._find(qname.lower(), codes.PTR, True)
        hosts = {each.host: each for each in reversed(found) if each.address is None}
        return [build.to_name(qname, codes.PTR, each.ttl, each.target) for each in reversed(hosts.values())]

    async def _services(self, qname: Name) -> Found:
        services = await self._find(qname.lower(), codes.SRV, False)
        sums: dict[int, int] = {}
        for each in services:
            sums[each.priority] = sums.get(each.priority, 0) + _weight(each)
        leading = [each for each in services if each.port != NO_PORT and each.kind != codes.TXT]
        answer: dict[object, RR] = {}
        for each in leading:
            weight = max(1, WEIGHT * _weight(each) // sums[each.priority]) & 0xFFFF
            name = _leads_to(each)
            rr = build.srv(qname, each.ttl, weight, each.port & 0xFFFF, name, each.priority & 0xFFFF)
            answer.setdefault(rr if each.address is None else (name, each.port), rr)
        return Found([*answer.values()], await self._beside(leading))

    async def _exchangers(self, qname: Name) -> Found:
        services = await self._find(qname.lower(), codes.MX, False)
        leading = [each for each in services if each.mail and each.kind != codes.TXT]
        answer: dict[tuple[Name, int], RR] = {}
        for each in leading:
            name, preference = _leads_to(each), each.priority & 0xFFFF
            rr = records.make(qname, codes.MX, each.ttl, preference.to_bytes(2, "big") + name)
            answer.setdefault((name, preference), rr)
        return Found([*answer.values()], await self._beside(leading))

    async def _beside(self, services: Iterable[Service]) -> list[RR]:
        """The addresses of what SRV or MX records lead to, each once."""
        found: dict[RR, None] = {}
        targets: dict[Name, None] = {}
        for each in services:
            name, address = _leads_to(each), each.address
            if address is not None:
                found[build.address(name, each.ttl, address)] = None
            else:
                targets[name] = None
        for name in targets:
            found |= dict.fromkeys(await self._addresses_of(name))
        return [*found]

    async def _addresses_of(self, name: Name) -> list[RR]:
        if names.is_below(name.lower(), self._zone):
            try:
                return await self._addresses(name, codes.A, ())
            except UpstreamError:
                return []
        sixes = await self._lookup(name, codes.AAAA)
        return [*await self._lookup(name, codes.A), *(rr for rr in sixes if records.rtype(rr) != codes.CNAME)]

    async def _nameservers(self, qname: Name) -> Found:
        answer: dict[RR, None] = {}
        additional: dict[RR, None] = {}
        for each in await self._find(names.join(NAMESERVERS, self._zone), codes.NS, False):
            address = each.address
            if each.kind == codes.TXT:
                continue
            if address is None:
                raise UpstreamError(f"NS record must be an IP address: {each.host}")
            name = each.stripped(each.own_name)
            answer.setdefault(build.to_name(qname, codes.NS, each.ttl, name))
            additional.setdefault(build.address(name, each.ttl, address))
        return Found([*answer], [*additional])


def _leads_to(service: Service) -> Name:
    """The name in SRV and MX records: its host's, or where that is an address, its key's."""
    return service.stripped(service.target if service.address is None else service.own_name)


def _weight(service: Service) -> int:
    """What it counts among those of its priority; a weight below 1 is none."""
    return service.weight if service.weight > 0 else WEIGHT


def _strings(text: str) -> list[bytes]:
    """A text as character-strings of at most 255 octets. UpstreamError if no record holds it."""
    octets = text.encode()
    if len(octets) > LONGEST_TEXT:
        raise UpstreamError(f"a text of {len(octets)} octets: at most {LONGEST_TEXT} fit into a record")
    return [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
