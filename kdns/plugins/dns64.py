"""dns64: IPv6 addresses made of IPv4 ones, for clients that reach IPv4 through a NAT64 (RFC 6147).

Syntax:
    dns64 [PREFIX] {
        prefix PREFIX     # of the NAT64, /32 /40 /48 /56 /64 /72 /80 /88 or /96; 64:ff9b::/96
        translate_all     # names that have IPv6 addresses too
        allow_ipv4        # for clients that ask over IPv4 too
    }

A question for AAAA that is answered without any, but for NXDOMAIN, is asked again for A. Whatever else that answer has
comes with it unchanged.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from kdns.chain import Handler, Reply, Request, nameblind
from kdns.corefile import Args, Directive, Line
from kdns.metrics import Metrics
from kdns.wire import codes, records, verdict
from kdns.wire.records import RR

WELL_KNOWN = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
MOST_TTL = 600  # seconds, where no SOA says how long "no AAAA" holds (RFC 6147 section 5.1.7)
SIZES = {"prefix": 1, "translate_all": 0, "allow_ipv4": 0}
_U = 8  # the octet that is zero in every such address (RFC 6052 section 2.2)


@dataclass(frozen=True)
class Settings:
    """What the directive says."""

    prefix: IPv6Network = WELL_KNOWN
    translates_all: bool = False
    allows_ipv4: bool = False


@nameblind
class Dns64:
    """The translator of one server block."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._translated = metrics.family("dns64_requests_translated_total")

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below, or one with translated addresses in its place."""
        asked = request.question
        if asked.qtype != codes.AAAA or asked.qclass != codes.IN:
            return await rest(request)
        if not (request.client.is_ipv6 or self._settings.allows_ipv4):
            return (await rest(request)).keeping(None)  # others may be answered otherwise
        reply = await rest(request)
        if not self._is_wanting(request, reply):
            return (reply if self._settings.allows_ipv4 else reply.keeping(None)).alone()
        found = await request.ask(request, asked.key, codes.A)
        self._translated.add((request.server,))
        return self._translation(reply, found)

    def _is_wanting(self, request: Request, reply: Reply) -> bool:
        """Whether a reply has to be translated (RFC 6147 sections 5.1.1, 5.1.2)."""
        if verdict.at_sight(reply.rcode, reply.answer, reply.authority) is verdict.Verdict.NXDOMAIN:
            return False
        return self._settings.translates_all or all(records.rtype(rr) != codes.AAAA for rr in reply.answer)

    def _translation(self, wanting: Reply, found: Reply) -> Reply:
        seconds = [records.ttl(rr) for rr in wanting.authority if records.rtype(rr) == codes.SOA]
        most = seconds[-1] if seconds else MOST_TTL
        answer = tuple(_translated(rr, self._settings.prefix, most) for rr in found.answer)
        return Reply(codes.NOERROR, answer, found.authority, found.additional, found.flags & codes.TC, by="dns64")


def synthesised(prefix: IPv6Network, address: bytes) -> bytes:
    """The 16 octets that stand for an IPv4 address of 4 (RFC 6052 section 2.2)."""
    octets = prefix.network_address.packed[: prefix.prefixlen // 8] + address
    if prefix.prefixlen <= 8 * _U:
        octets = octets[:_U] + b"\0" + octets[_U:]
    return octets.ljust(16, b"\0")


def _translated(rr: RR, prefix: IPv6Network, most: int) -> RR:
    """An A record as AAAA, at most `most` seconds; others as they are."""
    if records.rtype(rr) != codes.A:
        return rr
    address = synthesised(prefix, records.rdata(rr))
    return records.make(records.owner(rr), codes.AAAA, min(records.ttl(rr), most), address, records.rclass(rr))


def setup(args: Args) -> Dns64:
    """The translator of one server block; what stands there later counts. ConfigError for what is no prefix."""
    settings = Settings()
    for directive in args.directives:
        for word in directive.expect(0, 1):
            settings = replace(settings, prefix=_prefix(directive, word))
        for line in directive.properties(SIZES):
            settings = _with(settings, line)
    return Dns64(settings, args.metrics)


def _with(settings: Settings, line: Line) -> Settings:
    match line.name:
        case "prefix":
            return replace(settings, prefix=_prefix(line, *line.expect(1)))
        case "translate_all":
            return replace(settings, translates_all=True)
        case "allow_ipv4":
            return replace(settings, allows_ipv4=True)
    raise line.error(f"unknown property '{line.name}'")


def _prefix(where: Line | Directive, text: str) -> IPv6Network:
    try:
        if "/" not in text or "%" in text:
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        raise where.error(f"invalid CIDR address: {text}") from None
    if isinstance(network, IPv4Network):
        raise where.error(f'invalid netmask {network.max_prefixlen} IPv6 address: "{network}"')
    if network.prefixlen % 8 or not 32 <= network.prefixlen <= 96:
        raise where.error(f'invalid prefix length "{network}"')
    return network
