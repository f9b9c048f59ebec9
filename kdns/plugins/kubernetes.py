"""kubernetes: answer for the services, endpoints and pods of a cluster.

Syntax:
    kubernetes [ZONES...] {
        endpoint URL                    # the API server; only the first of several is used
        tls CERT KEY CACERT
        kubeconfig FILE [CONTEXT]       # without it and without endpoint: the cluster that this is a pod of
        apiserver_qps N                 # these three are read and have no effect, as in CoreDNS
        apiserver_burst N
        apiserver_max_inflight N
        namespaces NAMESPACE...         # only these
        namespace_labels SELECTOR       # only those with such labels
        labels SELECTOR                 # only services and endpoints with such labels
        pods disabled|insecure|verified # names of pods: none, any address, those that exist; disabled
        dotted_pod_names                # also 10.244.0.1.NAMESPACE.pod and .svc; kdns only, needs pods
        endpoint_pod_names              # an endpoint without hostname has its pod's name
        ttl SECONDS                     # 0 to 3600; 5
        noendpoints                     # do not watch endpoints
        fallthrough [ZONES...]          # hand on names that are not there
        ignore empty_service            # services without a ready endpoint are not there
        multicluster [ZONES...]         # these of the zones are a clusterset's: ServiceImports
        zonal                           # names of endpoints in a topology zone
        startup_timeout DURATION        # how long the start waits for the first lists; 5s
        snapshot FILE                   # keep what is known there, and begin with it; kdns only
    }

Names, answers and properties are the cluster package's business, watching the mirror's. This module puts the two
together, and turns answers to replies.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kdns.chain import FOREVER, Alike, Handler, Keep, Member, Plugin, Reply, Request, SearchPath, Step, nameblind
from kdns.cluster import metadata, objects, rows, search
from kdns.cluster.address import Address
from kdns.cluster.entries import IMPORT_NAME
from kdns.cluster.external import Externals, Outside
from kdns.cluster.index import Index
from kdns.cluster.names import Grammar, split
from kdns.cluster.programming import TRIGGERED, latency
from kdns.cluster.settings import Settings, read
from kdns.cluster.state import State
from kdns.cluster.transfer import transfer
from kdns.cluster.zone import MAX_NEGATIVE_TTL, SERIAL, VERIFIED, Answer, ClusterZones, Zone
from kdns.corefile import Args
from kdns.errors import NoAnswer
from kdns.reach import Reach
from kdns.transport import interfaces, resolvconf
from kdns.transport.access import Access, from_endpoint, in_cluster
from kdns.transport.keeper import Keeper
from kdns.transport.kubeconfig import from_kubeconfig
from kdns.transport.mirror import Keys, Mirror, Watch
from kdns.transport.reflector import Resource
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import RR

SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
IMPORTS = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports"
RESOLV_CONF = Path("/etc/resolv.conf")
LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"


def setup(args: Args) -> Plugin:
    """The plugin of one server block. ConfigError for properties that are wrong."""
    return Kubernetes(read(args), args)


@nameblind
class Kubernetes:
    """The zones of one cluster, and the mirror that keeps them."""

    def __init__(self, chosen: Settings, args: Args) -> None:
        self._chosen = chosen
        self._args = args
        self._local: tuple[Address, ...] = ()
        self._search: tuple[Name, ...] = ()
        self._forget: Callable[[Keys], None] = lambda keys: None
        self._serve(State(chosen))

    def _serve(self, state: State, before: Mirror | None = None) -> None:
        """Answer from what is known, and keep that: from the start, or from where another mirror is."""
        chosen, args = self._chosen, self._args
        self._state = state
        self._zones = ClusterZones(
            tuple(map(self._zone, chosen.zones)),
            state.index,
            state.namespaces,
            state.pods,
            lambda: self._local,
            chosen.pods,
            chosen.ttl,
        )
        zones = self._zones.zones
        self._alike = {
            zone.name: Alike(zone.name, partial(self._member, zone))
            for zone in zones
            if not any(names.is_below(other.name, zone.name) for other in zones if other is not zone)
        }
        keeper = Keeper(chosen.snapshot, partial(rows.made_with, chosen, state), args.log) if chosen.snapshot else None
        self._mirror = Mirror(self._watches(), self._access, args.metrics, args.log, before, keeper)
        self.run, self.close = self._mirror.run, self._mirror.close
        self.share, self.take = self._mirror.share, self._mirror.take

    def inherit(self, before: object, peers: Mapping[str, object]) -> bool:
        """Go on from what the plugin of another configuration knows, if that is what this one wants to know."""
        if not isinstance(before, Kubernetes) or before._chosen != self._chosen:
            return False
        state = before._state
        if ("metadata" in peers, "k8s_external" in peers) != (state.pods.with_labels, state.externals is not None):
            return False
        self._serve(state, before._mirror)
        self._local = before._local  # until `start` looks again
        return True

    async def start(self) -> None:
        """Wait for the first lists, as long as startup_timeout says."""
        self._local = self._addresses()
        await self._mirror.start(self._chosen.startup_timeout)

    def ready(self) -> bool:
        """Whether the first lists are complete; a snapshot is none."""
        return self._mirror.synced

    def meet(self, peers: Mapping[str, object]) -> None:
        """Remember the labels of pods, and the server's own search list, if there is somebody to tell them to."""
        self._state.pods.with_labels = "metadata" in peers
        if "autopath" in peers and RESOLV_CONF.is_file():
            self._search = resolvconf.search(RESOLV_CONF.read_text(errors="replace"))

    def reach(self) -> list[Reach]:
        """Its zones, of which nothing goes on that does not fall through."""
        return [Reach(self._chosen.zones, self._chosen.zones, self._chosen.fall.zones or ())]

    def step(self) -> Step:
        """Whatever is not in its zones it hands on."""
        return Step(self._chosen.zones)

    def outside(self) -> Outside:
        """What a plugin that serves the cluster's outside has to know; kept from when it is first asked for."""
        state = self._state
        state.externals = state.externals or Externals()
        return Outside(state.index, state.namespaces, state.externals, lambda: self._local)

    def labels(self, request: Request) -> Mapping[str, str]:
        """What is known of a query: the parts of its name, and with verified pods the one that asks."""
        place = self._zones.holding(request.question.key)
        asked = metadata.of_name(place[1], place[0].grammar) if place else {}
        return asked | metadata.of_client(self._state.pods, request.client.address)

    def transfer(self, zone: Name, serial: int | None) -> Sequence[RR] | None:
        """A zone as a whole, or its SOA if that has this serial; None of a name that is no zone here."""
        place = self._zones.holding(zone)
        if place is None or place[1]:
            return None
        if not self._mirror.synced:
            raise NoAnswer(codes.SERVFAIL, f"transfer of {names.show(zone)} before its services are known")
        if serial == place[0].services.serial:
            return (self._zones.soa(place[0], zone),)
        return tuple(transfer(self._zones, place[0]))

    def search_path(self, request: Request, by_name: bool) -> SearchPath:
        """For autopath: where the pod that asks looks for names. Empty for other zones' names and unknown pods.

        With `by_name`, a client that is no known pod is in the namespace that its query names.
        """
        place = self._zones.holding(request.question.key)
        if place is None:
            return SearchPath()
        zone, labels = place
        client = request.client.address if self._chosen.pods == VERIFIED else None
        namespaces = self._state.namespaces if by_name else None
        return SearchPath(*search.path(zone.name, labels, self._state.pods, client, namespaces, self._search))

    def follow(self, forget: Callable[[Keys], None]) -> None:
        """Tell `forget` the keys of what changes, in the same step."""
        self._forget = forget

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """Answer from the cluster, or hand on what is not in its zones."""
        asked = request.question
        place = self._zones.holding(asked.key)
        if place is None or asked.is_update:
            return (await rest(request)).apart_from(each.name for each in self._zones.zones)
        if asked.qtype in (codes.AXFR, codes.IXFR):
            raise NoAnswer(codes.REFUSED)
        zone, labels = place
        answer = self._zones.answer(asked, zone, labels)
        if answer.elsewhere is not None:
            return await self._complete(request, answer, answer.elsewhere)
        if answer.answer:
            keep = self._keep(zone, answer)
            return Reply(codes.NOERROR, answer.answer, (), answer.additional, codes.AA, by="kubernetes", keep=keep)
        if not answer.missing:
            return self._nothing(request, zone, answer, codes.NOERROR)
        if self._chosen.fall.through(asked.key):
            return _also_of(answer, await rest(request))
        if not self._mirror.knows:
            return self._nothing(request, zone, answer, codes.SERVFAIL).keeping(None)
        return self._nothing(request, zone, answer, codes.NXDOMAIN)

    async def _complete(self, request: Request, answer: Answer, target: Name) -> Reply:
        """An alias that leads to another zone: whatever that says, its records follow (RFC 1034 section 3.6.2)."""
        found = await request.ask(request, target, request.question.qtype)
        return Reply(answer=(*answer.answer, *found.answer), flags=codes.AA | found.flags & codes.TC, by="kubernetes")

    def _nothing(self, request: Request, zone: Zone, answer: Answer, rcode: int) -> Reply:
        """An empty answer. It may be sent again as long as its SOA may be kept: the serial moves on with any change."""
        qname = request.question.qname
        soa = self._zones.soa(zone, qname[len(qname) - len(zone.name) :])
        keep = self._keep(zone, answer, request.now + min(self._chosen.ttl, MAX_NEGATIVE_TTL))
        return Reply(rcode, (), (soa,), (), codes.AA, by="kubernetes", keep=keep)

    def _keep(self, zone: Zone, answer: Answer, until: float = FOREVER) -> Keep | None:
        return None if answer.keys is None else Keep(answer.keys, until, alike=self._alike.get(zone.name))

    def _member(self, zone: Zone, asked: Question) -> Member | None:
        """What a name of a zone is answered if it takes nothing but the index: the same as `__call__` answers."""
        if (labels := split(asked.key, zone.name)) is None:
            return None
        found, additional, keys, missing, elsewhere = self._zones.answer(asked, zone, labels)
        if keys is None or additional or elsewhere is not None:
            return None
        if not missing:
            return Member(len(found), found, keys)
        if self._chosen.fall.through(asked.key) or not self._mirror.knows:
            return None
        return Member("NXDOMAIN", (), keys)

    def _zone(self, name: Name) -> Zone:
        clusterset = any(names.is_below(name, each) for each in self._chosen.clustersets)
        grammar = Grammar(clusterset, self._chosen.zonal, self._chosen.dotted)
        return Zone(name, self._state.imports if clusterset else self._state.index, grammar)

    def _watches(self) -> list[Watch[Any]]:
        chosen, state, index, imports = self._chosen, self._state, self._state.index, self._state.imports
        here, there = partial(self._changed, index), partial(self._changed, imports)
        services = Resource("/api/v1/services", objects.Service, chosen.labels)
        namespaces = Resource("/api/v1/namespaces", objects.Namespace, chosen.namespace_labels)
        found: list[Watch[Any]] = [
            Watch(services, state.put_service, state.delete_service, here, rows.services(state)),
            Watch(namespaces, state.namespaces.put, state.namespaces.delete, here, rows.namespaces(state)),
        ]
        if chosen.endpoints:
            slices = Resource(SLICES, objects.EndpointSlice, chosen.labels)
            found.append(Watch(slices, self._put_slice, index.delete_slice, here, rows.slices(index)))
        if chosen.pods == VERIFIED:
            pods = Resource("/api/v1/pods", objects.Pod, chosen.labels, LIVE_PODS)
            found.append(Watch(pods, state.pods.put, state.pods.delete, here, rows.pods(state)))
        if chosen.clustersets:
            imported = Resource(IMPORTS, objects.ServiceImport)
            selector = ",".join(filter(None, (chosen.labels, IMPORT_NAME)))
            slices = Resource(SLICES, objects.EndpointSlice, selector)
            found.append(Watch(imported, imports.put_import, imports.delete_service, there, rows.imports(imports)))
            found.append(Watch(slices, imports.put_slice, imports.delete_slice, there, rows.slices(imports)))
        return found

    def _changed(self, index: Index, keys: Keys) -> None:
        index.serial = int(time.time())
        self._forget((*keys, SERIAL))

    def _put_slice(self, slice_: objects.EndpointSlice) -> Keys:
        index = self._state.index
        changed = index.put_slice(slice_)
        durations = self._args.metrics.histogram("kubernetes_dns_programming_duration_seconds")
        try:
            took = latency(index, slice_, time.time())
        except ValueError:
            where = f"'{slice_.metadata.namespace}/{slice_.metadata.name}'; invalid '{TRIGGERED}' annotation"
            self._args.warn(f"DnsProgrammingLatency cannot be calculated for Endpoints {where}")
            return changed
        if took is not None:
            durations.observe((took.kind,), took.seconds)
        return changed

    def _addresses(self) -> tuple[Address, ...]:
        """This server's addresses: those that it is bound to, or the interfaces', without loopback."""
        try:
            return interfaces.outward(self._args.addresses)
        except OSError as fault:
            self._args.warn(f"no addresses for {names.show(self._zones.primary)} NS: {fault}")
            return ()

    def _access(self) -> Access:
        chosen = self._chosen
        if chosen.kubeconfig is not None:
            return from_kubeconfig(*chosen.kubeconfig)
        return from_endpoint(chosen.endpoint, *chosen.tls) if chosen.endpoint else in_cluster(self._args.environ)


def _also_of(answer: Answer, reply: Reply) -> Reply:
    """A reply from below, as long as the name is missing here."""
    if reply.keep is None or answer.keys is None:
        return reply.keeping(None)
    return reply.keeping(reply.keep._replace(names=(*reply.keep.names, *answer.keys), alike=None))
