"""nomad: answer for the services registered with a Nomad cluster.

Syntax:
    nomad [ZONE] {
        address URL...      # of agents: http://, https:// or unix://; $NOMAD_ADDR or http://127.0.0.1:4646
        filter EXPRESSION   # which instances count, as Nomad's API has it
        token TOKEN         # $NOMAD_TOKEN
        ttl SECONDS         # 30; 0 to 3600
    }

ZONE is service.nomad unless it is given. SERVICE.NAMESPACE.ZONE has A, AAAA and SRV records, one an instance.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from kdns.chain import Handler, Reply, Request, no_data
from kdns.corefile import Args, Directive, Line
from kdns.corefile.keys import named
from kdns.corefile.numbers import integer
from kdns.errors import SERVFAIL, NoAnswer, UpstreamError
from kdns.forwarding.credentials import client_context
from kdns.metrics import Family, Metrics
from kdns.reach import Reach
from kdns.transport.nomad import Agents, Nomad, Registration
from kdns.wire import build, codes, names, records
from kdns.wire.names import Name
from kdns.wire.records import RR

ZONE = names.parse("service.nomad.")
ADDRESS = "http://127.0.0.1:4646"
PRIORITY, WEIGHT = 10, 10  # of SRV records
MOST_TTL = 3600
MINIMUM = 30  # seconds for which a name that is not there stays so
SCHEMES = ("http://", "https://", "unix://")


@dataclass(frozen=True)
class Settings:
    """What the directive says."""

    zone: Name = ZONE
    addresses: tuple[str, ...] = ()
    filter: str = ""
    token: str = ""
    ttl: int = 30


class NomadServices:
    """The services of one server block's cluster."""

    def __init__(self, settings: Settings, agents: Agents, metrics: Metrics) -> None:
        self._settings = settings
        self._nomad = Nomad(agents)
        self._succeeded = metrics.family("nomad_success_requests_total")
        self._failed = metrics.family("nomad_failed_requests_total")
        self._namespaces: set[str] = set()  # those that were there, which alone become labels of metrics
        self._is_wanted = asyncio.Event()  # somebody waits for an agent

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The instances of the service that is asked for; names of another form go on."""
        key, zone = request.question.key, self._settings.zone
        labels = names.labels(key[: len(key) - len(zone)] + names.ROOT) if names.is_below(key, zone) else []
        if len(labels) < 2:
            return await rest(request)
        service, namespace = (label.decode("utf-8", "replace") for label in labels[:2])
        try:
            found = await self._nomad.service(service, namespace)
        except UpstreamError as failure:
            self._count(self._failed, request, namespace)
            raise NoAnswer(SERVFAIL, str(failure)) from None
        if not found:
            self._count(self._failed, request, namespace)
            return no_data((self._soa(),), "nomad", rcode=codes.NXDOMAIN)
        self._namespaces.add(namespace)
        self._count(self._succeeded, request, namespace)
        return self._reply(request, found)

    def reach(self) -> list[Reach]:
        """Its zone, of which other forms of names go on."""
        return [Reach((self._settings.zone,))]

    async def start(self) -> None:
        """Look for an agent that answers; without one queries fail until there is one."""
        try:
            await self._nomad.ping()
        except UpstreamError:
            return

    async def run(self) -> None:
        """Look for an agent whenever readiness was asked for in vain: a server that is not ready gets no queries."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            await self.start()

    def ready(self) -> bool:
        """Whether an agent answers; if not, one is looked for until the next time."""
        if not self._nomad.is_reached:
            self._is_wanted.set()
        return self._nomad.is_reached

    async def close(self) -> None:
        """Close the connections."""
        await self._nomad.close()

    def _reply(self, request: Request, found: list[Registration]) -> Reply:
        owner, qtype, ttl = request.question.qname, request.question.qtype, self._settings.ttl
        addresses = [(_address(owner, each.address, ttl), each.port) for each in found]
        if qtype == codes.SRV:
            answer = tuple(build.srv(owner, ttl, WEIGHT, port & 0xFFFF, owner, PRIORITY) for _, port in addresses)
            extra = tuple(dict.fromkeys(rr for rr, _ in addresses))
            return Reply(answer=answer, additional=extra, flags=codes.AA, by="nomad")
        answer = tuple(rr for rr, _ in addresses if records.rtype(rr) == qtype)
        return Reply(answer=answer, flags=codes.AA, by="nomad") if answer else no_data((self._soa(),), "nomad")

    def _soa(self) -> RR:
        zone = self._settings.zone
        mname, rname = names.join([b"ns1"], zone), names.join([b"hostmaster"], zone)
        return build.soa(zone, self._settings.ttl, mname, rname, 0, minimum=MINIMUM)

    def _count(self, family: Family, request: Request, namespace: str) -> None:
        family.add((request.server, namespace if namespace in self._namespaces else ""))


def setup(args: Args) -> NomadServices:
    """The plugin of one server block. ConfigError for mistakes."""
    directive = args.once()
    settings = Settings()
    for word in directive.words[:1]:
        settings = replace(settings, zone=_zone(directive, word))
    for line in directive.lines:
        settings = _with(settings, line)
    environ = args.environ
    urls = settings.addresses or (environ.get("NOMAD_ADDR") or ADDRESS,)
    for url in urls:
        if not url.startswith(SCHEMES):
            raise directive.error(f"invalid address '{url}': it begins with {', '.join(SCHEMES)}")
    token = settings.token or environ.get("NOMAD_TOKEN", "")
    shown = environ.get("NOMAD_REGION", ""), environ.get("NOMAD_TLS_SERVER_NAME", "")
    return NomadServices(settings, Agents(urls, token, settings.filter, _tls(directive, environ), *shown), args.metrics)


def _zone(directive: Directive, word: str) -> Name:
    found = named(word)
    if not found:
        raise directive.error(f"unable to normalize '{word}'")
    return found[0]


def _with(settings: Settings, line: Line) -> Settings:
    match line.name.lower():
        case "address":
            if not line.args:
                raise line.error("at least one address is required")
            return replace(settings, addresses=settings.addresses + line.args)
        case "filter":
            return replace(settings, filter=_only(line, "filter"))
        case "token":
            return replace(settings, token=_only(line, "token"))
        case "ttl":
            return replace(settings, ttl=_ttl(line))
    raise line.error(f"unknown property '{line.name.lower()}'")


def _only(line: Line, what: str) -> str:
    if len(line.args) != 1:
        raise line.error(f"exactly one {what} is required")
    return line.args[0]


def _ttl(line: Line) -> int:
    seconds = line.read(_only(line, "ttl value"), integer, "error parsing ttl: ")
    if not 0 <= seconds <= MOST_TTL:
        raise line.error(f"ttl must be in range [0, {MOST_TTL}]: {seconds}")
    return seconds


def _tls(directive: Directive, environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """What Nomad's own environment variables say of certificates."""
    shown = [environ.get(name, "") for name in ("NOMAD_CLIENT_CERT", "NOMAD_CLIENT_KEY", "NOMAD_CACERT")]
    paths = [Path(text) for text in (shown if all(shown[:2]) else shown[2:]) if text]
    return client_context(directive, paths) if paths else None


def _address(owner: Name, text: str, ttl: int) -> RR:
    """An instance's address as a record. NoAnswer if it is none."""
    try:
        packed = ip_address(text).packed
    except ValueError:
        raise NoAnswer(SERVFAIL, f"error parsing IP address: {text!r}") from None
    return build.address(owner, ttl, packed)
