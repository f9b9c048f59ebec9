"""local: answer for localhost and the addresses that mean this very host, so that such questions do not leave it.

Syntax:
    local {
        localhost_prefix on|off     # whether names like localhost.example.org are answered too; on
    }

localhost and every name below it have the addresses 127.0.0.1 and ::1 (RFC 6761 section 6.3). The reverse zones
0, 127 and 255.in-addr.arpa hold nothing but the name of 127.0.0.1.
"""

from collections.abc import Callable, Mapping

from kdns.chain import Handler, Keep, Plugin, Reply, Request, repeatable
from kdns.corefile import Args
from kdns.reach import Reach
from kdns.wire import codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

TTL = 604_800  # seconds: a week

LOCALHOST = names.parse("localhost.")
REVERSE = tuple(names.parse(f"{octet}.in-addr.arpa.") for octet in (0, 127, 255))
LOOPBACK = names.parse("1.0.0.127.in-addr.arpa.")
ADDRESSES = {codes.A: bytes((127, 0, 0, 1)), codes.AAAA: bytes(15) + b"\1"}

_LABEL = b"\x09localhost"


@repeatable
class Local:
    """The plugin of one server block. `has_prefix`: localhost_prefix is on; `count` is told of names like that."""

    def __init__(self, has_prefix: bool, count: Callable[[int], None]) -> None:
        self._has_prefix = has_prefix
        self._count = count

    def reach(self) -> list[Reach]:
        """The names that mean this host; localhost_prefix may stand before any name."""
        ours = LOCALHOST, *REVERSE
        return [Reach((names.ROOT,) if self._has_prefix else ours, ours)]

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """What is known of the local names; other names are passed on."""
        asked = request.question
        key = asked.key
        if key != LOCALHOST and (names.is_below(key, LOCALHOST) or (self._has_prefix and key.startswith(_LABEL))):
            self._count(1)
            kept = Keep().tallied(self._count)
            return _host(asked.qname, asked.qtype, ADDRESSES)._replace(by="local", keep=kept)
        if key == LOCALHOST:
            return _apex(asked.qname, asked.qtype, ADDRESSES)._replace(by="local", keep=Keep())
        zone = next((zone for zone in REVERSE if names.is_below(key, zone)), None)
        if zone is None:
            return await rest(request)
        return _reverse(asked.qname, asked.qtype, zone)._replace(by="local", keep=Keep())


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for wrong properties."""
    has_prefix = True
    for directive in args.directives:
        directive.expect(0)
        for line in directive.lines:
            if line.name != "localhost_prefix":
                raise line.error(f"unknown property '{line.name}'")
            (word,) = line.expect(1)
            if word not in ("on", "off"):
                raise line.error(f"localhost_prefix expects 'on' or 'off', got \"{word}\"")
            has_prefix = word == "on"
    requests = args.metrics.family("local_localhost_requests_total")
    requests.add((), 0)
    return Local(has_prefix, lambda times: requests.add((), times))


def _host(qname: Name, qtype: int, addresses: Mapping[int, bytes]) -> Reply:
    if qtype in addresses:
        return Reply(answer=(records.make(qname, qtype, TTL, addresses[qtype]),))
    return Reply(authority=(_soa(qname),))


def _apex(qname: Name, qtype: int, addresses: Mapping[int, bytes]) -> Reply:
    if qtype == codes.SOA:
        return Reply(answer=(_soa(qname),))
    if qtype == codes.NS:
        return Reply(answer=(records.make(qname, codes.NS, TTL, LOCALHOST),))
    return _host(qname, qtype, addresses)


def _reverse(qname: Name, qtype: int, zone: Name) -> Reply:
    """An answer below a reverse zone; its SOA has the zone in the client's case."""
    key = qname.lower()
    if key == zone:
        return _apex(qname, qtype, {})
    if key == LOOPBACK and qtype == codes.PTR:
        return Reply(answer=(records.make(qname, codes.PTR, TTL, LOCALHOST),))
    rcode = codes.NOERROR if key == LOOPBACK else codes.NXDOMAIN
    return Reply(rcode, authority=(_soa(qname[-len(zone) :]),))


def _soa(owner: Name) -> RR:
    mailbox = names.join([b"root"], LOCALHOST)
    numbers = b"".join(number.to_bytes(4, "big") for number in (1, 0, 0, 0, TTL))
    return records.make(owner, codes.SOA, TTL, LOCALHOST + mailbox + numbers)
