"""A cluster without HTTP, for tests: objects on a real store, with their EndpointSlices kept."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from ipamd.json import Object
from ipamd.kube import objects
from ipamd.kube.bootstrap import bootstrap
from ipamd.kube.cidr_upkeep import CidrUpkeep
from ipamd.kube.cluster_ips import ClusterIPs
from ipamd.kube.kinds import BY_NAME
from ipamd.kube.metadata import Moment
from ipamd.kube.node_cidrs import NodeCidrs
from ipamd.kube.objects import Preconditions, Target
from ipamd.kube.slices import SliceUpkeep
from ipamd.kube.work import Work
from ipamd.model import LeaseFilter
from ipamd.patch import merge
from ipamd.service import Service
from ipamd.stores import Tx

T = TypeVar("T")


class Cluster:
    """What tests do to objects. Objects come back decoded, as `Any`, for tests look deep into them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = service.store
        self.random = Random(7)
        self.upkeep = SliceUpkeep()
        self.cluster_ips = ClusterIPs(lambda: 0.0)
        self.node_cidrs = NodeCidrs()
        self.store.view(self.cluster_ips.load)
        self.store.follow(self.upkeep.follow)
        self.store.follow(CidrUpkeep(service.pools, self.cluster_ips).follow)

    def work(self, tx: Tx) -> Work:
        """The transaction as the rules want it."""
        uid = str(UUID(int=self.random.getrandbits(128), version=4))
        moment = Moment(tx.now, uid)
        return Work(tx, self.service.pools, self.service.leases, moment, self.cluster_ips, self.node_cidrs)

    async def do(self, act: Callable[[Work], T]) -> T:
        """Runs something in a transaction."""
        return await self.store.update(lambda tx: act(self.work(tx)))

    async def start(self) -> None:
        """Makes what is there from the start."""
        await self.do(bootstrap)

    async def create(self, kind: str, name: str, namespace: str = "default", /, **members: Any) -> Any:
        """Creates an object; `metadata` is merged with its name."""
        target = self.target(kind, name, namespace)
        document: Object = {**members, "metadata": {"name": name, **members.get("metadata", {})}}
        return decoded(await self.do(partial(objects.create, target=target, document=document)))

    async def replace(self, kind: str, name: str, document: Object, namespace: str = "default", path: str = "") -> Any:
        """Replaces an object, or with the path "status" its status."""
        target = self.target(kind, name, namespace)._replace(subresource=path)
        return decoded(await self.do(partial(objects.replace, target=target, document=document)))

    async def patch(self, kind: str, name: str, patch: Object, namespace: str = "default", path: str = "") -> Any:
        """Merges a patch into an object, or with the path "status" into its status."""
        target = self.target(kind, name, namespace)._replace(subresource=path)
        return decoded(await self.do(partial(objects.patch, target=target, apply=partial(merge, patch=patch))))

    async def delete(self, kind: str, name: str, namespace: str = "default", **asked: str) -> Any:
        """Deletes an object."""
        target = self.target(kind, name, namespace)
        act = partial(objects.delete, target=target, preconditions=Preconditions(**asked))
        return decoded(await self.do(act))

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        """An object; None if there is none."""
        target = self.target(kind, name, namespace)
        stored = self.store.view(lambda view: view.get(kind, target.namespace, name))
        return None if stored is None else decoded(stored)

    def all(self, kind: str, namespace: str | None = None) -> list[Any]:
        """All objects of a kind."""
        return [decoded(stored) for stored in self.store.view(lambda view: view.list(kind, namespace))]

    def addresses(self, pool: str) -> list[str]:
        """What is leased of a pool."""
        return [str(lease) for lease in self.service.list_leases(LeaseFilter(pool=pool), 0, 1000)]

    def target(self, kind: str, name: str, namespace: str) -> Target:
        """Where an object is."""
        row = BY_NAME[kind]
        return Target(row, namespace if row.namespaced else "", name)


def decoded(stored: Any) -> Any:
    """The document of a stored object."""
    return msgspec.json.decode(stored.body)
