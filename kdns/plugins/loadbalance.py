"""loadbalance: change the order of the addresses in answers, so that clients who take the first spread out.

Syntax:
    loadbalance [round_robin | weighted FILE] {
        reload DURATION     # weighted: how often to look whether FILE has changed; 30s, 0 never
        prefer CIDR...      # round_robin: addresses of an earlier CIDR come first
    }

round_robin (the default) shuffles. Either policy puts aliases first, then other records, addresses, mail exchangers.
weighted brings one address to the top, drawn by its weight in FILE: lines `DOMAIN`, each followed by lines
`ADDRESS WEIGHT` (1 to 255; an address that is not listed weighs 1).
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from random import Random, SystemRandom

from kdns.chain import Handler, Plugin, Reply, Request, Step, nameblind
from kdns.corefile import Args, Directive, Line, duration
from kdns.errors import StartError
from kdns.wire import codes, records
from kdns.wire.records import RR
from kdns.zone.weights import Weights, parse

MAX_VARIANTS = 16  # orders of one answer that are collected before they are sent again in turn
RELOAD = 30.0  # seconds
NEVER = 1e9  # seconds

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Weighted:
    """Where the weights stand, and how often in seconds to look there (0: never)."""

    path: Path
    reload: float = RELOAD


def setup(args: Args) -> Plugin:
    """The plugin of one server block; of several directives the last one's policy counts. ConfigError for mistakes."""
    weighted: Weighted | None = None
    preferred: tuple[Network, ...] = ()
    for directive in args.directives:
        weighted = _policy(directive, args)
        for line in directive.lines:
            weighted, nets = _property(line, weighted)
            preferred += nets
    if weighted is None:
        return Shuffled(preferred, SystemRandom())
    return Drawn(weighted, preferred, SystemRandom(), args.log)


@nameblind
class Shuffled:
    """round_robin. A repeated answer is sent in as many orders as it has addresses, up to MAX_VARIANTS."""

    def __init__(self, preferred: Sequence[Network], chance: Random) -> None:
        self._preferred = preferred
        self._chance = chance

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below in another order."""
        return self._reordered(request, await rest(request))

    def step(self) -> Step:
        """Reorder what comes back."""
        return Step(returned=self._reordered)

    def _reordered(self, request: Request, reply: Reply) -> Reply:
        if reply.rcode != codes.NOERROR or request.question.qtype in (codes.AXFR, codes.IXFR):
            return reply
        _, answer, authority, additional, *_ = reply
        if len(answer) < 2 and len(authority) < 2 and len(additional) < 2 and reply.keep is None:
            return reply
        keep = reply.keep
        if keep is not None:
            movable = sum(records.rtype(rr) in _MOVABLE for rr in (*answer, *authority, *additional))
            keep = keep if movable < 2 else keep._replace(variants=min(movable, MAX_VARIANTS))
        return reply._replace(
            answer=_prefer(self._shuffled(answer), self._preferred),
            authority=self._shuffled(authority),
            additional=_prefer(self._shuffled(additional), self._preferred),
            keep=keep,
        )

    def _shuffled(self, section: tuple[RR, ...]) -> tuple[RR, ...]:
        if len(section) < 2:
            return section
        aliases, others, addresses, exchangers = _grouped(section)
        self._chance.shuffle(addresses)
        self._chance.shuffle(exchangers)
        return (*aliases, *others, *addresses, *exchangers)


class Drawn:
    """weighted. Each reply is drawn anew: no repeats, since the shares of many are what the weights are about."""

    def __init__(
        self, settings: Weighted, preferred: Sequence[Network], chance: Random, log: Callable[[str, str], None]
    ) -> None:
        self._settings = settings
        self._preferred = preferred
        self._chance = chance
        self._log = log
        self._weights: Weights = {}
        self._digest = b""  # of the file when it was read

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below with one of its addresses on top."""
        reply = await rest(request)
        if reply.rcode != codes.NOERROR or request.question.qtype in (codes.AXFR, codes.IXFR):
            return reply
        answer, additional = reply.answer, reply.additional
        if request.question.qtype in (codes.A, codes.AAAA, codes.SRV):
            answer, additional = self._topped(answer), self._topped(additional)
        preferred = self._preferred
        return reply._replace(answer=_prefer(answer, preferred), additional=_prefer(additional, preferred))

    async def start(self) -> None:
        """Read the weights. A file that cannot be opened is tried again later; StartError for one with mistakes."""
        try:
            self._read()
        except IsADirectoryError:  # that will not become better
            raise StartError(f"plugin/loadbalance: read {self._settings.path}: is a directory") from None
        except OSError as error:
            if not self._settings.reload:
                raise StartError(f"plugin/loadbalance: weight file open error: {error}") from None
            wait = f"{self._settings.reload:g}s"
            self._log("WARNING", f"Failed to open weight file:{error}. Will try again in {wait}")
        except ValueError as error:
            raise StartError(f"plugin/loadbalance: {error}") from None

    async def run(self) -> None:
        """Look at the file again and again, if the Corefile says so."""
        while True:
            await asyncio.sleep(self._settings.reload or NEVER)
            try:
                self._read()
            except (OSError, ValueError) as error:
                self._log("ERROR", str(error))

    def _read(self) -> None:
        octets = self._settings.path.read_bytes()
        digest = hashlib.sha256(octets).digest()
        if digest == self._digest:
            return
        self._weights = parse(octets.decode(errors="replace"), str(self._settings.path))
        self._digest = digest
        self._log("INFO", f"Successfully reloaded weight file {self._settings.path}")

    def _topped(self, section: tuple[RR, ...]) -> tuple[RR, ...]:
        aliases, others, addresses, exchangers = _grouped(section)
        if not addresses:
            return section
        weights = [self._weight(rr) for rr in addresses]
        (top,) = self._chance.choices(range(len(addresses)), weights)
        addresses[0], addresses[top] = addresses[top], addresses[0]
        return (*aliases, *others, *addresses, *exchangers)

    def _weight(self, rr: RR) -> int:
        return self._weights.get(records.owner(rr).lower(), {}).get(records.rdata(rr), 1)


