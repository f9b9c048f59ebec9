"""What Docker has and ipamd does not know of is taken over.

That comes of a store that was lost or put back from an old copy, and of a release by hand of what a container uses.

Strategy: a network with all of its addresses is compared with what is leased under its PoolID. What is missing there is
kept away from others at once, and asked for as dockerd would have asked once it is certain, one thing a transaction, so
that what cannot be had holds up nothing else. Docker does not always tell the gateway; it is taken last then, and gets
what a new network would: the first address that is left.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ipamd.docker.endpoints import GATEWAY_NAME
from ipamd.docker.messages import GATEWAY, GLOBAL, MAC, REQUEST_TYPE, AddressRequest, PoolRequest
from ipamd.model import Lease


class Seen(NamedTuple):
    """A pool of a network, as Docker shows it: what it was asked for with, and what has addresses in it.

    `containers` are the MAC addresses by the IP addresses, `kept` those kept away from containers, `gateway` is empty
    if that is not told.
    """

    request: PoolRequest
    is_ours: bool = True
    gateway: str = ""
    kept: tuple[str, ...] = ()
    containers: Mapping[str, str] = {}


class Unknown(NamedTuple):
    """Something that Docker has: of a PoolID the pool itself (neither address nor gateway), or a request for it."""

    identifier: str
    address: str = ""
    mac: str = ""
    is_gateway: bool = False

    @property
    def is_network(self) -> bool:
        """Whether it is the pool itself."""
        return not (self.address or self.is_gateway)

    @property
    def request(self) -> AddressRequest:
        """As dockerd would ask for it."""
        if self.is_gateway:
            return AddressRequest(self.identifier, self.address, {REQUEST_TYPE: GATEWAY})
        return AddressRequest(self.identifier, self.address, {MAC: self.mac} if self.mac else None)

    def __str__(self) -> str:
        what = self.address or ("its gateway" if self.is_gateway else "the network")
        return f"{what} of {self.identifier}"


def unknown_in(identifier: str, seen: Seen, held: Collection[Lease] | None) -> Iterator[Unknown]:
    """What of a pool that Docker shows is not among the leases under its PoolID; `held`: None if that is not known."""
    if not seen.is_ours or identifier.startswith(f"{GLOBAL}/"):
        return
    if held is None:
        yield Unknown(identifier)
    leased = {lease.address for lease in held or ()}
    for address, mac in (*seen.containers.items(), *((each, "") for each in seen.kept)):
        if address not in leased:
            yield Unknown(identifier, address, mac)
    if GATEWAY_NAME not in {lease.owner.name for lease in held or ()}:
        yield Unknown(identifier, seen.gateway, is_gateway=True)


def doubted(unknown: Iterable[Unknown]) -> dict[str, frozenset[str]]:
    """The addresses among what is unknown, by PoolID."""
    found: dict[str, set[str]] = {}
    for each in unknown:
        if each.address:
            found.setdefault(each.identifier, set()).add(each.address)
    return {identifier: frozenset(addresses) for identifier, addresses in found.items()}
