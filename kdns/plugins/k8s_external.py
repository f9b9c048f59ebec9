"""k8s_external: name the addresses at which a cluster's services are reached from outside.

Syntax:
    k8s_external [ZONES...] {
        apex LABEL                  # the label of the name server's own names; dns
        ttl SECONDS                 # 0 to 3600; 5
        headless                    # also the endpoints of headless services
        fallthrough [ZONES...]      # hand on names that are not there
    }

The cluster is that of the kubernetes plugin of the same block. Names and records are the cluster package's business;
this module looks up where load balancers with a host name lead, and turns answers to replies.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from kdns.chain import Handler, Keep, Reply, Request, no_data, repeatable
from kdns.cluster.entries import Labels
from kdns.cluster.external import Answer, ExternalZones, Outside
from kdns.cluster.external_transfer import transfer
from kdns.cluster.settings import ttl_of
from kdns.corefile import Args
from kdns.corefile.args import Fall, Line
from kdns.errors import StartError, WireError
from kdns.reach import Reach
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.records import RR

NAME = "k8s_external"


@runtime_checkable
class Cluster(Protocol):
    """A plugin that knows a cluster."""

    def outside(self) -> Outside:
        """What is to be known of it to serve its outside."""


class Settings(NamedTuple):
    """What the properties say: see the syntax."""

    apex: Labels = b"\x03dns"
    ttl: int = 5
    headless: bool = False
    fall: Fall = Fall()


@repeatable
class External:
    """The zones of one server block, from when it met the cluster."""

    def __init__(self, origins: tuple[Name, ...], chosen: Settings) -> None:
        self._origins = origins
        self._chosen = chosen
        self._zones: ExternalZones | None = None

    def meet(self, peers: Mapping[str, object]) -> None:
        """Find the cluster."""
        cluster = peers.get("kubernetes")
        if isinstance(cluster, Cluster):
            chosen = self._chosen
            self._zones = ExternalZones(cluster.outside(), self._origins, chosen.apex, chosen.ttl, chosen.headless)

    async def start(self) -> None:
        """StartError without a cluster."""
        if self._zones is None:
            raise StartError(f"plugin/{NAME}: kubernetes plugin not loaded")

    def reach(self) -> list[Reach]:
        """Its zones, of which nothing goes on that does not fall through."""
        return [Reach(self._origins, self._origins, self._chosen.fall.zones or ())]

    def transfer(self, zone: Name, serial: int | None) -> Sequence[RR] | None:
        """A zone as a whole, or its SOA if it is no newer than this serial; None of a name that is no zone here."""
        zones = self._zones
        if zones is None or zone not in self._origins:
            return None
        if serial and serial >= zones.cluster.services.serial:
            return (zones.soa(zone),)
        return tuple(transfer(zones, zone))

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from the zones, or hand on what is not in them."""
        asked = request.question
        zones = self._zones
        place = zones.holding(asked.key) if zones else None
        if zones is None or place is None or asked.is_update:
            return await rest(request)
        answer = zones.answer(asked, *place)
        if answer.lookups:
            return await _complete(request, answer)
        if answer.answer:
            keep = None if answer.keys is None else Keep(answer.keys)
            return Reply(codes.NOERROR, answer.answer, (), answer.additional, codes.AA, by=NAME, keep=keep)
        if answer.missing and not answer.own and self._chosen.fall.through(asked.key):
            return _also_of(answer, await rest(request))
        rcode = codes.NXDOMAIN if answer.missing else codes.NOERROR
        keep = None if answer.keys is None else Keep(answer.keys, request.now + zones.ttl)  # as long as its SOA
        return no_data((zones.soa(place[0]),), NAME, rcode=rcode, keep=keep)


def setup(args: Args) -> External:
    """The plugin of one server block. Of several directives the zones of the last count, and all properties."""
    chosen = Settings()
    for directive in args.directives:
        for line in directive.lines:
            chosen = _with(chosen, args, line)
    return External(args.origins(args.directives[-1].words), chosen)


def _with(chosen: Settings, args: Args, line: Line) -> Settings:
    match line.name:
        case "apex":
            return chosen._replace(apex=_apex(line))
        case "ttl":
            return chosen._replace(ttl=ttl_of(line))
        case "headless":
            return chosen._replace(headless=not line.expect(0))
        case "fallthrough":
            return chosen._replace(fall=args.fallthrough(line))
    raise line.error(f"unknown property '{line.name}'")


def _apex(line: Line) -> Labels:
    word = line.expect(1, len(line.words))[0]
    try:
        return names.parse(word)[:-1]
    except WireError as fault:
        raise line.error(f"not a label: {fault}") from None


async def _complete(request: Request, answer: Answer) -> Reply:
    """An answer with what its aliases lead to. That is not cut off for SRV's sake, where it is only additional."""
    found = [await request.ask(request, *lookup) for lookup in answer.lookups]
    more = tuple(record for reply in found for record in reply.answer)
    if request.question.qtype == codes.SRV:
        return Reply(codes.NOERROR, answer.answer, (), (*answer.additional, *more), codes.AA, by=NAME)
    cut = codes.TC if any(reply.flags & codes.TC for reply in found) else 0
    return Reply(codes.NOERROR, (*answer.answer, *more), flags=codes.AA | cut, by=NAME)


def _also_of(answer: Answer, reply: Reply) -> Reply:
    """A reply from below, as long as the name is missing here."""
    if reply.keep is None or answer.keys is None:
        return reply.keeping(None)
    return reply.keeping(reply.keep._replace(names=(*reply.keep.names, *answer.keys)))
