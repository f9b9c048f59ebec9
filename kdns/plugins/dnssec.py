"""dnssec: sign replies on their way, for clients that ask for signatures (RFC 4035).

Syntax:
    dnssec [ZONES...] {
        key file KEY...        # made by dnssec-keygen; with or without .key or .private
        cache_capacity N       # signatures that are kept; 10000
    }

Where there are keys for keys (KSK) and keys for all else (ZSK), each signs what it is for; otherwise every key signs
everything. Names that are not there get an NSEC record of their own and so become NODATA. Signatures hold from three
hours ago for eight days, and are made anew when two are left. The zones' DNSKEY records are answered here.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kdns.authority.settings import keys_of
from kdns.chain import Handler, Keep, Reply, Request, repeatable
from kdns.corefile import Args, Line
from kdns.corefile.numbers import integer
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.wire import codes, names, records, verdict
from kdns.wire.names import Name
from kdns.wire.records import RR
from kdns.wire.verdict import Verdict
from kdns.zone import denial, keys, signing
from kdns.zone.keys import Key
from kdns.zone.signing import Period

HOUR, DAY = 3600, 86400  # seconds
BEFORE, AFTER, SPARE = 3 * HOUR, 8 * DAY, 2 * DAY  # what signatures hold from and until, and are not used any more
ORIGINAL_TTL = 3600  # seconds, in every signature, whatever the TTL of the records, as CoreDNS has it
TRANSFERS = (codes.AXFR, codes.IXFR)


@dataclass(frozen=True)
class Settings:
    """What the directive says."""

    zones: tuple[Name, ...]
    keys: tuple[Key, ...] = ()
    capacity: int = 10_000

    @property
    def is_split(self) -> bool:
        """Whether there are keys for keys, and others for all else."""
        return any(key.signs_keys for key in self.keys) and any(key.signs_zone for key in self.keys)

    def signers(self, kind: int) -> list[Key]:
        """The keys that sign a set of this type."""
        if not self.is_split:
            return list(self.keys)
        return [key for key in self.keys if (key.signs_keys if kind == codes.DNSKEY else key.signs_zone)]

    def zone_of(self, key: Name) -> Name | None:
        """The longest of the zones that a name is in."""
        return max((zone for zone in self.zones if names.is_below(key, zone)), key=len, default=None)


class Signatures:
    """Signatures that were made, by what was signed: the canonical octets of a set and its signer."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._made: dict[tuple[Name, bytes], tuple[int, tuple[bytes, ...]]] = {}
        self._entries = metrics.family("dnssec_cache_entries")
        self._hits = metrics.family("dnssec_cache_hits_total")
        self._misses = metrics.family("dnssec_cache_misses_total")

    def of(self, rrset: Sequence[RR], signer: Name, now: int, server: str) -> list[RR]:
        """The RRSIG records of a set, by each key that is for it; `now` in Unix seconds."""
        octets = signing.canonical(rrset, ORIGINAL_TTL)
        until, rdatas = self._made.get((signer, octets), (0, ()))
        if until < now + SPARE:
            self._misses.add((server,))
            rdatas = self._make(rrset, octets, signer, now)
            self._entries.set((server, "signature"), len(self._made))
        else:
            self._hits.add((server,))
        owner, ttl = records.owner(rrset[0]), records.ttl(rrset[0])
        return [records.make(owner, codes.RRSIG, ttl, rdata) for rdata in rdatas]

    def repeated(self, server: str, times: int) -> None:
        """Count signatures that were sent again as part of a reply."""
        self._hits.add((server,), times)

    def _make(self, rrset: Sequence[RR], octets: bytes, signer: Name, now: int) -> tuple[bytes, ...]:
        period = Period(now - BEFORE, now + AFTER)
        made = tuple(
            signing.signature(rrset, octets, key, signer, period, ORIGINAL_TTL)
            for key in self._settings.signers(records.rtype(rrset[0]))
        )
        self._made.pop((signer, octets), None)
        while self._made and len(self._made) >= self._settings.capacity:
            del self._made[next(iter(self._made))]
        if made and self._settings.capacity > 0:
            self._made[signer, octets] = period.expiration, made
        return made


