"""Keeps EndpointSlices in step with Services and Pods, in the transaction that changes them.

A follower of the store: it sees every change of an object before it is committed. A Pod's change concerns the Services
of its namespace whose selector matches its old or its new labels. Those are found through an index of one pair of
every selector, so that neither the Pods nor the other Services are read; the index is derived from the store, and
dropped for a namespace when a Service there changes, when the namespace goes, or when what it was derived from is taken
back.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import NAMESPACE_OID, uuid5

import msgspec

from ipamd.endpoints import (
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    Wanted,
    endpoints_of,
    is_managed,
    name_prefix,
    reconcile,
    selects,
)
from ipamd.json import Object
from ipamd.kube.kinds import ENDPOINT_SLICE, NAMESPACE, POD, SERVICE
from ipamd.kube.metadata import Moment
from ipamd.kube.shapes import EndpointSlice, Pod, Service
from ipamd.stores import Change, Stored, Tx, View

PAGE = 200  # slices read at once
KEPT = 256  # decoded slices, of up to 100 endpoints each
Index = dict[tuple[str, str], list[Service]]  # by the first pair of the selector


class Labelled(msgspec.Struct, frozen=True):
    """What decides which Services a Pod concerns, to be decoded of every Pod; the rest is only of those that do."""

    labels: dict[str, str] = {}


class PodLabels(msgspec.Struct, frozen=True):
    """A Pod as far as its labels."""

    metadata: Labelled = Labelled()


LABELS = msgspec.json.Decoder(PodLabels)


class DecodedSlices:
    """The slices read last, decoded: one Pod of a large Service changes one slice, and the others are only looked at.

    A slice is known by its revision; as a revision that is rolled back is given again, a rollback has to clear this.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[int, EndpointSlice]] = {}

    def slice_of(self, stored: Stored) -> EndpointSlice:
        """A stored slice, decoded."""
        key = stored.namespace, stored.name
        revision, found = self._kept.get(key, (0, None))
        if found is None or revision != stored.revision:
            self._kept.pop(key, None)
            found = msgspec.json.decode(stored.body, type=EndpointSlice)
            self._kept[key] = stored.revision, found
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


class SliceUpkeep:
    """Makes and changes the EndpointSlices of all Services that have a selector."""

    def __init__(self) -> None:
        self._index: dict[str, Index] = {}
        self._decoded = DecodedSlices()
        self._is_writing = False

    @property
    def namespaces(self) -> set[str]:
        """The namespaces of which something is remembered: all of them are there."""
        return {*self._index}

    def follow(self, tx: Tx, change: Change) -> None:
        """Do what a change of a Pod, a Service or one of our own slices asks for."""
        if change.kind == POD.name:
            self._pod_changed(tx, change)
        elif change.kind == SERVICE.name:
            self._forget_index(tx, change.namespace)
            self._service_changed(tx, change)
        elif change.kind == ENDPOINT_SLICE.name and not self._is_writing:
            self._slice_changed(tx, change)
        elif change.kind == NAMESPACE.name and change.op == "DELETED":
            self._drop(change.name)

    def _pod_changed(self, tx: Tx, change: Change) -> None:
        before_and_after = change.previous, change.body if change.op != "DELETED" else None
        concerned = self._concerned(tx, change.namespace, before_and_after)
        if not concerned:
            return
        old, new = (msgspec.json.decode(body, type=Pod) if body else None for body in before_and_after)
        for service in concerned:
            before = endpoints_of(service, old) if old and selects(service, old.metadata.labels) else []
            after = endpoints_of(service, new) if new and selects(service, new.metadata.labels) else []
            if before != after:
                self._write(tx, service, {change.name: after}, only=change.name)

    def _service_changed(self, tx: Tx, change: Change) -> None:
        service = msgspec.json.decode(change.body, type=Service)
        if change.op == "DELETED" or service.spec.type == "ExternalName":
            self._delete_slices(tx, service)
        elif is_managed(service):
            self._write(tx, service, wanted_by(tx, service))

    def _slice_changed(self, tx: Tx, change: Change) -> None:
        """Put right what a client has done to a slice of ours."""
        touched = msgspec.json.decode(change.previous or change.body, type=EndpointSlice)
        stored = tx.get(SERVICE.name, change.namespace, touched.metadata.labels.get(SERVICE_NAME, ""))
        if stored is None or not is_ours(touched):
            return
        service = msgspec.json.decode(stored.body, type=Service)
        if is_managed(service):
            self._write(tx, service, wanted_by(tx, service))

    def _concerned(self, tx: Tx, namespace: str, pods: Iterable[bytes | None]) -> list[Service]:
        """The Services that may select one of the states of a Pod, each once."""
        index = self._index.get(namespace)
        if index is None:
            index = self._index[namespace] = index_of(tx, namespace)
            tx.on_rollback(lambda: self._drop(namespace))
        if not index:
            return []
        shown = [LABELS.decode(pod).metadata.labels for pod in pods if pod]
        pairs = {pair for labels in shown for pair in labels.items()}
        return [service for pair in sorted(pairs) for service in index.get(pair, ())]

    def _forget_index(self, tx: Tx, namespace: str) -> None:
        self._drop(namespace)
        tx.on_rollback(lambda: self._drop(namespace))

    def _drop(self, namespace: str) -> None:
        self._index.pop(namespace, None)

    def _write(self, tx: Tx, service: Service, wanted: Wanted, only: str = "") -> None:
        namespace = service.metadata.namespace
        tx.on_rollback(self._decoded.clear)
        present = [*slices_near(tx, service, self._decoded)]
        ours = [found for found in present if is_ours(found) and belongs_to(found, service)]
        taken = [found.metadata.name for found in present]
        changes = reconcile(service, ours, taken, wanted, Moment(tx.now, "").precise_time, only=only)
        with self._writing():
            for found in changes.put:
                tx.put(ENDPOINT_SLICE.name, namespace, found.metadata.name, to_document(found, service, tx.now))
            for name in changes.delete:
                tx.delete(ENDPOINT_SLICE.name, namespace, name)

    def _delete_slices(self, tx: Tx, service: Service) -> None:
        ours = [
            found for found in slices_near(tx, service, self._decoded) if is_ours(found) and belongs_to(found, service)
        ]
        with self._writing():
            for found in ours:
                tx.delete(ENDPOINT_SLICE.name, service.metadata.namespace, found.metadata.name)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """While it lasts, changes of slices are our own."""
        self._is_writing = True
        try:
            yield
        finally:
            self._is_writing = False


