"""kubernetes: answer for the services, endpoints and pods of a cluster.

Syntax:
    kubernetes [ZONES...] {
        endpoint URL                    # the API server; only the first of several is used
        tls CERT KEY CACERT
        kubeconfig FILE [CONTEXT]       # without either: the cluster that this is a pod of
        apiserver_qps N                 # accepted as CoreDNS accepts it; one watcher has nothing to hold back
        apiserver_burst N
        apiserver_max_inflight N
        namespaces NAMESPACE...         # only these
        namespace_labels SELECTOR       # only those with such labels
        labels SELECTOR                 # only services and endpoints with such labels
        pods disabled|insecure|verified # names of pods: none, any address, those that exist; disabled
        dotted_pod_names                # also 10.244.0.1.NAMESPACE.pod and .svc; kdns only
        endpoint_pod_names              # an endpoint without hostname has its pod's name
        ttl SECONDS                     # 0 to 3600; 5
        noendpoints                     # do not watch endpoints
        fallthrough [ZONES...]          # hand on names that are not there
        ignore empty_service            # services without a ready endpoint are not there
        zonal                           # names of endpoints in a topology zone
        startup_timeout DURATION        # how long the start waits for the first lists; 5s
    }

Names and records are the cluster package's business, the watch is transport.mirror's; this module reads the properties
and turns what was found to replies.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kdns.chain import Handler, Keep, Reply, Request, repeatable
from kdns.cluster import publish
from kdns.cluster.entries import Address, label
from kdns.cluster.index import Index
from kdns.cluster.names import is_reverse
from kdns.cluster.publish import Found, Rules
from kdns.cluster.selector import is_selector
from kdns.cluster.zone import ADDRESSES, MAX_NEGATIVE_TTL, ClusterZones
from kdns.corefile import Args, Fall, Line, duration
from kdns.errors import NoAnswer
from kdns.transport import interfaces
from kdns.transport.access import Access, from_endpoint, in_cluster
from kdns.transport.kubeconfig import from_kubeconfig
from kdns.transport.mirror import Mirror, Scope
from kdns.wire import build, codes, names
from kdns.wire.names import Name

MAX_ALIASES = 8  # ExternalName services that name each other, as CoreDNS follows them
MAX_TTL = 3600  # seconds
NEVER = Fall()
PODS = (publish.DISABLED, publish.VERIFIED, publish.INSECURE)


@dataclass
class Settings:
    """The properties of one `kubernetes` directive."""

    zones: tuple[Name, ...]
    endpoint: str = ""
    tls: tuple[Path, ...] = ()
    kubeconfig: Path | None = None
    context: str = ""
    namespaces: tuple[str, ...] = ()
    namespace_labels: str = ""
    labels: str = ""
    pods: str = publish.DISABLED
    dotted_pod_names: bool = False
    endpoint_pod_names: bool = False
    ttl: int = 5
    noendpoints: bool = False
    fall: Fall = NEVER
    ignore_empty: bool = False
    zonal: bool = False
    startup_timeout: float = 5.0


def setup(args: Args) -> "Kubernetes":
    """The plugin of one server block. ConfigError for properties that are wrong."""
    directive = args.once()
    chosen = Settings(args.origins(directive.words))
    if all(map(is_reverse, chosen.zones)):
        raise directive.error("non-reverse zone name must be used")
    for line in directive.lines:
        read = _PROPERTIES.get(line.name)
        if read is None:
            raise line.error(f"unknown property '{line.name}'")
        read(args, line, chosen)
    if chosen.namespaces and chosen.namespace_labels:
        raise directive.error("namespaces and namespace_labels cannot both be set")
    if chosen.zonal and chosen.noendpoints:
        raise directive.error("zonal requires the endpoint cache; remove noendpoints")
    return Kubernetes(chosen, args)


@repeatable
class Kubernetes:
    """The zones of one cluster."""

    def __init__(self, chosen: Settings, args: Args) -> None:
        self._chosen = chosen
        self._args = args
        index = Index(pod_names=chosen.endpoint_pod_names, serial=int(time.time()))
        rules = Rules(chosen.ttl, chosen.pods, frozenset(map(label, chosen.namespaces)), chosen.ignore_empty)
        self._zones = ClusterZones(
            chosen.zones, index, rules, self._local, dotted=chosen.dotted_pod_names, zonal=chosen.zonal
        )
        scope = Scope(chosen.labels, chosen.namespace_labels, not chosen.noendpoints, chosen.pods == publish.VERIFIED)
        self._mirror = Mirror(index, scope, self._access, args.metrics, args.log)
        self.follow = self._mirror.follow
        self.run = self._mirror.run
        self.close = self._mirror.close

    async def start(self) -> None:
        """Wait for the first lists, as long as startup_timeout says."""
        await self._mirror.start(self._chosen.startup_timeout)

    def ready(self) -> bool:
        """Whether the first lists are complete."""
        return self._mirror.synced

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        key, qtype = request.question.key, request.question.qtype
        zone = self._zones.holding(key)
        if zone is None:
            return await rest(request)
        if qtype in (codes.AXFR, codes.IXFR):
            raise NoAnswer(codes.REFUSED)
        found = self._zones.find(key, zone, qtype)
        if not found.missing:
            return await self._reply(request, zone, found)
        if self._chosen.fall.through(key):
            return _also_of(await rest(request), found)
        if not self._mirror.synced:
            return self._nothing(request, zone, found, codes.SERVFAIL)._replace(keep=None)
        return self._nothing(request, zone, found, codes.NXDOMAIN)

    async def _reply(self, request: Request, zone: Name, found: Found) -> Reply:
        if found.alias is not None and request.question.qtype in (*ADDRESSES, codes.CNAME):
            return await self._alias(request, zone, found, found.alias)
        answer, additional = self._zones.records(request.question, zone, found)
        if not answer:
            return self._nothing(request, zone, found, codes.NOERROR)
        keep = Keep(found.keys) if found.keys else None
        return Reply(answer=answer, additional=additional, flags=codes.AA, by="kubernetes", keep=keep)

    async def _alias(self, request: Request, zone: Name, found: Found, target: Name) -> Reply:
        """An ExternalName service: the alias and, for a question for addresses, those of its target."""
        asked = request.question
        alias = build.to_name(asked.qname, codes.CNAME, self._chosen.ttl, target)
        if asked.qtype == codes.CNAME:
            reply = Reply(keep=Keep())
        elif names.is_below(target.lower(), zone):
            reply = await self._inside(request, zone, target)
            if not reply.answer:
                return self._nothing(request, zone, found, codes.NOERROR)
        else:
            reply = await request.ask(request, target, asked.qtype)
        flags = codes.AA | reply.flags & codes.TC
        return _also_of(Reply(answer=(alias, *reply.answer), flags=flags, by="kubernetes", keep=reply.keep), found)

    async def _inside(self, request: Request, zone: Name, target: Name) -> Reply:
        """What a target in the same zone has; an empty reply where aliases lead nowhere or round in a circle."""
        below = request.asking(target)._replace(depth=request.depth + 1)
        found = self._zones.find(target.lower(), zone, request.question.qtype)
        if found.missing or below.depth >= MAX_ALIASES:
            return Reply()
        return await self._reply(below, zone, found)

    def _nothing(self, request: Request, zone: Name, found: Found, rcode: int) -> Reply:
        """An empty answer with the SOA. It is kept no longer than the SOA, whose serial moves on with every change."""
        qname = request.question.qname
        soa = self._zones.soa(qname[len(qname) - len(zone) :])
        keep = Keep(found.keys, request.now + min(self._chosen.ttl, MAX_NEGATIVE_TTL))
        return Reply(rcode, authority=(soa,), flags=codes.AA, by="kubernetes", keep=keep)

    def _local(self) -> tuple[Address, ...]:
        """The addresses of this server: those that it is bound to, or those of the machine that others can reach."""
        if self._args.addresses:
            return tuple(ip_address(text).packed for text in self._args.addresses)
        held = [ip_address(each.address.partition("%")[0]) for each in interfaces.addresses()]
        return tuple(address.packed for address in held if not (address.is_loopback or address.is_link_local))

    def _access(self) -> Access:
        chosen = self._chosen
        if chosen.endpoint:
            return from_endpoint(chosen.endpoint, *chosen.tls)
        if chosen.kubeconfig is not None:
            return from_kubeconfig(chosen.kubeconfig, chosen.context)
        return in_cluster(self._args.environ)


def _also_of(reply: Reply, found: Found) -> Reply:
    """The same reply, depending on what was found here too."""
    return (
        reply
        if reply.keep is None
        else reply._replace(keep=reply.keep._replace(names=(*reply.keep.names, *found.keys)))
    )


def _words(name: str) -> "Callable[[Args, Line, Settings], None]":
    def read(args: Args, line: Line, chosen: Settings) -> None:
        setattr(chosen, name, line.expect(1, len(line.words)))

    return read


def _flag(name: str) -> "Callable[[Args, Line, Settings], None]":
    def read(args: Args, line: Line, chosen: Settings) -> None:
        line.expect(0)
        setattr(chosen, name, True)

    return read


def _limit(args: Args, line: Line, chosen: Settings) -> None:
    (word,) = line.expect(1)
    try:
        number = float(word) if line.name == "apiserver_qps" else int(word)
    except ValueError:
        raise line.error(f"failed to parse {line.name}: {word}") from None
    if number < 0:
        raise line.error(f"{line.name} must be >= 0")


def _endpoint(args: Args, line: Line, chosen: Settings) -> None:
    urls = line.expect(1, len(line.words))
    if len(urls) > 1:
        args.warn("multiple endpoints have been deprecated, only the first specified endpoint is used")
    chosen.endpoint = urls[0]


def _tls(args: Args, line: Line, chosen: Settings) -> None:
    chosen.tls = tuple(args.directory / word for word in line.expect(3))


def _kubeconfig(args: Args, line: Line, chosen: Settings) -> None:
    file, *context = line.expect(1, 2)
    chosen.kubeconfig, chosen.context = args.directory / file, "".join(context)


def _selector(args: Args, line: Line, chosen: Settings) -> None:
    text = " ".join(line.expect(1, len(line.words)))
    if not is_selector(text):
        raise line.error(f"unable to parse label selector value: '{text}'")
    setattr(chosen, line.name, text)


def _pods(args: Args, line: Line, chosen: Settings) -> None:
    (chosen.pods,) = line.expect(1)
    if chosen.pods not in PODS:
        raise line.error(f"wrong value for pods: {chosen.pods}, must be one of: {', '.join(PODS)}")


def _ttl(args: Args, line: Line, chosen: Settings) -> None:
    (word,) = line.expect(1)
    try:
        chosen.ttl = int(word)
    except ValueError:
        raise line.error(f"ttl must be a number of seconds: {word}") from None
    if not 0 <= chosen.ttl <= MAX_TTL:
        raise line.error(f"ttl must be in range [0, {MAX_TTL}]: {chosen.ttl}")


def _fallthrough(args: Args, line: Line, chosen: Settings) -> None:
    chosen.fall = args.fallthrough(line)


def _ignore(args: Args, line: Line, chosen: Settings) -> None:
    if line.expect(1, len(line.words))[0] != "empty_service":
        raise line.error(f"unable to parse ignore value: '{line.args[0]}'")
    chosen.ignore_empty = True


def _startup_timeout(args: Args, line: Line, chosen: Settings) -> None:
    (word,) = line.expect(1)
    try:
        chosen.startup_timeout = duration(word)
    except ValueError as fault:
        raise line.error(f"failed to parse startup_timeout: {word}, {fault}") from None


_PROPERTIES: "dict[str, Callable[[Args, Line, Settings], None]]" = {
    "apiserver_burst": _limit, "apiserver_max_inflight": _limit, "apiserver_qps": _limit,
    "dotted_pod_names": _flag("dotted_pod_names"), "endpoint": _endpoint,
    "endpoint_pod_names": _flag("endpoint_pod_names"), "fallthrough": _fallthrough, "ignore": _ignore,
    "kubeconfig": _kubeconfig, "labels": _selector, "namespace_labels": _selector, "namespaces": _words("namespaces"),
    "noendpoints": _flag("noendpoints"), "pods": _pods, "startup_timeout": _startup_timeout, "tls": _tls, "ttl": _ttl,
    "zonal": _flag("zonal"),
}  # fmt: skip
