"""A lease whose owner is a Pod is that Pod: it is made with the lease, and goes with it.

Strategy: all of it happens in the transaction of the lease. A Pod that a Kubernetes client made stays when the lease is
released, without the address; one that a lease made goes with its last lease.
"""

from functools import lru_cache
from random import Random

from msgspec.structs import replace

from ipamd.errors import Conflict, Invalid
from ipamd.json import Json, Object, stored_object
from ipamd.kube.document import child, text
from ipamd.kube.metadata import LABEL, SUBDOMAIN, Moment
from ipamd.model import Lease, Owner
from ipamd.stores import Tx, View

POD = "Pod"
NAMESPACE = "Namespace"
DEFAULT_NAMESPACE = "default"
RANDOM_BITS = ~(0xF << 76 | 0x3 << 62)  # of a UUID: all but version and variant
VERSION_4 = 0x4 << 76 | 0x2 << 62
DELETION = b"deletionTimestamp"
CONDITIONS = (
    "PodScheduled",
    "Initialized",
    "ContainersReady",
    "Ready",
)  # of a Pod that runs, as a kubelet reports them


def named(owner: Owner) -> Owner:
    """The Pod that is meant, with its namespace. Raises Invalid if it is no name of a Pod."""
    owner = owner if owner.namespace else replace(owner, namespace=DEFAULT_NAMESPACE)
    if not SUBDOMAIN.fullmatch(owner.name) or not LABEL.fullmatch(owner.namespace):
        raise Invalid(f"{owner.namespace}/{owner.name} is no name of a Pod: DNS labels in lower case are (RFC 1123)")
    return owner


def found(view: View, owner: Owner) -> Object | None:
    """The Pod as it stands, or None."""
    stored = view.get(POD, owner.namespace, owner.name)
    return None if stored is None else stored_object(stored.body)


def identify(owner: Owner, pod: Object | None, random: Random) -> Owner:
    """The owner with the uid of the Pod, or a new one for a Pod that does not exist yet.

    Raises Conflict if the Pod exists under another uid.
    """
    if pod is None:
        return replace(owner, uid=owner.uid or new_uid(random))
    uid = text(pod, "metadata", "uid")
    if owner.uid and uid != owner.uid:
        raise Conflict(f"the Pod {owner.namespace}/{owner.name} has the uid {uid}, not {owner.uid}", uid=uid)
    return replace(owner, uid=uid)


def comes_from_lease(view: View, owner: Owner, pod: Object | None) -> bool:
    """Whether the Pod exists because of its leases, or will."""
    return pod is None or any(lease.made_pod for lease in view.leases_of(owner))


def bind(tx: Tx, lease: Lease, pod: Object | None, random: Random) -> None:
    """Give the Pod the address of a new lease; make the Pod, and its namespace, if there is none."""
    owner = lease.owner
    if pod is None:
        ensure_namespace(tx, owner.namespace, random)
        pod = new_pod(lease)
    else:
        write_addresses(pod, [*addresses(pod), lease.address])
    tx.put(POD, owner.namespace, owner.name, pod)


def unbind(tx: Tx, lease: Lease) -> None:
    """Take the address of a lease that was released from the Pod, or the Pod away if it lived by this lease alone."""
    owner = lease.owner
    pod = found(tx, owner)
    if pod is None:
        return
    if lease.made_pod and not tx.leases_of(owner):
        tx.delete(POD, owner.namespace, owner.name)
        return
    write_addresses(pod, [address for address in addresses(pod) if address != lease.address])
    tx.put(POD, owner.namespace, owner.name, pod)


def addresses(document: Object) -> list[str]:
    """The addresses in the status of a Pod."""
    listed = child(document, "status").get("podIPs")
    entries = listed if isinstance(listed, list) else []
    return [text(entry, "ip") for entry in entries if isinstance(entry, dict)]


def write_addresses(document: Object, listed: list[str]) -> None:
    """Set `podIP` and `podIPs` in the status of a Pod; without an address both are absent."""
    status = child(document, "status")
    for field in ("podIP", "podIPs"):
        status.pop(field, None)
    if listed:
        entries: list[Json] = [{"ip": address} for address in listed]
        status |= {"podIP": listed[0], "podIPs": entries}


def new_pod(lease: Lease) -> Object:
    """The least Pod that is valid, with the address: running, ready, and labelled as the lease is."""
    owner, (time, reported) = lease.owner, running_since(int(lease.created))
    metadata: Object = {"name": owner.name, "namespace": owner.namespace, "uid": owner.uid, "creationTimestamp": time}
    if lease.labels:
        metadata["labels"] = dict(lease.labels)
    return {
        "apiVersion": "v1",
        "kind": POD,
        "metadata": metadata,
        "spec": {"containers": [{"name": "leased", "image": "none"}]},
        "status": {
            "phase": "Running",
            "startTime": time,
            "conditions": reported,
            "podIP": lease.address,
            "podIPs": [{"ip": lease.address}],
        },
    }


@lru_cache(maxsize=1)
def running_since(second: int) -> tuple[str, list[Json]]:
    """A time, in seconds since the epoch, as Kubernetes writes it, and the conditions since then of a Pod that runs.

    Pods come by the hundred in one second, so what they have in common is kept; nobody may change it.
    """
    time = Moment(second, "").time
    return time, [{"type": kind, "status": "True", "lastTransitionTime": time} for kind in CONDITIONS]


def ensure_namespace(tx: Tx, name: str, random: Random) -> None:
    """Make the namespace if there is none: who leases over REST need not know that there are namespaces.

    Raises Conflict if it is being deleted.
    """
    stored = tx.get(NAMESPACE, "", name)
    if stored is not None:
        # Only a document that has the word is worth decoding: this is done for every Pod.
        is_marked = DELETION in stored.body and text(stored_object(stored.body), "metadata", "deletionTimestamp")
        if is_marked:
            raise Conflict(f"the namespace {name} is being deleted", namespace=name)
        return
    uid = new_uid(random)
    document: Object = {
        "apiVersion": "v1",
        "kind": NAMESPACE,
        "metadata": {
            "name": name,
            "uid": uid,
            "creationTimestamp": Moment(tx.now, uid).time,
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    tx.put(NAMESPACE, "", name, document)


def new_uid(random: Random) -> str:
    """A random UUID (RFC 9562 section 5.4, version 4) in the text form of section 4."""
    digits = f"{random.getrandbits(128) & RANDOM_BITS | VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
