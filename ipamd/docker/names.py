"""The names of containers, as Kubernetes objects, so that DNS servers which watch ipamd know them.

Strategy: a network is a namespace. A container is a Pod there, and every name that it goes by (its own and its aliases)
a headless Service that selects the Pods of that name: `web.mynet.svc.cluster.local` has the addresses of all of them.
The objects bear a label by which they are known again; an object of somebody else that has the name is left alone. What
a lease is named is in its labels, so that the name goes in the transaction that releases the lease.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from ipamd.errors import Conflict
from ipamd.json import Json, Object, stored_object
from ipamd.kube.document import child, text
from ipamd.kube.kinds import SERVICE
from ipamd.kube.metadata import Moment
from ipamd.model import Lease, LeaseFilter, Owner
from ipamd.pod_of_lease import POD, addresses, ensure_namespace, new_pod, new_uid, write_addresses
from ipamd.stores import Stored, Tx, View

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "ipamd-docker"
NAMED = "name.docker.ipamd"  # prefix of the labels by which the Services select: one for each name
NETWORK, CONTAINER = "network", "container"  # the labels of a lease that has a name
UNFIT = re.compile(r"[^a-z0-9]+")
LONGEST = 63  # octets of a label (RFC 1035 section 2.3.4)


class Named(NamedTuple):
    """A container in a network, which has these PoolIDs: its own name first, then its aliases; its addresses there."""

    network: str
    pools: tuple[str, ...]
    names: tuple[str, ...]
    addresses: tuple[str, ...]


def fit(name: str) -> str:
    """A name as a label of DNS: in small letters, everything else but digits a hyphen; empty if nothing is left."""
    return UNFIT.sub("-", name.lower()).strip("-")[:LONGEST].rstrip("-")


def name(tx: Tx, leases: Mapping[tuple[str, str], Lease], named: Named, random: Random) -> None:
    """Have a container known by its names, with those of its addresses that are among `leases`: by PoolID and address.

    Nothing is written where all is so already.
    """
    network, labels = fit(named.network), [label for label in map(fit, named.names) if label]
    keys = [(pool, address) for address in named.addresses for pool in named.pools]
    held = [leases[key] for key in keys if key in leases]
    if not (network and labels and held):
        return
    wanted = {NETWORK: network, CONTAINER: labels[0]}
    for lease in held:
        if lease.labels != wanted:
            forget(tx, lease)
            description = f"Docker: container {named.names[0]} in network {named.network}"
            tx.put_lease(replace(lease, labels=wanted, description=description))
    with suppress(Conflict):  # the namespace is being deleted
        ensure_namespace(tx, network, random)
        _write_pod(tx, network, labels, held, random)


def forget(tx: Tx, lease: Lease) -> None:
    """Have no name lead to the address of a lease any more."""
    network, container = lease.labels.get(NETWORK, ""), lease.labels.get(CONTAINER, "")
    stored = ours(tx, POD, network, container)
    if stored is None:
        return
    pod = stored_object(stored.body)
    left = [address for address in addresses(pod) if address != lease.address]
    if left != addresses(pod):
        _leave(tx, network, container, pod, left)


def tidy(tx: Tx, networks: Iterable[str] | None, leases: Iterable[Lease]) -> None:
    """Have no name in these networks, None for all, lead to an address that is not among the leases under it.

    Somebody else than Docker may have released a lease while its container lived.
    """
    held = {(lease.labels.get(NETWORK), lease.labels.get(CONTAINER), lease.address) for lease in leases}
    namespaces = [None] if networks is None else {fit(each) for each in networks}
    for stored in [pod for namespace in namespaces for pod in tx.list(POD, namespace)]:
        pod = stored_object(stored.body)
        listed = [each for each in addresses(pod) if (stored.namespace, stored.name, each) in held]
        if ours(tx, POD, stored.namespace, stored.name) is not None and listed != addresses(pod):
            _leave(tx, stored.namespace, stored.name, pod, listed)


def ours(view: View, kind: str, namespace: str, name: str) -> Stored | None:
    """The object of that key, if it was made here; None else."""
    stored = view.get(kind, namespace, name) if namespace and name else None
    if stored is None or text(stored_object(stored.body), "metadata", "labels", MANAGED_BY) != MANAGER:
        return None
    return stored


def names_of(pod: Object) -> set[str]:
    """The names that lead to a Pod."""
    found = (key.partition("/") for key in child(pod, "metadata", "labels"))
    return {label for prefix, _, label in found if prefix == NAMED}


def _leave(tx: Tx, network: str, container: str, pod: Object, left: list[str]) -> None:
    """Leave a Pod these of its addresses; without any it goes, and its names with it."""
    if left:
        write_addresses(pod, left)
        tx.put(POD, network, container, pod)
        return
    tx.delete(POD, network, container)
    _drop_unused(tx, network, names_of(pod))


def _write_pod(tx: Tx, network: str, labels: list[str], held: list[Lease], random: Random) -> None:
    """Have the Pod of a container with its addresses, and the Services of its names."""
    container = labels[0]
    present = ours(tx, POD, network, container)
    if present is None and tx.get(POD, network, container) is not None:
        return  # somebody else's
    before = stored_object(present.body) if present is not None else {}
    uid = text(before, "metadata", "uid") or new_uid(random)
    owner = Owner(POD, container, network, uid)
    marks = {MANAGED_BY: MANAGER, **{f"{NAMED}/{label}": "" for label in labels}}
    pod = new_pod(replace(held[0], owner=owner, labels=marks, created=tx.now))
    child(pod, "spec").update(hostname=container, subdomain=container)
    kept = [each for each in addresses(before) if each not in {lease.address for lease in held}]
    listed = [*(lease.address for lease in held), *still_named(tx, kept, network, container)]
    if set(addresses(before)) == set(listed) and names_of(before) == names_of(pod):
        return
    write_addresses(pod, listed)
    for label in labels:
        _ensure_service(tx, network, label, random)
    tx.put(POD, network, container, pod)
    _drop_unused(tx, network, names_of(before) - names_of(pod))


def still_named(view: View, listed: Sequence[str], network: str, container: str) -> list[str]:
    """Which of the addresses are leased under that very name: two containers may come to one name."""
    if not listed:
        return []
    wanted = LeaseFilter(labels={NETWORK: network, CONTAINER: container})
    held = {lease.address for lease in view.leases(wanted)}
    return [address for address in listed if address in held]


def _ensure_service(tx: Tx, namespace: str, label: str, random: Random) -> None:
    if tx.get(SERVICE.name, namespace, label) is None:
        tx.put(SERVICE.name, namespace, label, service(namespace, label, Moment(tx.now, new_uid(random))))


def _drop_unused(tx: Tx, namespace: str, labels: Iterable[str]) -> None:
    """Take away the Services of these names that lead to no Pod any more."""
    pods = [stored_object(stored.body) for stored in tx.list(POD, namespace)]
    used = {label for pod in pods for label in names_of(pod)}
    for label in set(labels) - used:
        if ours(tx, SERVICE.name, namespace, label) is not None:
            tx.delete(SERVICE.name, namespace, label)


def service(namespace: str, label: str, moment: Moment) -> Object:
    """The headless Service of a name."""
    selector: Object = {f"{NAMED}/{label}": ""}
    families: list[Json] = ["IPv4", "IPv6"]
    return {
        "apiVersion": "v1",
        "kind": SERVICE.name,
        "metadata": {
            "name": label,
            "namespace": namespace,
            "uid": moment.uid,
            "creationTimestamp": moment.time,
            "labels": {MANAGED_BY: MANAGER},
        },
        "spec": {
            "clusterIP": "None",
            "clusterIPs": ["None"],
            "type": "ClusterIP",
            "selector": selector,
            "ipFamilies": families,
            "ipFamilyPolicy": "RequireDualStack",
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    }
