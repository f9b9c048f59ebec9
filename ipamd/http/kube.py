"""The Kubernetes paths: what kubectl, CoreDNS and kdns speak to.

Every kind of `kube.kinds` gets its paths here, under /api/v1 or /apis/GROUP/v1, and the verbs list, watch, get, create,
replace, patch, delete and deletecollection; what they do is in `ipamd.kube`. A write is one transaction.
"""

import platform
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from uuid import uuid4

from aiohttp import web

from ipamd import VERSION
from ipamd.errors import StatusError
from ipamd.http.kube_lists import read_list
from ipamd.http.kube_replies import refuse, send, send_list, send_object
from ipamd.http.kube_requests import (
    JSON,
    accepts_json,
    dry_run,
    read_delete_options,
    read_object,
    read_patch,
    target_of,
)
from ipamd.http.kube_watch import Watch
from ipamd.http.routes import Handler, Surface
from ipamd.json import Object
from ipamd.kube import discovery, objects, openapi, status
from ipamd.kube.allocator_metrics import AllocatorMetrics
from ipamd.kube.bootstrap import bootstrap
from ipamd.kube.cidr_upkeep import CidrUpkeep
from ipamd.kube.cluster_ips import ClusterIPs
from ipamd.kube.document import decode, text
from ipamd.kube.kinds import KINDS, NAMESPACE, POD, SERVICE, Kind
from ipamd.kube.metadata import Moment
from ipamd.kube.namespaces import terminating_namespaces
from ipamd.kube.node_cidrs import NodeCidrs
from ipamd.kube.objects import Preconditions, Target
from ipamd.kube.options import list_options
from ipamd.kube.pods import bound
from ipamd.kube.selection import Selection
from ipamd.kube.slices import SliceUpkeep
from ipamd.kube.work import Work
from ipamd.service import Service
from ipamd.stores import Stored, Tx, tried

PREFIXES = ("/api", "/version", "/openapi/v", "/livez")
# What kubectl asks for is no media type, since "@" may not stand in one; what it is sent has to be.
SWAGGER_ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
SWAGGER_SENT = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
RETURNED = (POD, SERVICE)  # what is deleted of these kinds is the reply; of the others it is a Status
GONE = (404, 409)  # how a deletion by uid is refused when there is no object of that name any more, or another one
EMPTIED_AT_ONCE = 100  # objects of a Namespace that go in one transaction


