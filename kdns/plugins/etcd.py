"""etcd: zones out of an etcd cluster, in SkyDNS's layout.

Syntax:
    etcd [ZONES...] {
        fallthrough [ZONES...]
        path PATH                   # under which the keys stand; /skydns
        endpoint URL...             # of the members; http://localhost:2379
        credentials USERNAME PASSWORD
        tls [CA | CERT KEY | CERT KEY CA]
        min-lease-ttl DURATION      # the least TTL of records whose key has a lease; 30s
        max-lease-ttl DURATION      # the most; 24h
    }

`stubzones`, `debug` and `upstream`, of times long past, are passed over. ExternalDNS writes this layout.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kdns.chain import Handler, Reply, Request, no_data
from kdns.corefile import Args, Directive, Fall, Line, duration
from kdns.errors import SERVFAIL, NoAnswer, NoSuchKey, UpstreamError
from kdns.forwarding.credentials import client_context
from kdns.reach import Reach
from kdns.skydns import service
from kdns.skydns.answers import Answers, Found
from kdns.skydns.service import Service
from kdns.transport.address import split
from kdns.transport.etcd import Endpoint, Etcd, Pair
from kdns.transport.grpc import credentials, target
from kdns.wire import build, codes, names
from kdns.wire.names import Name
from kdns.wire.records import RR

PORT = 2379
MINIMUM = 30  # seconds for which what is not there stays so, and the SOA's TTL
LONGEST = (1 << 32) - 1
NOWHERE = Fall()
SIZES = {"stubzones": 0, "debug": 0, "path": 1, "min-lease-ttl": 1, "max-lease-ttl": 1}
PASSED_OVER = ("stubzones", "debug", "upstream")


@dataclass(frozen=True)
class Settings:
    """What the directive says; TTLs in seconds."""

    zones: tuple[Name, ...]
    prefix: tuple[str, ...] = ("skydns",)
    endpoints: tuple[str, ...] = (f"http://localhost:{PORT}",)
    credentials: tuple[str, str] | None = None
    files: tuple[Path, ...] | None = None  # of `tls`
    fall: Fall = NOWHERE
    least: int = 30
    most: int = 86_400


class EtcdZones:
    """The zones of one server block."""

    divisible = False  # gRPC does not outlive a fork

    def __init__(
        self, settings: Settings, endpoints: tuple[Endpoint, ...], clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._endpoints = endpoints
        self._etcd: Etcd | None = None  # from `start` on

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The answer, NODATA or NXDOMAIN of a name in one of the zones; other names go on."""
        key, qtype = request.question.key, request.question.qtype
        zone = max((zone for zone in self._settings.zones if names.is_below(key, zone)), key=len, default=None)
        if zone is None:
            return await rest(request)
        soa = self._soa(zone)
        if qtype == codes.SOA:
            return Reply(answer=(soa,), flags=codes.AA, by="etcd")
        try:
            found = await self._found(request, zone)
        except NoSuchKey:
            if self._settings.fall.through(key):
                return await rest(request)
            return no_data((soa,), "etcd", rcode=codes.NXDOMAIN)
        except UpstreamError as failure:
            raise NoAnswer(SERVFAIL, str(failure)) from None
        if not found.answer:
            return no_data((soa,), "etcd")
        return Reply(answer=tuple(found.answer), additional=tuple(found.additional), flags=codes.AA, by="etcd")

    def reach(self) -> list[Reach]:
        """Its zones, which end here but for what falls through."""
        return [Reach(self._settings.zones, self._settings.zones, self._settings.fall.zones or ())]

    async def start(self) -> None:
        """Make the client; it connects when it is first needed."""
        self._etcd = Etcd(self._endpoints, self._settings.credentials)

    async def close(self) -> None:
        """Close the connections."""
        if self._etcd is not None:
            await self._etcd.close()

    async def _found(self, request: Request, zone: Name) -> Found:
        async def lookup(name: Name, qtype: int) -> tuple[RR, ...]:
            return (await request.ask(request, name, qtype)).answer

        if self._etcd is None:
            raise UpstreamError("etcd: not started")
        answers = Answers(zone, partial(self._find, self._etcd), lookup)
        return await answers.to(request.question.qname, request.question.qtype)

    async def _find(self, etcd: Etcd, name: Name, qtype: int, exact: bool) -> list[Service]:
        path = service.path_of(name)
        front = service.before_wildcard(path)
        wanted = path if front is None else front
        pairs = await self._pairs(etcd, wanted, exact=exact)
        if not pairs:
            raise NoSuchKey(names.show(name))
        leases: dict[int, int | None] = {0: None}
        found: list[Service] = []
        for pair in pairs:
            below = pair.key.strip("/").split("/")[len(self._settings.prefix) :]
            if front is not None and not service.matches(below, path):
                continue
            if pair.lease not in leases:
                leases[pair.lease] = await self._ttl(etcd, pair.lease)
            read = service.read(below, pair.value, leases[pair.lease])
            if read.host or (qtype == codes.TXT and read.text):
                found.append(read)
        return service.grouped(found)

    async def _pairs(self, etcd: Etcd, path: list[str], *, exact: bool) -> list[Pair]:
        key = "/" + "/".join((*self._settings.prefix, *path))
        found = [] if exact else await etcd.get(key + "/", below=True)
        return found or await etcd.get(key, below=False)

    async def _ttl(self, etcd: Etcd, lease: int) -> int | None:
        try:
            seconds = await etcd.time_to_live(lease)
        except UpstreamError:
            return None
        least, most = self._settings.least, self._settings.most
        if seconds <= 0:
            return None
        return least if seconds < least else min(seconds, most)

    def _soa(self, zone: Name) -> RR:
        mname, rname = names.join([b"ns", b"dns"], zone), names.join([b"hostmaster"], zone)
        return build.soa(zone, MINIMUM, mname, rname, int(self._clock()), minimum=MINIMUM)