_MOVABLE = frozenset({codes.A, codes.AAAA, codes.MX})


def _grouped(section: Sequence[RR]) -> tuple[list[RR], list[RR], list[RR], list[RR]]:
    """Aliases, other records, addresses, mail exchangers."""
    groups: tuple[list[RR], list[RR], list[RR], list[RR]] = [], [], [], []
    place = {codes.CNAME: 0, codes.A: 2, codes.AAAA: 2, codes.MX: 3}
    for rr in section:
        groups[place.get(records.rtype(rr), 1)].append(rr)
    return groups


def _prefer(section: tuple[RR, ...], preferred: Sequence[Network]) -> tuple[RR, ...]:
    """The section with addresses of an earlier network first; other records behind mail exchangers, as CoreDNS does."""
    if not preferred:
        return section
    aliases, others, addresses, exchangers = _grouped(section)
    addresses.sort(key=lambda rr: _rank(records.rdata(rr), preferred))
    return (*aliases, *addresses, *exchangers, *others)


def _rank(packed: bytes, preferred: Sequence[Network]) -> int:
    address = ip_address(packed) if len(packed) in (4, 16) else None
    return next((rank for rank, net in enumerate(preferred) if address in net), len(preferred)) if address else 0


def _policy(directive: Directive, args: Args) -> Weighted | None:
    match directive.words:
        case () | ("round_robin",):
            return None
        case ("round_robin", *_):
            raise directive.error("unknown property for round_robin")
        case ("weighted",):
            raise directive.error("missing weight file argument")
        case ("weighted", path):
            return Weighted(args.directory / path)
        case ("weighted", *_):
            raise directive.error("unexpected argument(s)")
    raise directive.error(f"unknown policy: {directive.words[0]}")


def _property(line: Line, weighted: Weighted | None) -> tuple[Weighted | None, tuple[Network, ...]]:
    if line.name == "reload" and weighted is not None:
        return Weighted(weighted.path, _reload(line)), ()
    if line.name == "prefer" and weighted is None:
        return None, tuple(_network(line, text) for text in line.args)
    raise line.error(f"unknown property '{line.name}'")


def _reload(line: Line) -> float:
    if not line.args:
        raise line.error("reload duration value is missing")
    if len(line.args) > 1:
        raise line.error("unexpected argument")
    try:
        return max(0.0, duration(line.args[0]))
    except ValueError:
        raise line.error(f"invalid reload duration '{line.args[0]}'") from None


def _network(line: Line, text: str) -> Network:
    try:
        if "/" not in text:
            raise ValueError("no prefix length")
        return ip_network(text, strict=False)
    except ValueError:
        raise line.error(f'invalid CIDR "{text}": invalid CIDR address: {text}') from None
