"""Pods in a transaction. There is no kubelet: a Pod is taken as running and ready unless its status says otherwise.

So a new Pod gets, beside its addresses, the phase Running and the conditions that a kubelet would report; a phase or a
condition in the manifest is left as it is. Addresses can be asked for in `status.podIP`/`podIPs`, or by the annotation
that Calico reads; a Pod that asks for none gets one of every family that has a pool for pods. A Pod on the host's
network has the addresses of its node, which are not leased.

Where a pool gives addresses by node, they come from the blocks of the node that the Pod is on. A Pod that is on none
waits: it is Pending, without an address, until it is bound to one; then it gets its addresses and runs.

Where a container runtime has attached the Pod, its addresses are in use until the runtime detaches it: a Pod that is
deleted before leaves them to the attachment.
"""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from ipamd.cni.attachments import outlive
from ipamd.errors import Malformed
from ipamd.json import Json, Object
from ipamd.kube.document import child, text
from ipamd.kube.kinds import NODE, POD
from ipamd.kube.metadata import LABEL, LABEL_RULE, Moment, metadata_causes
from ipamd.kube.service_rules import ADDRESS_RULE, family_of, is_address
from ipamd.kube.shapes import Node, Pod, view
from ipamd.kube.status import Cause, conflict, forbidden_field, invalid, missing, unsupported, wrong_value
from ipamd.kube.work import FAMILY_NUMBERS, Work, lease_for, owner_of, refuse, release_addresses, release_all
from ipamd.model import Family, Wish

ASKED = "cni.projectcalico.org/ipAddrs"  # annotation: a JSON list of addresses, one a family
PHASES = ("Failed", "Pending", "Running", "Succeeded", "Unknown")
BINDING = POD._replace(name="Binding", plural="pods/binding")  # how a Binding is named in messages
UNCHANGEABLE = "pod updates may not change this field"
REPORTED = ("PodScheduled", "Initialized", "ContainersReady", "Ready")  # conditions of a Pod that runs well


def admit_new(work: Work, document: Object) -> None:
    """Complete a new Pod, in place: phase, conditions, addresses. Raises StatusError 422."""
    waits = has_to_wait(work, view(document, Pod))
    child(document, "status").setdefault("phase", "Pending" if waits else "Running")
    pod = view(document, Pod)
    refuse(POD, pod.metadata, [*pod_causes(pod)])
    if not waits:
        start(work, document, pod)


def start(work: Work, document: Object, pod: Pod) -> None:
    """Give a Pod its addresses, in place, and what a kubelet would report of one that runs."""
    if pod.spec.host_network:
        addresses = node_addresses(work, pod)
    else:
        addresses = leased(work, pod, asked_addresses(pod)) or next_addresses(work, pod)
    status = child(document, "status")
    write_addresses(status, addresses)
    if status["phase"] == "Running":
        status.setdefault("startTime", work.moment.time)
        status["conditions"] = with_reported(pod, status.get("conditions"), work.moment)


def admit_change(work: Work, old: Object, document: Object) -> None:
    """Keep a Pod's leases in step with the addresses of its status. Raises StatusError 422."""
    before, pod = view(old, Pod), view(document, Pod)
    causes = [*pod_causes(pod)]
    if pod.spec.host_network != before.spec.host_network:
        causes.append(forbidden_field("spec.hostNetwork", UNCHANGEABLE))
    if before.spec.node_name and pod.spec.node_name != before.spec.node_name:
        causes.append(forbidden_field("spec.nodeName", UNCHANGEABLE))
    refuse(POD, pod.metadata, causes)
    if pod.spec.node_name and has_to_wait(work, before):
        if pod.status.phase == "Pending":
            child(document, "status")["phase"] = "Running"
        start(work, document, pod)
        return
    addresses = pod.addresses or before.addresses
    if addresses != before.addresses and not pod.spec.host_network:
        gone = {*before.addresses} - {*addresses}
        outlive(work.tx, work.leases, owner_of(POD, before.metadata), gone)
        release_addresses(work, POD, before.metadata, gone)
        leased(work, pod, [address for address in addresses if address not in before.addresses])
    write_addresses(child(document, "status"), [*addresses])


def forget(work: Work, document: Object) -> None:
    """Give back what a deleted Pod had, but for what a container of it still uses."""
    meta = view(document, Pod).metadata
    outlive(work.tx, work.leases, owner_of(POD, meta))
    release_all(work, POD, meta)


