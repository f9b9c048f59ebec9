"""IPAddress objects in a transaction: one for every ClusterIP, made with it, and those that a client makes.

Who makes one reserves the address: where a pool for services has it, the object holds a lease on it, so that no Service
gets it. Source: Kubernetes' pkg/apis/networking/validation (ValidateIPAddress), pkg/registry/core/service/ipallocator.
"""

from collections.abc import Iterator
from uuid import NAMESPACE_OID, uuid5

from ipamd.errors import Conflict, OutsidePool, Taken, UnknownPool, Withheld
from ipamd.json import Object
from ipamd.kube.cluster_ips import MANAGED_BY, MANAGER
from ipamd.kube.document import peek
from ipamd.kube.kinds import IP_ADDRESS
from ipamd.kube.metadata import SUBDOMAIN, SUBDOMAIN_RULE, Moment, metadata_causes
from ipamd.kube.service_rules import ADDRESS_RULE, family_of, is_address
from ipamd.kube.shapes import IPAddress, ParentReference, view
from ipamd.kube.status import Cause, missing, wrong_value
from ipamd.kube.work import FAMILY_NUMBERS, Work, owner_of, refuse
from ipamd.model import Owner, Wish
from ipamd.ranges import read_address

FAMILY = "ipaddress.kubernetes.io/ip-family"
ALLOCATED = "provided IP is already allocated"


def admit_new(work: Work, document: Object) -> None:
    """Take the address of a new object. Raises StatusError 422."""
    found = view(document, IPAddress)
    refuse(IP_ADDRESS, found.metadata, [*address_causes(found)])
    try:
        reserve(work, owner_of(IP_ADDRESS, found.metadata), found.metadata.name)
    except (Taken, Conflict):
        refuse(IP_ADDRESS, found.metadata, [wrong_value("metadata.name", found.metadata.name, ALLOCATED)])


def admit_change(_work: Work, old: Object, document: Object) -> None:
    """Whom an address belongs to stays. Raises StatusError 422."""
    before, found = view(old, IPAddress), view(document, IPAddress)
    causes = [*address_causes(found)]
    if before.spec.parent_ref != found.spec.parent_ref:
        shown = str(peek(document, "spec", "parentRef"))
        causes.append(wrong_value("spec.parentRef", shown, "field is immutable"))
    refuse(IP_ADDRESS, found.metadata, causes)


def forget(work: Work, document: Object) -> None:
    """Give a reserved address back, at once. That of a Service stays with it, and its object comes again."""
    for lease in work.tx.leases_of(owner_of(IP_ADDRESS, view(document, IPAddress).metadata)):
        work.leases.release(work.tx, lease, cools=False)


def reserve(work: Work, owner: Owner, address: str) -> None:
    """Lease the address to its object, if a pool for services can give it. Raises Taken, Conflict."""
    wish = Wish(purpose="services", family=FAMILY_NUMBERS[family_of(address)], address=address)
    try:
        work.leases.allocate(work.tx, owner, wish)
    except (OutsidePool, UnknownPool, Withheld):
        return  # an address that no Service can get


def managed(address: str, namespace: str, service: str, now: float) -> Object:
    """The object of a ClusterIP."""
    uid = str(uuid5(NAMESPACE_OID, f"{address} {namespace}/{service} {now}"))
    return {
        "apiVersion": IP_ADDRESS.api_version,
        "kind": IP_ADDRESS.name,
        "metadata": {
            "name": address,
            "uid": uid,
            "creationTimestamp": Moment(now, uid).time,
            "generation": 1,
            "labels": {FAMILY: family_of(address), MANAGED_BY: MANAGER},
        },
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": service}},
    }


def address_causes(found: IPAddress) -> Iterator[Cause]:
    """What is wrong with an IPAddress object."""
    name = found.metadata.name
    if not is_address(name):
        yield wrong_value("metadata.name", name, ADDRESS_RULE)
    elif name != (canonical := str(read_address(name))):
        yield wrong_value("metadata.name", name, f'must be in canonical form ("{canonical}")')
    # An IPv6 address is no DNS name, so the rule for names is not asked about it.
    yield from (cause for cause in metadata_causes(IP_ADDRESS, found.metadata) if cause.field != "metadata.name")
    if found.spec.parent_ref is None:
        yield missing("spec.parentRef")
    else:
        yield from parent_causes(found.spec.parent_ref)


def parent_causes(parent: ParentReference) -> Iterator[Cause]:
    """What is wrong with the reference to whom an address belongs."""
    if parent.group and not SUBDOMAIN.fullmatch(parent.group):
        yield wrong_value("spec.parentRef.group", parent.group, SUBDOMAIN_RULE)
    for field, value in (("resource", parent.resource), ("name", parent.name)):
        if not value:
            yield missing(f"spec.parentRef.{field}")
    for field, value in (("resource", parent.resource), ("name", parent.name), ("namespace", parent.namespace)):
        for rule in segment_rules(value):
            yield wrong_value(f"spec.parentRef.{field}", value, rule)


def segment_rules(value: str) -> list[str]:
    """The rules for a part of a path that `value` breaks."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{mark}'" for mark in ("/", "%") if mark in value]
