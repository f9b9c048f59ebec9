"""Pods by their addresses, for `pods verified` and for who asks.

The key of what depends on an address's pods is b"\\x00" and the address as it is written. As in CoreDNS only
`status.podIP` counts, and the text of it: `2001-0db8--1` does not name the pod at 2001:db8::1.
"""

from typing import NamedTuple

from kdns.cluster.entries import Label, label
from kdns.cluster.objects import Labels, Pod
from kdns.cluster.publish import Key

Where = tuple[Label, str]  # namespace and name


class PodRow(NamedTuple):
    """What is kept of a pod: its address, "" for none, and its labels if they are kept."""

    address: str
    labels: Labels


class Pods:
    """Which pods have an address. Their own labels take much room and are kept only `with_labels`."""

    def __init__(self) -> None:
        self.with_labels = False
        self._labels: dict[Where, Labels] = {}
        self._address: dict[Where, str] = {}
        self._at: dict[str, tuple[Where, ...]] = {}

    def at(self, address: str) -> tuple[Where, ...]:
        """The pods at an address: those on the host's network share the host's."""
        return self._at.get(address, ())

    def labels(self, where: Where) -> Labels:
        """The labels of a pod; none if they are not kept."""
        return self._labels.get(where, {})

    def count(self, namespace: Label, address: str) -> int:
        """How many pods of a namespace have the address."""
        return sum(where[0] == namespace for where in self.at(address))

    def put(self, pod: Pod) -> tuple[Key, ...]:
        """A Pod is new or differs; the keys of what may be answered differently now. WireError: see `label`.

        One that is being deleted stays as it was until it is gone.
        """
        meta = pod.metadata
        if meta.deletion_timestamp:
            return ()
        where = label(meta.namespace or ""), meta.name
        if self.with_labels:
            self._labels[where] = meta.labels or {}
        return self._move(where, (pod.status and pod.status.pod_ip) or "")

    def delete(self, namespace: str, name: str) -> tuple[Key, ...]:
        """A Pod is gone; the keys of what may be answered differently now."""
        where = label(namespace), name
        self._labels.pop(where, None)
        return self._move(where, "")

    def row(self, namespace: str, name: str) -> PodRow | None:
        """What is kept of a Pod, or None. WireError: see `label`."""
        where = label(namespace), name
        row = PodRow(self._address.get(where, ""), self.labels(where))
        return row if any(row) else None

    def restore(self, namespace: str, name: str, row: PodRow) -> tuple[Key, ...]:
        """What was kept of a Pod is known again. WireError: see `label`."""
        where = label(namespace), name
        if self.with_labels:
            self._labels[where] = row.labels
        return self._move(where, row.address)

    def _move(self, where: Where, address: str) -> tuple[Key, ...]:
        before = self._address.get(where, "")
        if address == before:
            return ()
        if before:
            del self._address[where]
            others = tuple(other for other in self._at.pop(before) if other != where)
            if others:
                self._at[before] = others
        if address:
            self._at[address] = (*self.at(address), where)
            self._address[where] = address
        return tuple(key_of(each) for each in (before, address) if each)


def key_of(address: str) -> Key:
    """The key of what depends on the pods at an address."""
    return b"\0" + address.encode()