@repeatable
class Dnssec:
    """The signer of one server block. `wall` tells Unix seconds."""

    def __init__(self, settings: Settings, metrics: Metrics, wall: Callable[[], float]) -> None:
        self._settings = settings
        self._signatures = Signatures(settings, metrics)
        self._wall = wall

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below with its signatures, or the zone's keys."""
        asked = request.question
        zone = self._settings.zone_of(asked.key)
        if zone is None:
            return await rest(request)
        if asked.qtype == codes.DNSKEY and asked.key in self._settings.zones:
            return self._keys(request)
        reply = await rest(request)
        if not asked.do or not self._settings.keys or asked.qtype in TRANSFERS:
            return reply
        return self._kept(request, self._signed(request, reply, zone))

    def reach(self) -> list[Reach]:
        """Its zones."""
        return [Reach(self._settings.zones)]

    def _keys(self, request: Request) -> Reply:
        zone = request.question.key
        answer = tuple(keys.record(key, zone) for key in self._settings.keys)
        if answer and request.question.do:
            answer += tuple(self._made(request, answer, zone))
        return self._kept(request, Reply(answer=answer, flags=codes.AA, by="dnssec", keep=Keep()))

    def _kept(self, request: Request, reply: Reply) -> Reply:
        """A reply that is sent again for an hour at most: then its signatures are looked at."""
        if reply.keep is None:
            return reply
        server = request.server
        count = sum(records.rtype(rr) == codes.RRSIG for rr in (*reply.answer, *reply.authority, *reply.additional))
        keep = reply.keep._replace(until=min(reply.keep.until, request.now + HOUR))
        return reply.keeping(keep.tallied(lambda times: self._signatures.repeated(server, count * times)))

    def _signed(self, request: Request, reply: Reply, zone: Name) -> Reply:
        kind = verdict.at_sight(reply.rcode, reply.answer, reply.authority)
        if kind is Verdict.REFERRAL:
            return self._referral(request, reply, zone)
        if kind in (Verdict.NODATA, Verdict.NXDOMAIN):
            return self._denial(request, reply, zone)
        answer, authority, additional = (
            (*section, *self._of_section(request, section))
            for section in (reply.answer, reply.authority, reply.additional)
        )
        signed = reply._replace(answer=answer, authority=authority, additional=additional)
        return self._denied_behind_aliases(request, reply, signed)

    def _denied_behind_aliases(self, request: Request, reply: Reply, signed: Reply) -> Reply:
        """Proof for aliases in our zones that lead to nothing, which the reply shows by its SOA."""
        if len(reply.authority) != 1 or not verdict.has_soa(reply.authority):
            return signed
        asked = request.question
        end = None if verdict.resolves(asked, reply.answer) else verdict.end_of_aliases(asked, reply.answer)
        zone = None if end is None else self._settings.zone_of(end)
        if end is None or zone is None or zone != records.owner(reply.authority[0]).lower():
            return signed
        proof = denial.of_name(end, asked.qtype, end == zone, records.ttl(reply.authority[0]))
        proved = (*signed.authority, *self._made(request, (proof,), zone), proof)
        return signed._replace(rcode=codes.NOERROR, authority=proved)

    def _referral(self, request: Request, reply: Reply, zone: Name) -> Reply:
        """A delegation with its DS signed, or that it has none proved."""
        ds = tuple(rr for rr in reply.authority if records.rtype(rr) == codes.DS)
        if ds:
            return reply._replace(authority=(*reply.authority, *self._made(request, ds, zone)))
        ns = [rr for rr in reply.authority if records.rtype(rr) == codes.NS]
        proof = denial.of_cut(ns, records.ttl(ns[0]))
        return reply._replace(authority=(*reply.authority, *self._made(request, (proof,), zone), proof))

    def _denial(self, request: Request, reply: Reply, zone: Name) -> Reply:
        """NODATA with its proof. A denial that has more than its SOA, or none, is not ours to prove."""
        soa = reply.authority
        if len(soa) != 1 or records.rtype(soa[0]) != codes.SOA:
            return reply
        asked = request.question
        proof = denial.of_name(asked.qname, asked.qtype, asked.key == zone, records.ttl(soa[0]))
        proved = (*self._made(request, (proof,), zone), proof)
        if asked.qtype == codes.NSEC:
            return reply._replace(rcode=codes.NOERROR, answer=proved, authority=())
        return reply._replace(rcode=codes.NOERROR, authority=(*soa, *self._made(request, soa, zone), *proved))

    def _of_section(self, request: Request, section: Iterable[RR]) -> list[RR]:
        """The signatures of the sets of a section that are in our zones."""
        found: list[RR] = []
        for rrset in signing.rrsets(section):
            zone = self._settings.zone_of(records.owner(rrset[0]).lower())
            if zone is not None:
                found += self._made(request, rrset, zone)
        return found

    def _made(self, request: Request, rrset: Sequence[RR], zone: Name) -> list[RR]:
        return self._signatures.of(rrset, zone, int(self._wall()), request.server)


def setup(args: Args) -> Dnssec:
    """The signer of one server block. ConfigError for keys that cannot be used."""
    directive = args.once()
    found: list[Key] = []
    capacity = Settings.capacity
    for line in directive.properties({"cache_capacity": 1}):
        match line.name:
            case "key":
                found += keys_of(line, args.directory)
            case "cache_capacity":
                capacity = _number(line)
            case _:
                raise line.error(f"unknown property '{line.name}'")
    settings = Settings(args.origins(directive.words), tuple(found), capacity)
    for key in found:
        if not any(names.is_below(zone, key.owner) for zone in settings.zones):
            owner = names.show(key.owner)
            raise directive.error(f"key {owner} (keyid: {key.tag}) can not sign any of the zones")
    return Dnssec(settings, args.metrics, time.time)


def _number(line: Line) -> int:
    return line.read(line.expect(1)[0], integer)