class KubernetesPaths:
    """The Kubernetes paths over the use cases of the daemon."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store
        self.cluster_ips = ClusterIPs(perf_counter)
        self.node_cidrs = NodeCidrs()
        self.metrics = AllocatorMetrics(self._store, self.cluster_ips, self.node_cidrs)

    async def start(self) -> None:
        """Make what a cluster has from the start, and finish the deletions that a crash has interrupted."""
        self._store.view(self.cluster_ips.load)
        self._store.follow(SliceUpkeep().follow)
        self._store.follow(CidrUpkeep(self._service.pools, self.cluster_ips).follow)
        await self._store.update(lambda tx: bootstrap(self._work(tx)))
        for namespace in self._store.view(terminating_namespaces):
            await self._empty(namespace)

    def surface(self) -> Surface:
        """All routes, and how a refusal is told on them."""
        routes = (*discovery_routes(), *(route for kind in KINDS for route in self._kind_routes(kind)))
        return Surface(PREFIXES, routes, refuse)

    def _kind_routes(self, kind: Kind) -> list[web.RouteDef]:
        root = f"/apis/{kind.group}/v1" if kind.group else "/api/v1"
        scoped = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
        one = f"{scoped}/{{name}}"
        routes = [
            web.get(scoped, self._verb(kind, self._list)),
            web.post(scoped, self._verb(kind, self._create)),
            web.delete(scoped, self._verb(kind, self._delete_collection)),
            web.get(one, self._verb(kind, self._get)),
            web.put(one, self._verb(kind, self._replace)),
            web.patch(one, self._verb(kind, self._patch)),
            web.delete(one, self._verb(kind, self._delete)),
        ]
        if kind.namespaced:
            routes.append(web.get(f"{root}/{kind.plural}", self._verb(kind, self._list)))
        if kind is POD:
            routes.append(web.post(f"{one}/binding", self._verb(kind, self._bind)))
        if kind.has_status:
            routes += [
                web.get(f"{one}/status", self._verb(kind, self._get, "status")),
                web.put(f"{one}/status", self._verb(kind, self._replace, "status")),
                web.patch(f"{one}/status", self._verb(kind, self._patch, "status")),
            ]
        return routes

    def _verb(
        self,
        kind: Kind,
        verb: Callable[[web.Request, Target], Awaitable[web.StreamResponse]],
        subresource: str = "",
    ) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not accepts_json(request):
                raise status.not_acceptable()
            return await verb(request, target_of(request, kind, subresource))

        return handle

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = list_options(target.kind, request.query)
        namespace = request.match_info.get("namespace")
        selection = Selection(target.kind, namespace, options.labels, options.fields)
        if options.watch:
            return await Watch(request, self._service, selection, options).run()
        bodies, metadata = await read_list(self._store, selection, options)
        return send_list(request, target.kind, bodies, metadata)

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        stored = self._store.view(lambda view: view.get(target.kind.name, target.namespace, target.name))
        if stored is None:
            raise status.not_found(target.kind, target.name)
        return send_object(request, target.kind, stored.body)

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        document = await read_object(request)
        body = await self._write(partial(objects.create, target=target, document=document), dry_run(request))
        return send_object(request, target.kind, body, 201)

    async def _replace(self, request: web.Request, target: Target) -> web.StreamResponse:
        document = await read_object(request)
        body = await self._write(partial(objects.replace, target=target, document=document), dry_run(request))
        return send_object(request, target.kind, body)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        patch = await read_patch(request, target.kind)
        body = await self._write(partial(objects.patch, target=target, apply=patch), dry_run(request))
        return send_object(request, target.kind, body)

    async def _bind(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Put a Pod on the node that a Binding names, as a scheduler asks for."""
        bind = partial(bound, target.name, await read_object(request))
        await self._write(partial(objects.patch, target=target, apply=bind), dry_run(request))
        return send({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = await read_delete_options(request)
        asked = Preconditions(options.preconditions.uid, options.preconditions.resource_version)
        is_trial = dry_run(request, options.dry_run)
        body = await self._write(partial(objects.delete, target=target, preconditions=asked), is_trial)
        if target.kind is NAMESPACE and not is_trial:
            await self._empty(target.name)
        is_there = self._store.view(lambda view: view.get(target.kind.name, target.namespace, target.name)) is not None
        if target.kind in RETURNED or (is_there and not is_trial):  # finalizers keep it
            return send_object(request, target.kind, body)
        uid = text(decode(body), "metadata", "uid")
        return send(status.deleted(target.kind, target.name, uid))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = list_options(target.kind, request.query)
        asked = await read_delete_options(request)
        is_trial = dry_run(request, asked.dry_run)
        namespace = request.match_info.get("namespace")
        selection = Selection(target.kind, namespace, options.labels, options.fields)
        bodies, metadata = await read_list(self._store, selection, options)
        for body in bodies:
            await self._delete_found(target, decode(body), is_trial)
        return send_list(request, target.kind, bodies, metadata)

    async def _delete_found(self, target: Target, document: Object, is_trial: bool) -> None:
        """Delete an object of a collection, if it is still the one that was found."""
        name, uid = text(document, "metadata", "name"), text(document, "metadata", "uid")
        change = partial(objects.delete, target=target._replace(name=name), preconditions=Preconditions(uid))
        try:
            await self._write(change, is_trial)
        except StatusError as refusal:
            if refusal.status in GONE:
                return
            raise
        if target.kind is NAMESPACE and not is_trial:
            await self._empty(name)

    async def _write(self, change: Callable[[Work], Stored], is_trial: bool) -> bytes:
        """Run a change in a transaction, and return the object as it is then, or would be if it were kept."""

        def run(tx: Tx) -> Stored:
            return change(self._work(tx))

        stored = await (tried(self._store, run) if is_trial else self._store.update(run))
        return stored.body

    async def _empty(self, namespace: str) -> None:
        """Delete what is in a Namespace and then itself, in as many transactions as it takes."""
        while not await self._store.update(lambda tx: objects.empty_some(self._work(tx), namespace, EMPTIED_AT_ONCE)):
            pass

    def _work(self, tx: Tx) -> Work:
        moment = Moment(tx.now, str(uuid4()))
        return Work(tx, self._service.pools, self._service.leases, moment, self.cluster_ips, self.node_cidrs)


def discovery_routes() -> list[web.RouteDef]:
    """What a client reads to find its way."""
    fixed: dict[str, Object] = {
        "/apis": discovery.groups(),
        "/api/v1": discovery.resources(""),
        **{f"/apis/{group}": discovery.group(group) for group in discovery.GROUPS},
        **{f"/apis/{group}/v1": discovery.resources(group) for group in discovery.GROUPS},
        "/version": discovery.version(VERSION, f"{platform.system().lower()}/{platform.machine()}"),
        "/openapi/v3": openapi.v3_index(),
        "/openapi/v3/api/v1": openapi.v3("", VERSION),
        **{f"/openapi/v3/apis/{group}/v1": openapi.v3(group, VERSION) for group in discovery.GROUPS},
    }
    routes = [web.get(path, constant(document)) for path, document in fixed.items()]
    return [*routes, web.get("/api", core_versions), web.get("/openapi/v2", swagger), web.get("/livez", alive)]


def constant(document: Object) -> Handler:
    """A handler that always sends the document."""

    async def handle(_request: web.Request) -> web.Response:
        return send(document)

    return handle


async def core_versions(request: web.Request) -> web.Response:
    """`/api`, which says where we are."""
    return send(discovery.core_versions(request.host))


async def swagger(request: web.Request) -> web.Response:
    """`/openapi/v2`: protobuf for kubectl, JSON for everybody else."""
    if SWAGGER_ASKED in request.headers.get("Accept", ""):
        body = openapi.swagger_protobuf(VERSION)
        return web.Response(body=body, headers={"Content-Type": SWAGGER_SENT})
    return web.json_response(openapi.swagger(VERSION), content_type=JSON)


async def alive(_request: web.Request) -> web.Response:
    """`/livez`."""
    return web.Response(text="ok")
