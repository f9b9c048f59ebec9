"""Attachments: which interface of which container holds which leases, in one transaction with these.

Strategy: the key of an attachment is (network, container, interface), as the specification has it. It is kept as an
object of its own, so that an ADD may be repeated, a DEL finds what to release whoever owns the leases, and a GC sees
what a node has.

An interface of a Pod is leased to the Pod, so that DNS knows it; a further interface of that Pod, or one of no Pod, is
leased to the attachment itself. A second object says which attachment holds the leases of the Pod: when its sandbox is
made anew they go over to the new container, and the DEL of the old one leaves them alone.

The interface may outlive the Pod, if that is deleted by force or while its node cannot be reached. Then the leases
belong to the attachment alone, and nobody else gets the addresses until a DEL or a GC.
"""

from collections.abc import Collection
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ipamd import pod_of_lease
from ipamd.leases import RELEASED, Leases
from ipamd.model import Lease, Owner
from ipamd.service import Service
from ipamd.stores import Stored, Tx, View

ATTACHMENT = "Attachment"
POD_ATTACHMENT = "PodAttachment"


class Key(NamedTuple):
    """What identifies an attachment."""

    network: str
    container: str
    ifname: str

    @classmethod
    def named(cls, network: str, name: str) -> "Key":
        """The key of a network and of what `name` made."""
        container, _, ifname = name.partition("/")
        return cls(network, container, ifname)

    @property
    def name(self) -> str:
        """The container and the interface; neither can have a slash in it."""
        return f"{self.container}/{self.ifname}"

    @property
    def owner(self) -> Owner:
        """The attachment as the owner of leases."""
        return Owner(ATTACHMENT, self.name, self.network)


class Record(Struct, frozen=True):
    """An attachment as it is kept. `added` is when it was last asked for, in seconds since the epoch."""

    node: str
    owner: Owner
    leases: tuple[int, ...]
    added: float


def key_of(stored: Stored) -> Key:
    """The key under which an attachment is kept."""
    return Key.named(stored.namespace, stored.name)


def read_record(stored: Stored) -> Record:
    """An attachment as it was kept."""
    return msgspec.json.decode(stored.body, type=Record)


def find(view: View, key: Key) -> Record | None:
    """The attachment of that key, or None."""
    stored = view.get(ATTACHMENT, key.network, key.name)
    return None if stored is None else read_record(stored)


def keep(tx: Tx, key: Key, record: Record) -> int:
    """Keep the attachment, and return the revision at which it is so."""
    owner = record.owner
    if owner.kind == pod_of_lease.POD and holder_of(tx, owner) != key:
        tx.put(POD_ATTACHMENT, owner.namespace, owner.name, key._asdict())
    return tx.put(ATTACHMENT, key.network, key.name, msgspec.to_builtins(record)).revision


def holder_of(view: View, pod: Owner) -> Key | None:
    """The attachment that holds the leases of a Pod, or None."""
    stored = view.get(POD_ATTACHMENT, pod.namespace, pod.name)
    return None if stored is None else Key(**msgspec.json.decode(stored.body, type=dict[str, str]))


def leases_of(view: View, key: Key, record: Record) -> list[Lease]:
    """The leases that the attachment holds; none if they have gone over to another."""
    if record.owner.kind == pod_of_lease.POD and holder_of(view, record.owner) != key:
        return []
    found = (view.lease(each) for each in record.leases)
    return [lease for lease in found if lease is not None]


def owner_of(view: View, key: Key, pod: Owner | None) -> Owner:
    """Who is to own the leases: the Pod, unless another interface of it has them."""
    holder = holder_of(view, pod) if pod is not None else None
    is_other = holder is not None and (holder.network, holder.ifname) != (key.network, key.ifname)
    return key.owner if pod is None or is_other else pod


def detach(tx: Tx, service: Service, key: Key, reason: str = RELEASED) -> None:
    """Release what the attachment holds, for that reason, and forget it; one that is not there is no error."""
    record = find(tx, key)
    if record is None:
        return
    for lease in leases_of(tx, key, record):
        service.release_in(tx, lease, reason)
    owner = record.owner
    if owner.kind == pod_of_lease.POD and holder_of(tx, owner) == key:
        tx.delete(POD_ATTACHMENT, owner.namespace, owner.name)
    tx.delete(ATTACHMENT, key.network, key.name)


def supersede(tx: Tx, leases: Leases, pod: Owner) -> None:
    """Have what an earlier Pod of the name holds belong to its attachment alone, for a new Pod has come in its place.

    The earlier one may still run where nobody can reach it: its addresses stay taken until its DEL or a GC.
    """
    holder = holder_of(tx, pod)
    record = find(tx, holder) if holder is not None else None
    if record is not None and pod.uid and record.owner.uid not in ("", pod.uid):
        for lease in outlive(tx, leases, pod):
            pod_of_lease.unbind(tx, lease)


def outlive(tx: Tx, leases: Leases, pod: Owner, addresses: Collection[str] | None = None) -> list[Lease]:
    """Have what an attachment holds for a Pod belong to the attachment alone, for the Pod has it no more.

    With `addresses` only the leases of these. Returns the leases that there were, as they were.
    """
    holder = holder_of(tx, pod)
    record = find(tx, holder) if holder is not None else None
    if holder is None or record is None:
        return []
    held = [lease for lease in leases_of(tx, holder, record) if lease.owner.kind == pod_of_lease.POD]
    gone = held if addresses is None else [lease for lease in held if str(lease) in addresses]
    for lease in gone:
        leases.pass_on(tx, lease, holder.owner)
    if len(gone) == len(held):
        tx.delete(POD_ATTACHMENT, pod.namespace, pod.name)
        keep(tx, holder, replace(record, owner=holder.owner))
    return gone
