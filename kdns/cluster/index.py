"""The cluster as DNS sees it, kept up to date event by event.

Each `put_...` and `delete_...` replaces what one object says and returns the keys of the answers that may be different
now; a put that changes nothing for DNS returns none. Keys are what a reply names in `keep.names`:

    a service      its key, name and namespace labels as in a question: b"\\x03web\\x07default"
    a namespace    its label: b"\\x07default"
    an address     b"\\x00" and the packed address (of reverse names, and of verified pods)

A question for something that is not there depends on the same keys, so its answer too ends when the thing appears.
"""

from collections.abc import Iterator

from kdns.cluster.entries import (
    Address,
    Label,
    Member,
    PodEntry,
    ServiceEntry,
    SliceEntry,
    label,
    pod_entry,
    service_entry,
    service_key,
    slice_entry,
)
from kdns.cluster.objects import EndpointSlice, Namespace, Pod, Service

Key = bytes
Changed = tuple[Key, ...]
Holders = dict[Address, tuple[bytes, ...]]

UNCHANGED: Changed = ()


def address_key(address: Address) -> Key:
    """The key of answers about an address."""
    return b"\0" + address


class Index:
    """Services, endpoints, namespaces and pods. `serial` is the Unix time of the last change that alters answers."""

    def __init__(self, *, pod_names: bool = False, serial: int = 0) -> None:
        self.services: dict[bytes, ServiceEntry] = {}
        self.namespaces: set[Label] = set()
        self.serial = serial
        self._pod_names = pod_names
        self._slices: dict[bytes, dict[str, SliceEntry]] = {}  # by service, by slice name
        self._slice_owner: dict[tuple[str, str], bytes] = {}
        self._pods: dict[tuple[str, str], PodEntry] = {}
        self._services_at: Holders = {}
        self._endpoints_at: Holders = {}
        self._pods_at: Holders = {}

    def slices(self, service: bytes) -> list[SliceEntry]:
        """The slices of a service, by name."""
        found = self._slices.get(service)
        return [found[name] for name in sorted(found)] if found else []

    def members(self, service: bytes) -> Iterator[Member]:
        """Every ready address of a service."""
        for entry in self.slices(service):
            yield from entry.members

    def services_at(self, address: Address) -> tuple[bytes, ...]:
        """The services that have this address as a cluster IP."""
        return self._services_at.get(address, ())

    def endpoints_at(self, address: Address) -> tuple[bytes, ...]:
        """The services that have an endpoint with this address."""
        return self._endpoints_at.get(address, ())

    def has_pod(self, namespace: Label, address: Address) -> bool:
        """Whether a pod of the namespace has this address."""
        return namespace in self._pods_at.get(address, ())

    def put_service(self, service: Service) -> Changed:
        """A Service is new or differs."""
        key = service_key(service.metadata.namespace, service.metadata.name)
        return self._replace_service(key, service_entry(service))

    def delete_service(self, namespace: str, name: str) -> Changed:
        """A Service is gone."""
        return self._replace_service(service_key(namespace, name), None)

    def put_slice(self, slice_: EndpointSlice) -> Changed:
        """An EndpointSlice is new or differs, perhaps in the service that it belongs to."""
        where = slice_.metadata.namespace, slice_.metadata.name
        entry = slice_entry(slice_, pod_names=self._pod_names)
        owner = self._slice_owner.get(where)
        before = self._slices[owner].get(where[1]) if owner is not None else None
        if entry == before:
            return UNCHANGED
        changed = self.delete_slice(*where)
        if entry is None:
            return changed
        self._slice_owner[where] = entry.service
        self._slices.setdefault(entry.service, {})[where[1]] = entry
        for member in entry.members:
            _hold(self._endpoints_at, member.address, entry.service)
        return (*changed, *_slice_keys(entry))

    def delete_slice(self, namespace: str, name: str) -> Changed:
        """An EndpointSlice is gone."""
        owner = self._slice_owner.pop((namespace, name), None)
        if owner is None:
            return UNCHANGED
        entry = self._slices[owner].pop(name)
        still = {member.address for member in self.members(owner)}
        for member in entry.members:
            if member.address not in still:
                _release(self._endpoints_at, member.address, owner)
        if not self._slices[owner]:
            del self._slices[owner]
        return _slice_keys(entry)

    def put_namespace(self, namespace: Namespace) -> Changed:
        """A Namespace is there."""
        name = label(namespace.metadata.name)
        if name in self.namespaces:
            return UNCHANGED
        self.namespaces.add(name)
        return (name,)

    def delete_namespace(self, name: str) -> Changed:
        """A Namespace is gone."""
        self.namespaces.discard(label(name))
        return (label(name),)

    def put_pod(self, pod: Pod) -> Changed:
        """A Pod is new or differs."""
        return self._replace_pod((pod.metadata.namespace, pod.metadata.name), pod_entry(pod))

    def delete_pod(self, namespace: str, name: str) -> Changed:
        """A Pod is gone."""
        return self._replace_pod((namespace, name), None)

    def _replace_service(self, key: bytes, entry: ServiceEntry | None) -> Changed:
        before = self.services.get(key)
        if entry == before:
            return UNCHANGED
        for address in before.addresses if before else ():
            _release(self._services_at, address, key)
        if entry is None:
            del self.services[key]
        else:
            self.services[key] = entry
        for address in entry.addresses if entry else ():
            _hold(self._services_at, address, key)
        touched = {address for each in (before, entry) if each for address in each.addresses}
        return (key, *map(address_key, touched))

    def _replace_pod(self, where: tuple[str, str], entry: PodEntry | None) -> Changed:
        before = self._pods.pop(where, None)
        if entry is not None:
            self._pods[where] = entry
        if entry == before:
            return UNCHANGED
        if before is not None:
            _leave(self._pods_at, before.address, before.namespace)
        if entry is not None:
            self._pods_at[entry.address] = (*self._pods_at.get(entry.address, ()), entry.namespace)
        return tuple(address_key(each.address) for each in (before, entry) if each)


def _slice_keys(entry: SliceEntry) -> Changed:
    return (entry.service, *(address_key(member.address) for member in entry.members))


def _hold(holders: Holders, address: Address, key: bytes) -> None:
    held = holders.get(address, ())
    if key not in held:
        holders[address] = tuple(sorted((*held, key)))  # which of several is first must not depend on the past


def _release(holders: Holders, address: Address, key: bytes) -> None:
    held = tuple(other for other in holders.get(address, ()) if other != key)
    if held:
        holders[address] = held
    else:
        holders.pop(address, None)


def _leave(holders: Holders, address: Address, key: bytes) -> None:
    """Take one of several equal holders away: host-network pods of a node share its address."""
    held = list(holders[address])
    held.remove(key)
    if held:
        holders[address] = tuple(held)
    else:
        del holders[address]
