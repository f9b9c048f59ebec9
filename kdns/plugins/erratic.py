"""erratic: answer badly on purpose, to try clients out: late, cut short, or not at all.

Syntax:
    erratic {
        drop [N]                  # every Nth query is not answered; 2; 0: none
        delay [N [DURATION]]      # every Nth reply comes late; 2 100ms
        truncate [N]              # replies say that they are cut short; 2
        large                     # thirty times the record, for A
    }

A is answered with 192.0.2.53, AAAA with 2001:db8::53, AXFR with a small zone, whatever the name; anything else is
SERVFAIL. Nothing is dropped by default where delay or truncate stands. As in CoreDNS it is not every Nth reply that is
truncated, but each whose number, counted from 0, has none of N's bits: with 2 those numbered 0, 1, 4, 5, 8 and so on. A
truncated zone lacks its last SOA.
"""

import asyncio
import struct
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

from kdns.chain import Handler, Reply, Request, SearchPath
from kdns.corefile import Args, Line
from kdns.corefile.durations import duration
from kdns.corefile.numbers import integer
from kdns.errors import SERVFAIL, Dropped, NoAnswer
from kdns.reach import final
from kdns.wire import build, codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

ADDRESSES = {codes.A: ip_address("192.0.2.53").packed, codes.AAAA: ip_address("2001:db8::53").packed}
LARGE = 30  # records
READY = range(3, 5)  # queries so far with which it says that it is ready
_NUMBERS = struct.pack("!5I", 2018050825, 7200, 3600, 1209600, 3600)  # of the SOA: serial and times


class Settings(NamedTuple):
    """Every how many queries what goes wrong (0: never), and for how many seconds."""

    drop: int = 2
    delay: int = 0
    seconds: float = 0.1
    truncate: int = 0
    large: bool = False


@final
class Erratic:
    """The plugin of one server block; it counts its queries."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queries = 0

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The answer, if it is one's turn. Nothing below is asked."""
        number, settings = self._queries, self._settings
        self._queries += 1
        if settings.drop and number % settings.drop == 0:
            raise Dropped
        if settings.delay and number % settings.delay == 0:
            await asyncio.sleep(settings.seconds)
        is_cut = bool(settings.truncate) and not number & settings.truncate
        return self._answer(request, is_cut)

    def ready(self) -> bool:
        """Only after the third query and before the fifth: those who wait for it can be seen to wait."""
        return self._queries in READY

    def search_path(self, request: Request, by_name: bool) -> SearchPath:
        """A search path for the autopath plugin."""
        return SearchPath((names.parse("a.example.org."), names.parse("b.example.org.")))

    def _answer(self, request: Request, is_cut: bool) -> Reply:
        asked = request.question
        flags = codes.AA | (codes.TC if is_cut else 0)
        address = ADDRESSES.get(asked.qtype)
        if address is not None:
            times = LARGE if asked.qtype == codes.A and self._settings.large else 1
            return Reply(answer=(build.address(asked.qname, 0, address),) * times, flags=flags, by="erratic")
        if asked.qtype != codes.AXFR:
            raise NoAnswer(SERVFAIL)
        soa, *others = _zone(asked.qname)
        return Reply(answer=(soa, *others) if is_cut else (soa, *others, soa), flags=codes.AA, by="erratic")


def _zone(origin: Name) -> tuple[RR, ...]:
    """A few records, the SOA first; without a name server whose name would be too long."""
    hosts = [(b"a", "2001:bd8::53"), (b"b", "2001:500::54")]
    fitting = [(names.join([label], origin), text) for label, text in hosts if len(origin) + 2 <= names.MAX_NAME]
    mname, rname = names.parse("sns.dns.icann.org."), names.parse("noc.dns.icann.org.")
    soa = records.make(origin, codes.SOA, 0, mname + rname + _NUMBERS)
    servers = [build.to_name(origin, codes.NS, 0, name) for name, _ in reversed(fitting)]
    return (soa, *servers, *(build.address(name, 0, ip_address(text).packed) for name, text in fitting))


def setup(args: Args) -> Erratic:
    """The plugin of one server block; what stands there later counts. ConfigError for what are no numbers."""
    settings = Settings()
    dropping = False
    for directive in args.directives:
        for line in directive.properties({"large": 0}):
            settings = _with(settings, line)
            dropping = dropping or (line.name == "drop" and bool(line.args))
    if (settings.delay or settings.truncate) and not dropping:
        settings = settings._replace(drop=0)
    return Erratic(settings)


def _with(settings: Settings, line: Line) -> Settings:
    match line.name:
        case "drop":
            return settings._replace(drop=_amount(line, *line.expect(0, 1)) if line.args else settings.drop)
        case "delay":
            amount, *seconds = line.expect(0, 2) or ("2",)
            return settings._replace(delay=_amount(line, amount), seconds=_seconds(line, *seconds))
        case "truncate":
            return settings._replace(truncate=_amount(line, *(line.expect(0, 1) or ("2",))))
        case "large":
            return settings._replace(large=True)
    raise line.error(f"unknown property '{line.name}'")


def _amount(line: Line, text: str) -> int:
    amount = line.read(text, partial(integer, bits=32))
    if amount < 0:
        raise line.error(f'illegal amount value given "{text}"')
    return amount


def _seconds(line: Line, text: str = "100ms") -> float:
    return line.read(text, duration)
