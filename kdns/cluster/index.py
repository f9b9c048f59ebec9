"""Services and endpoints as DNS sees them, kept up to date event by event.

Each `put_...` and `delete_...` replaces what one object says and returns the keys of what may be answered differently
now; a put that changes nothing for DNS returns none. What a service publishes is made anew when it is next asked for,
so that an event costs what its object has and a service in motion is not made ready for nobody. Keys are what a reply
names in `keep.names`:

    a service      its name's and namespace's label as in a question: b"\\x03web\\x07default"
    an address     its record without the owner (for reverse names)

A question for what is not there depends on the same keys, so its answer too ends when the thing appears. Where several
objects share an answer they come in the order of their names: an index has the same answers however it came about.
"""

from collections.abc import Iterable
from typing import TypeVar

from kdns.cluster.entries import (
    Form,
    Label,
    Labels,
    ServiceEntry,
    SliceEntry,
    Tail,
    import_entry,
    service_entry,
    service_key,
    slice_entry,
)
from kdns.cluster.names import Asked
from kdns.cluster.objects import EndpointSlice, Service, ServiceImport
from kdns.cluster.publish import Found, Host, Key, Published, hosts, publish, select

Changed = tuple[Key, ...]
Where = tuple[str, str]  # namespace and name
T = TypeVar("T")

UNCHANGED: Changed = ()


def namespace_of(service: Labels) -> Label:
    """The namespace's label of a service's key."""
    return service[1 + service[0] :]