def index_of(tx: Tx, namespace: str) -> Index:
    """The Services of a namespace that have endpoints we keep, by one pair of their selector."""
    index: Index = {}
    for stored in tx.list(SERVICE.name, namespace):
        service = msgspec.json.decode(stored.body, type=Service)
        if is_managed(service):
            index.setdefault(min(service.spec.selector.items()), []).append(service)
    return index


def wanted_by(view: View, service: Service) -> Wanted:
    """The endpoints of a Service, from all the Pods of its namespace."""
    pods = (msgspec.json.decode(stored.body, type=Pod) for stored in view.list(POD.name, service.metadata.namespace))
    return {pod.metadata.name: endpoints_of(service, pod) for pod in pods if selects(service, pod.metadata.labels)}


def slices_near(tx: Tx, service: Service, decoded: DecodedSlices) -> Iterator[EndpointSlice]:
    """The slices whose names begin as those of the Service do: among them are all of its own that are ours."""
    namespace, prefix = service.metadata.namespace, name_prefix(service.metadata.name)
    after = (namespace, prefix)
    while page := tx.list(ENDPOINT_SLICE.name, namespace, after, PAGE):
        for stored in page:
            if not stored.name.startswith(prefix):
                return
            yield decoded.slice_of(stored)
        after = (namespace, page[-1].name)


def is_ours(found: EndpointSlice) -> bool:
    """Whether a slice is kept here, and not by the client that wrote it."""
    return found.metadata.labels.get(MANAGED_BY) == MANAGER


def belongs_to(found: EndpointSlice, service: Service) -> bool:
    """Whether a slice is one of that Service."""
    return found.metadata.labels.get(SERVICE_NAME) == service.metadata.name


def to_document(found: EndpointSlice, service: Service, now: float) -> Object:
    """The slice as an object; a new one gets a UID that follows from its name and its Service's."""
    meta = found.metadata
    if not meta.uid:
        uid = str(uuid5(NAMESPACE_OID, f"{service.metadata.uid} {meta.name} {now}"))
        meta = msgspec.structs.replace(meta, uid=uid, creation_timestamp=Moment(now, uid).time)
    fields = msgspec.to_builtins(msgspec.structs.replace(found, metadata=meta))
    # An empty list is not a missing one: the API's `endpoints` and `ports` are always there.
    return {"apiVersion": ENDPOINT_SLICE.api_version, "kind": "EndpointSlice", "endpoints": [], "ports": [], **fields}