def setup(args: Args) -> EtcdZones:
    """The zones of one server block. ConfigError for mistakes."""
    directive = args.once()
    settings = Settings(args.origins(directive.words))
    for line in directive.properties(SIZES):
        settings = _with(settings, line, args)
    client_context(directive, settings.files or ())  # so that a file that is no certificate is told of now
    return EtcdZones(settings, tuple(_endpoint(directive, settings, text) for text in settings.endpoints))


def _with(settings: Settings, line: Line, args: Args) -> Settings:
    if line.name in PASSED_OVER:
        return settings
    match line.name:
        case "fallthrough":
            return replace(settings, fall=args.fallthrough(line))
        case "path":
            return replace(settings, prefix=tuple(part for part in line.expect(1)[0].split("/") if part))
        case "endpoint":
            return replace(settings, endpoints=line.expect(1, len(line.args) or 1))
        case "credentials":
            return replace(settings, credentials=_credentials(line))
        case "tls":
            return replace(settings, files=tuple(args.directory / word for word in line.expect(0, 3)))
        case "min-lease-ttl":
            return replace(settings, least=_ttl(line) or settings.least)
        case "max-lease-ttl":
            return replace(settings, most=_ttl(line) or settings.most)
    raise line.error(f"unknown property '{line.name}'")


def _credentials(line: Line) -> tuple[str, str]:
    words = line.expect(1, len(line.args) or 1)
    if len(words) != 2:
        raise line.error("credentials requires 2 arguments, username and password")
    return words[0], words[1]


def _ttl(line: Line) -> int:
    text = line.expect(1)[0].strip() or "0"
    try:
        seconds = duration(f"{text}s" if text.isdigit() else text)
    except ValueError:
        form = "invalid TTL format, use format like '30', '30s', '5m', '1h', or '2h30m'"
        raise line.error(f"invalid {line.name} value: {form}") from None
    if not 0 <= seconds <= LONGEST:
        raise line.error(f"invalid {line.name} value: TTL must be between 0 and {LONGEST} seconds")
    return int(seconds)


def _endpoint(directive: Directive, settings: Settings, text: str) -> Endpoint:
    """A member, encrypted if its scheme says so, or if it has none and there is `tls`."""
    scheme, found, rest = text.rpartition("://")
    if scheme not in ("", "http", "https", "unix"):
        raise directive.error(f"invalid endpoint '{text}': http://, https:// and unix:// are known")
    encrypted = credentials(settings.files or ()) if scheme == "https" or (not found and settings.files) else None
    if scheme == "unix":
        return Endpoint(f"unix:{rest}")
    host, port = directive.read(rest.rstrip("/"), split, f"invalid endpoint '{text}': ")
    return Endpoint(target(host, PORT if port is None else port), encrypted)
