"""transfer: let other servers fetch the zones of this block whole, and tell them when they change (AXFR, NOTIFY).

Syntax:
    transfer [ZONES...] {
        to ADDRESS[:PORT]...|*      # who may, and is told of changes: these addresses; or anybody may
        source ADDRESS              # the address from which they are told
    }

Zones without arguments are the server block's. The plugins that have a zone tell it whole by a method `transfer`. Of
several directives the one with the longest matching zone counts. Only TCP will do (RFC 5936 section 4.2), or QUIC (RFC
9250). IXFR is answered by the SOA alone where nothing is new, otherwise by the whole zone (RFC 1995 section 4).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from itertools import islice
from typing import NamedTuple, Protocol, runtime_checkable

from kdns.authority.notify import notify
from kdns.authority.settings import addresses_of
from kdns.chain import Handler, Reply, Request, nameblind
from kdns.corefile import Args, Directive, Line
from kdns.errors import NoAnswer, WireError
from kdns.reach import Reach
from kdns.transport.address import Address
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

ANYBODY = "*"
SLICE = 10_000  # records between two turns of others: about a millisecond

Told = Callable[[Name, int | None], Iterable[RR] | None]


@runtime_checkable
class Transferer(Protocol):
    """A plugin with zones."""

    def transfer(self, zone: Name, serial: int | None) -> Iterable[RR] | None:
        """All records of a zone, the SOA first and last; the SOA alone if its serial is the one given; None of a zone
        that is not the plugin's. What is not iterated over at once must not change meanwhile.
        """


class Rule(NamedTuple):
    """Who may fetch which zones: addresses in canonical text, or ANYBODY; `told` are those to tell, from `source`."""

    zones: tuple[Name, ...]
    to: frozenset[str]
    told: tuple[Address, ...] = ()
    source: str = ""


@nameblind
class Transfer:
    """The plugin of one server block."""

    def __init__(self, rules: Sequence[Rule], log: Callable[[str, str], None]) -> None:
        self._rules = rules
        self._log = log
        self._sources: list[Told] = []

    def meet(self, peers: Mapping[str, object]) -> None:
        """Find the plugins of the block that have zones."""
        self._sources = [peer.transfer for peer in peers.values() if isinstance(peer, Transferer)]

    def reach(self) -> list[Reach]:
        """The zones of each directive."""
        return [Reach(rule.zones) for rule in self._rules]

    async def notify(self, zone: Name) -> list[str]:
        """Tell those who may fetch a zone that it has changed; what went wrong, in words."""
        rule = self._rule(zone)
        if rule is None:
            return []
        faults = await asyncio.gather(*(notify(zone, to, rule.source) for to in rule.told))
        self._log("DEBUG", f'Sent notifies for zone "{names.show(zone)}" to [{" ".join(map(str, rule.told))}]')
        return [fault for fault in faults if fault is not None]

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The zone, to whom it may be given; other questions go on."""
        asked = request.question
        if asked.qtype not in (codes.AXFR, codes.IXFR):
            return await rest(request)
        if not request.client.takes_all:
            raise NoAnswer(codes.REFUSED)
        rule = self._rule(asked.key)
        if rule is None:
            return await rest(request)
        if not {ANYBODY, str(ip_address(request.client.address))} & rule.to:
            return Reply(codes.REFUSED, by="transfer")
        told = self._told(asked.key, _serial(request))
        if told is None:
            return await rest(request)
        found = await _gathered(told)
        self._tell_of(request, found)
        return Reply(answer=found, flags=codes.AA if len(found) > 1 else 0, by="transfer")

    def _rule(self, key: Name) -> Rule | None:
        """The rule with the longest zone that a name is in; of equals the first."""
        fitting = [(zone, rule) for rule in self._rules for zone in rule.zones if names.is_below(key, zone)]
        return max(fitting, key=lambda each: len(each[0]))[1] if fitting else None

    def _told(self, zone: Name, serial: int | None) -> Iterable[RR] | None:
        for tell in self._sources:
            found = tell(zone, serial)
            if found is not None:
                return found
        return None

    def _tell_of(self, request: Request, found: Sequence[RR]) -> None:
        zone, client = names.show(request.question.qname), request.client.address
        what = f"transfer of {len(found)} records of"
        if len(found) == 1:
            what = "noop, incremental transfer for up to date"
        serial = records.soa_serial(found[0])
        self._log("INFO", f'Outgoing {what} zone "{zone}" to {client} for {serial} SOA serial')


async def _gathered(told: Iterable[RR]) -> tuple[RR, ...]:
    """All records of a zone. Of a large one they are gathered slice by slice, with turns of others in between."""
    rest = iter(told)
    found = [*islice(rest, SLICE)]
    while len(found) % SLICE == 0 and (more := [*islice(rest, SLICE)]):
        await asyncio.sleep(0)
        found += more
    return tuple(found)


def setup(args: Args) -> Transfer:
    """The plugin of one server block. ConfigError for mistakes."""
    return Transfer([_rule_of(directive, args) for directive in args.directives], args.log)


def _rule_of(directive: Directive, args: Args) -> Rule:
    anybody: list[str] = []
    told: list[Address] = []
    source = ""
    for line in directive.lines:
        match line.name:
            case "to":
                words = line.expect(1, len(line.words))
                anybody += [word for word in words if word == ANYBODY]
                told += addresses_of(line, tuple(word for word in words if word != ANYBODY))
            case "source":
                source = _source(line, source)
            case _:
                raise line.error(f'unknown property "{line.name}"')
    if not anybody and not told:
        raise directive.error("'to' is required")
    to = {str(ip_address(address.host.partition("%")[0])) for address in told}
    return Rule(args.origins(directive.words), frozenset({*anybody, *to}), tuple(told), source)


def _source(line: Line, before: str) -> str:
    (text,) = line.expect(1)
    if before:
        raise line.error("source already specified")
    try:
        return str(ip_address(text))
    except ValueError:
        raise line.error(f'invalid source address "{text}"') from None


def _serial(request: Request) -> int | None:
    """The serial that the client of an IXFR has (RFC 1995 section 3); None for AXFR. NoAnswer without the one SOA."""
    asked = request.question
    if asked.qtype == codes.AXFR:
        return None
    if [records.rtype(rr) for rr in asked.authority] != [codes.SOA]:
        raise NoAnswer(codes.SERVFAIL)
    try:
        return records.soa_serial(asked.authority[0])
    except WireError as fault:
        raise NoAnswer(fault.rcode) from None
