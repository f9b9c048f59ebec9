"""What the driver does for each call of dockerd.

Strategy: one method a call, each a transaction that is durable before dockerd is answered; whatever is refused becomes
a document with the member `Error`. dockerd keeps what it was given itself and asks for no replay, so a PoolID is given
once and a call that cannot be meant is refused; to release what is free already is no error.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from ipamd.docker import endpoints, names, networks
from ipamd.docker.adopting import Unknown
from ipamd.docker.messages import (
    ADDRESS_SPACES,
    CAPABILITIES,
    IMPLEMENTS,
    AddressRelease,
    AddressRequest,
    PoolRelease,
    PoolRequest,
    read,
)
from ipamd.docker.networks import Networks, Predefined
from ipamd.docker.refusals import refusal
from ipamd.errors import DockerError, IpamError
from ipamd.json import Object
from ipamd.leases import RELEASED
from ipamd.model import Lease
from ipamd.ranges import read_cidr
from ipamd.service import Service
from ipamd.stores import Tx

Call = Callable[[bytes], Awaitable[Object]]


class Driver:
    """The calls, over one service. `predefined`: see Networks.

    `doubted` are addresses, by PoolID, that Docker shows and nobody has leased: they are given to nobody by chance.
    """

    doubted: Mapping[str, frozenset[str]]

    def __init__(self, service: Service, predefined: Sequence[Predefined]) -> None:
        self._service = service
        self.networks = Networks(service.pools, predefined)
        self.doubted = {}
        self._calls: Mapping[str, Call] = {
            "Plugin.Activate": constant(IMPLEMENTS),
            "IpamDriver.GetCapabilities": constant(CAPABILITIES),
            "IpamDriver.GetDefaultAddressSpaces": constant(ADDRESS_SPACES),
            "IpamDriver.RequestPool": self._request_pool,
            "IpamDriver.ReleasePool": self._release_pool,
            "IpamDriver.RequestAddress": self._request_address,
            "IpamDriver.ReleaseAddress": self._release_address,
        }

    async def answer(self, method: str, body: bytes) -> Object:
        """Carry out a call, and return what dockerd is answered."""
        call = self._calls.get(method)
        try:
            if call is None:
                raise DockerError(f"ipamd has no method {method}")
            return await call(body)
        except DockerError as error:
            return {"Error": str(error)}
        except IpamError as error:
            return {"Error": str(refusal(error))}

    async def _request_pool(self, body: bytes) -> Object:
        request = read(body, PoolRequest)
        identifier, cidr = await self._service.store.update(partial(self.networks.request, request=request))
        return {"PoolID": identifier, "Pool": str(cidr), "Data": {}}

    async def _release_pool(self, body: bytes) -> Object:
        identifier = read(body, PoolRelease).pool_id or ""
        await self._service.store.update(partial(self.forget_network, identifier=identifier))
        return {}

    async def _request_address(self, body: bytes) -> Object:
        request = read(body, AddressRequest)
        return {"Address": await self._service.store.update(partial(self._acquire, request=request)), "Data": {}}

    async def _release_address(self, body: bytes) -> Object:
        request = read(body, AddressRelease)
        await self._service.store.update(partial(self._give_back, request=request))
        return {}

    def adopt(self, tx: Tx, unknown: Unknown, pool: PoolRequest) -> None:
        """Have something of Docker's as if that had asked for it. Raises DockerError, IpamError."""
        if unknown.is_network:
            self.networks.request(tx, pool)
        else:
            self._acquire(tx, unknown.request, is_held=True)

    def _acquire(self, tx: Tx, request: AddressRequest, is_held: bool = False) -> str:
        identifier = request.pool_id or ""
        record = networks.find(tx, identifier)
        doubted = self.doubted.get(identifier, frozenset())
        lease = endpoints.acquire(tx, self._service, identifier, record, request, doubted, is_held)
        return f"{lease.address}/{read_cidr(record.cidr).length}"

    def _give_back(self, tx: Tx, request: AddressRelease) -> None:
        identifier = request.pool_id or ""
        record = networks.find(tx, identifier)
        lease = endpoints.lease_at(tx, record, endpoints.address_in(record, request.address or ""))
        if lease is not None and (lease.owner.kind, lease.owner.namespace) == (endpoints.ENDPOINT, identifier):
            self.release(tx, lease)

    def release(self, tx: Tx, lease: Lease, reason: str = RELEASED) -> None:
        """Release the lease of an endpoint, for that reason, and have no name lead to it any more."""
        names.forget(tx, lease)
        self._service.leases.release(tx, lease, reason, cools=endpoints.is_container(lease))

    def forget_network(self, tx: Tx, identifier: str, reason: str = RELEASED) -> None:
        """Take a network away with all that it still has. Raises DockerError if there is none."""
        for lease in endpoints.leases_of(tx, identifier, networks.find(tx, identifier)):
            self.release(tx, lease, reason)
        self.networks.forget(tx, identifier)


def constant(document: Object) -> Call:
    """A call that is always answered so."""

    async def call(_body: bytes) -> Object:
        return document

    return call
