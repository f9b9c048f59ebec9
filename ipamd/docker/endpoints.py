"""The addresses of networks in a transaction: gateways, those of containers, and those kept away from them.

Strategy: an address belongs to an Endpoint, in the namespace of its PoolID. dockerd makes up a MAC address whenever a
container starts, so it only tells a request from another: an endpoint that asks for no address is named by it, one that
asks for an address by that, with the MAC address as its uid. So a container that was given an address with `--ip` gets
it back at once, and nobody else while it has it. A request that comes again gets what it got.
"""

from collections.abc import Collection

from msgspec.structs import replace

from ipamd.docker.messages import AddressRequest
from ipamd.docker.networks import Record, advanced, keep, windows
from ipamd.docker.refusals import EXHAUSTED, OUT_OF_RANGE
from ipamd.errors import DockerError, Taken
from ipamd.model import Lease, LeaseFilter, Owner, Wish
from ipamd.ranges import Address, Cidr, read_address, read_cidr
from ipamd.service import Service
from ipamd.stores import Tx, View

ENDPOINT = "Endpoint"
GATEWAY_NAME = "gateway"  # of the endpoint that is a network's gateway


def owner_of(view: View, identifier: str, request: AddressRequest, address: str) -> Owner:
    """Who is to own the address; `address` is what is asked for, or empty."""
    if request.is_for_gateway:
        return Owner(ENDPOINT, GATEWAY_NAME, identifier)
    if address:
        return Owner(ENDPOINT, address, identifier, request.mac)
    return Owner(ENDPOINT, request.mac or f"anonymous-{view.revision}", identifier)


def is_container(lease: Lease) -> bool:
    """Whether a container has the lease: gateways, and addresses kept away from containers, have no MAC address."""
    return lease.owner.name != GATEWAY_NAME and (":" in lease.owner.uid or lease.owner.name != lease.address)


def acquire(
    tx: Tx,
    service: Service,
    identifier: str,
    record: Record,
    request: AddressRequest,
    avoid: Collection[str] = (),
    is_held: bool = False,
) -> Lease:
    """The lease for a request: none of the addresses to `avoid` if it asks for none. Raises DockerError, IpamError.

    `is_held`: the address that it asks for is in use already.
    """
    address = "" if not request.address else str(address_in(record, request.address))
    owner = owner_of(tx, identifier, request, address)
    serial = record.serial or request.is_serial
    stretches = () if address else windows(record, serial, [read_address(each).value for each in avoid])
    if not (address or stretches):
        raise DockerError(EXHAUSTED)
    wish = Wish(
        pool=record.pool,
        address=address or None,
        within=stretches,
        is_held=is_held,
        description=f"Docker: {owner.name if request.is_for_gateway else request.mac or 'kept away from containers'}",
    )
    try:
        [(lease, is_new)] = service.acquire_in(tx, owner, [wish])
    except Taken:
        lease, is_new = repeated(tx, identifier, record, request, address), False
    if not is_new:
        # An earlier look at Docker may have missed it: it must not be released by what was seen then.
        return tx.put_lease(replace(lease, generation=lease.generation + 1))
    if serial and not address:
        keep(tx, identifier, advanced(record, read_address(lease.address).value))
    return lease


def repeated(tx: Tx, identifier: str, record: Record, request: AddressRequest, address: str) -> Lease:
    """The lease of a container for whom dockerd asks again, by its address alone. Raises Taken for anybody else."""
    lease = lease_at(tx, record, read_address(address))
    if lease is None or request.mac or request.is_for_gateway or lease.owner.name == GATEWAY_NAME:
        raise Taken(f"{address} is taken")
    if (lease.owner.kind, lease.owner.namespace) != (ENDPOINT, identifier):
        raise Taken(f"{address} is taken")
    return lease


def address_in(record: Record, text: str) -> Address:
    """An address of the pool. Raises DockerError, Invalid."""
    address = read_address(text)
    cidr = read_cidr(record.cidr)
    if address.family != cidr.family or not cidr.base <= address.value <= cidr.last:
        raise DockerError(OUT_OF_RANGE)
    return address


def lease_at(view: View, record: Record, address: Address) -> Lease | None:
    """The lease of an address, or None."""
    width = 32 if address.family == 4 else 128
    return view.lease_meeting(record.pool, Cidr(address.family, address.value, width))


def leases_of(view: View, identifier: str, record: Record) -> list[Lease]:
    """All leases that dockerd was given under a PoolID."""
    return [*view.leases(LeaseFilter(pool=record.pool, namespace=identifier, kind=ENDPOINT))]