class Index:
    """The services of a cluster or clusterset. `serial` is the Unix time of the last change that alters answers."""

    def __init__(self, form: Form, *, ignore_empty: bool = False) -> None:
        self.form = form
        self.serial = 0
        self._ignore_empty = ignore_empty
        self._services: dict[Labels, ServiceEntry] = {}
        self._slices: dict[Where, SliceEntry] = {}
        self._slices_of: dict[Labels, tuple[Where, ...]] = {}
        self._services_at: dict[Tail, tuple[Labels, ...]] = {}
        self._slices_at: dict[Tail, tuple[Where, ...]] = {}
        self._published: dict[Labels, Published] = {}

    def find(self, asked: Asked) -> Found:
        """What the name of a service, or one below it, has."""
        key = asked.name + asked.namespace
        service = self._published.get(key) or self._publish(key)
        if service is None:
            return Found((key, asked.namespace), missing=True)
        return select(service, asked)

    def hosts(self, asked: Asked) -> tuple[Host, ...]:
        """The addresses and ports of what was asked for, for SRV."""
        key = asked.name + asked.namespace
        service = self._published.get(key) or self._publish(key)
        return hosts(service, asked) if service is not None else ()

    def entry(self, service: Labels) -> ServiceEntry | None:
        """A service by its key."""
        return self._services.get(service)

    def services(self) -> list[Labels]:
        """The keys of all services, by name and namespace."""
        return sorted(self._services, key=lambda service: (service[1 : 1 + service[0]], namespace_of(service)[1:]))

    def slices_of(self, service: Labels) -> list[SliceEntry]:
        """The slices of a service, by name."""
        return [self._slices[where] for where in self._slices_of.get(service, ())]

    def services_at(self, tail: Tail) -> list[Labels]:
        """The keys of the services that have this cluster IP, sorted."""
        return sorted(self._services_at.get(tail, ()))

    def slices_at(self, tail: Tail) -> list[SliceEntry]:
        """The slices that have this address, by name."""
        return [self._slices[where] for where in sorted(self._slices_at.get(tail, ()))]

    def put_service(self, service: Service) -> Changed:
        """A Service is new or differs. WireError for a name that cannot be one; then nothing changes."""
        meta = service.metadata
        return self._replace_service(service_key(meta.namespace, meta.name), service_entry(service, self.form))

    def put_import(self, imported: ServiceImport) -> Changed:
        """A ServiceImport is new or differs. WireError for a name that cannot be one; then nothing changes."""
        meta = imported.metadata
        return self._replace_service(service_key(meta.namespace, meta.name), import_entry(imported, self.form))

    def delete_service(self, namespace: str, name: str) -> Changed:
        """A Service or ServiceImport is gone."""
        return self._replace_service(service_key(namespace, name), None)

    def put_slice(self, slice_: EndpointSlice) -> Changed:
        """An EndpointSlice is new or differs, perhaps in the service that it belongs to.

        WireError for a name that cannot be one; then nothing changes.
        """
        meta = slice_.metadata
        return self._replace_slice((meta.namespace or "", meta.name), slice_entry(slice_, self.form))

    def delete_slice(self, namespace: str, name: str) -> Changed:
        """An EndpointSlice is gone."""
        return self._replace_slice((namespace, name), None)

    def slice(self, namespace: str, name: str) -> SliceEntry | None:
        """What is kept of an EndpointSlice."""
        return self._slices.get((namespace, name))

    def restore(self, service: Labels, entry: ServiceEntry) -> Changed:
        """What was kept of a Service or ServiceImport is known again."""
        return self._replace_service(service, entry)

    def restore_slice(self, namespace: str, name: str, entry: SliceEntry) -> Changed:
        """What was kept of an EndpointSlice is known again."""
        return self._replace_slice((namespace, name), entry)

    def _publish(self, key: Labels) -> Published | None:
        entry = self._services.get(key)
        if entry is None:
            return None
        keys = key, namespace_of(key)
        service = publish(entry, self.slices_of(key), keys, ignore_empty=self._ignore_empty)
        self._published[key] = service
        return service

    def _replace_service(self, key: Labels, entry: ServiceEntry | None) -> Changed:
        before = self._services.pop(key, None)
        if entry is not None:
            self._services[key] = entry
        if entry == before:
            return UNCHANGED
        self._published.pop(key, None)
        old = before.tails if before else ()
        new = entry.tails if entry else ()
        _release(self._services_at, set(old).difference(new), key)
        _hold(self._services_at, set(new).difference(old), key)
        return (key, *set(old).symmetric_difference(new))

    def _replace_slice(self, where: Where, entry: SliceEntry | None) -> Changed:
        before = self._slices.pop(where, None)
        if entry is not None:
            self._slices[where] = entry
        if entry == before:
            return UNCHANGED
        owners = {each.service for each in (before, entry) if each}
        for owner in owners:
            self._published.pop(owner, None)
            present = [other for other in self._slices_of.pop(owner, ()) if other != where]
            if entry is not None and entry.service == owner:
                present.append(where)
            if present:
                self._slices_of[owner] = tuple(sorted(present))
        old, new = _named(before), _named(entry)
        _release(self._slices_at, old.keys() - new.keys(), where)
        _hold(self._slices_at, new.keys() - old.keys(), where)
        renamed = [tail for tail in old.keys() | new.keys() if len(owners) > 1 or old.get(tail) != new.get(tail)]
        return (*owners, *renamed)


def _hold(holders: dict[Tail, tuple[T, ...]], tails: Iterable[Tail], holder: T) -> None:
    alone = (holder,)  # one tuple for all: most addresses have one holder, and there are many
    for tail in tails:
        others = holders.get(tail)
        holders[tail] = alone if others is None else (*others, holder)


def _release(holders: dict[Tail, tuple[T, ...]], tails: Iterable[Tail], holder: T) -> None:
    for tail in tails:
        others = tuple(other for other in holders.pop(tail) if other != holder)
        if others:
            holders[tail] = others


def _named(entry: SliceEntry | None) -> dict[Tail, list[Labels]]:
    found: dict[Tail, list[Labels]] = {}
    for name, tail in zip(entry.names, entry.tails, strict=True) if entry else ():
        found.setdefault(tail, []).append(name)
    return found