def pod_causes(pod: Pod) -> Iterator[Cause]:
    """What is wrong with a Pod, apart from what depends on the pools."""
    yield from metadata_causes(POD, pod.metadata)
    for field, value in (("spec.hostname", pod.spec.hostname), ("spec.subdomain", pod.spec.subdomain)):
        if value and not LABEL.fullmatch(value):
            yield wrong_value(field, value, LABEL_RULE)
    if pod.status.phase not in PHASES:
        yield unsupported("status.phase", pod.status.phase, PHASES)
    for place, address in enumerate(pod.addresses):
        if not is_address(address):
            yield wrong_value(f"status.podIPs[{place}]", address, ADDRESS_RULE)
    if pod.status.pod_ip and pod.status.pod_ips and pod.status.pod_ip != pod.addresses[0]:
        yield wrong_value("status.podIPs[0]", pod.addresses[0], "must be equal to `podIP`")
    if len({family_of(address) for address in pod.addresses}) < len(pod.addresses):
        yield wrong_value(
            "status.podIPs", ",".join(pod.addresses), "may specify no more than one IP for each IP family"
        )


def asked_addresses(pod: Pod) -> list[str]:
    """The addresses that a new Pod asks for."""
    annotation = pod.metadata.annotations.get(ASKED, "")
    if pod.addresses or not annotation:
        return [*pod.addresses]
    field = f"metadata.annotations[{ASKED}]"
    try:
        asked = msgspec.json.decode(annotation, type=list[str])
    except msgspec.DecodeError as error:
        raise Malformed(f"{field}: not a JSON list of addresses: {error}") from error
    refuse(POD, pod.metadata, [wrong_value(field, a, ADDRESS_RULE) for a in asked if not is_address(a)])
    return asked


def leased(work: Work, pod: Pod, asked: list[str]) -> list[str]:
    """Lease the addresses asked for."""
    families = [FAMILY_NUMBERS[family_of(address)] for address in asked]
    wishes = [replace(wish_of(pod, family), address=a) for family, a in zip(families, asked, strict=True)]
    return [lease_for(work, POD, pod.metadata, wish, "status.podIPs") for wish in wishes]


def next_addresses(work: Work, pod: Pod) -> list[str]:
    """Lease the next free address of every family that has a pool for pods."""
    wishes = [wish_of(pod, family) for family in work.families("pods")]
    return [lease_for(work, POD, pod.metadata, wish, "status.podIPs") for wish in wishes]


def wish_of(pod: Pod, family: Family) -> Wish:
    """What a Pod wishes for of a family: an address that its node may have."""
    return Wish(purpose="pods", family=family, node=pod.spec.node_name)


def has_to_wait(work: Work, pod: Pod) -> bool:
    """Whether a Pod has no address because it is on no node, and a pool gives addresses by node."""
    if pod.spec.node_name or pod.spec.host_network or pod.addresses:
        return False
    wishes = [wish_of(pod, family) for family in work.families("pods")]
    return any(space.pool.per_node for wish in wishes for space in work.pools.matching(wish))


def node_addresses(work: Work, pod: Pod) -> list[str]:
    """The addresses of a Pod on the host's network: those given, or else the internal ones of its node."""
    stored = work.tx.get(NODE.name, "", pod.spec.node_name)
    if pod.addresses or stored is None:
        return [*pod.addresses]
    node = msgspec.json.decode(stored.body, type=Node)
    internal = (a.address for a in node.status.addresses if a.type == "InternalIP" and is_address(a.address))
    return [*{family_of(address): address for address in internal}.values()]


def write_addresses(status: Object, addresses: list[str]) -> None:
    """Set podIP and podIPs."""
    if addresses:
        listed: list[Json] = [{"ip": address} for address in addresses]
        status |= {"podIP": addresses[0], "podIPs": listed}


def with_reported(pod: Pod, given: Json, moment: Moment) -> list[Json]:
    """The conditions given; without a word on Ready among them, also those that a kubelet would report."""
    told = {condition.type for condition in pod.status.conditions}
    missing = [] if "Ready" in told else [kind for kind in REPORTED if kind not in told]
    added: list[Json] = [{"type": kind, "status": "True", "lastTransitionTime": moment.time} for kind in missing]
    return [*(given if isinstance(given, list) else []), *added]


def bound(name: str, binding: Object, pod: Json) -> Json:
    """The Pod on the node that a Binding names. Raises StatusError 409 if it is on one already, 422 without a node."""
    assert isinstance(pod, dict)
    node, present = text(binding, "target", "name"), text(pod, "spec", "nodeName")
    if not node:
        raise invalid(BINDING, name, [missing("target.name")])
    if present:
        raise conflict(BINDING, name, f'pod {name} is already assigned to node "{present}"')
    return {**pod, "spec": {**child(pod, "spec"), "nodeName": node}}
