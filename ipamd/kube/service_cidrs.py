"""ServiceCIDRs in a transaction: where ClusterIPs come from, and the pools underneath.

Pools never overlap, ServiceCIDRs may. So a new one gets a pool of what no pool for services has yet; the pool goes, or
shrinks, with the last ServiceCIDR that covers it. The pools of the configuration come first: they have ServiceCIDRs
made for them, the one named `kubernetes` for the first of each family.

Source: Kubernetes' pkg/apis/networking/validation (ValidateServiceCIDR), pkg/registry/core/service/ipallocator and
pkg/controller/servicecidrs; KEP-1880.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ipamd.errors import Invalid, PoolOverlap
from ipamd.json import Object
from ipamd.kube.document import child
from ipamd.kube.kinds import SERVICE_CIDR
from ipamd.kube.metadata import Moment, metadata_causes
from ipamd.kube.service_ranges import ServiceRange, service_range
from ipamd.kube.shapes import Meta, ServiceCIDR, view
from ipamd.kube.status import Cause, missing, shown, wrong_value
from ipamd.kube.work import Work, refuse
from ipamd.model import DEFAULT_SPACE, POOL, Pool
from ipamd.ranges import Cidr, read_cidr
from ipamd.stores import View

DEFAULT = "kubernetes"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MADE = "servicecidr-"  # what the names of the pools begin with that are made here
LONGEST_NAME = 63  # of a pool
CIDR_RULE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
DUAL_RULE = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
SERVICES = b'"services"'  # in the document of a pool for services; no other is worth decoding
READY = "Kubernetes Service CIDR is ready"


def admit_new(work: Work, document: Object) -> None:
    """Complete a new ServiceCIDR, in place, and make the pools that it needs. Raises StatusError 422."""
    found = view(document, ServiceCIDR)
    refuse(SERVICE_CIDR, found.metadata, [*metadata_causes(SERVICE_CIDR, found.metadata), *cidr_causes(found)])
    keep_finalizer(document)
    document["status"] = {"conditions": [condition("True", "", READY, work.moment.time)]}
    refuse(SERVICE_CIDR, found.metadata, [*make_pools(work, found)])


def admit_change(_work: Work, old: Object, document: Object) -> None:
    """The CIDRs stay, and so does the finalizer until the deletion. Raises StatusError 422."""
    before, found = view(old, ServiceCIDR), view(document, ServiceCIDR)
    causes = [*metadata_causes(SERVICE_CIDR, found.metadata)]
    if before.spec.cidrs != found.spec.cidrs:
        causes.append(wrong_value("spec.cidrs", found.spec.cidrs, "field is immutable"))
    refuse(SERVICE_CIDR, found.metadata, causes)
    if not found.metadata.deletion_timestamp:
        keep_finalizer(document)


def forget(_work: Work, _document: Object) -> None:
    """What a ServiceCIDR leaves behind is seen to by the follower that sees it go."""


def keep_finalizer(document: Object) -> None:
    """Add the finalizer, unless it is there."""
    present = [*view(document, ServiceCIDR).metadata.finalizers]
    if FINALIZER not in present:
        child(document, "metadata")["finalizers"] = [*present, FINALIZER]


def condition(status: str, reason: str, message: str, time: str) -> Object:
    """The condition Ready."""
    return {"type": "Ready", "status": status, "lastTransitionTime": time, "reason": reason, "message": message}


def cidr_causes(found: ServiceCIDR) -> Iterator[Cause]:
    """What is wrong with the CIDRs."""
    cidrs = found.spec.cidrs
    if not cidrs:
        yield missing("spec.cidrs", "at least one CIDR required")
        return
    whole = f"networking.ServiceCIDRSpec{{CIDRs:{shown(cidrs)}}}"
    if len(cidrs) > 2:
        yield Cause("spec.cidrs", "FieldValueInvalid", f"Invalid value: {whole}: may only hold up to 2 values")
        return
    if len(cidrs) == 2 and (":" in cidrs[0]) == (":" in cidrs[1]):
        yield Cause("spec.cidrs", "FieldValueInvalid", f"Invalid value: {whole}: {DUAL_RULE}")
        return
    for place, text in enumerate(cidrs):
        if rule := broken_rule(text):
            yield wrong_value(f"spec.cidrs[{place}]", text, rule)


def broken_rule(text: str) -> str:
    """The rule for CIDRs that `text` breaks; "" when it is right."""
    try:
        canonical = str(read_cidr(text))
    except Invalid as error:
        return "must not have bits set beyond the prefix length" if "bits set" in error.detail else CIDR_RULE
    return "" if text == canonical else f'must be in canonical form ("{canonical}")'


def make_pools(work: Work, found: ServiceCIDR) -> Iterator[Cause]:
    """Make a pool of what no pool for services has yet, one a family; say what is wrong with that."""
    have = [cidr for pool in service_pools(work.tx) for cidr in map(read_cidr, pool.cidrs)]
    for place, text in enumerate(found.spec.cidrs):
        cidr = read_cidr(text)
        pieces = tuple(map(str, without(cidr, have)))
        if pieces:
            name = pool_name(found.metadata, cidr)
            try:
                work.pools.create(work.tx, Pool(name, pieces, "services", "random", edges="all"))
            except PoolOverlap as overlap:
                yield wrong_value(f"spec.cidrs[{place}]", text, overlap.detail)


def pool_name(meta: Meta, cidr: Cidr) -> str:
    """What the pool under a CIDR of a ServiceCIDR is called."""
    name = f"{MADE}{meta.name}-v{cidr.family}"
    return name if len(name) <= LONGEST_NAME else f"{MADE}{meta.uid}-v{cidr.family}"


def service_pools(view: View) -> list[Pool]:
    """The pools for services, in order of their names."""
    bodies = (stored.body for stored in view.list(POOL))
    pools = (msgspec.json.decode(body, type=Pool) for body in bodies if SERVICES in body)
    return [pool for pool in pools if pool.purpose == "services" and pool.space == DEFAULT_SPACE]


def without(cidr: Cidr, others: Iterable[Cidr]) -> list[Cidr]:
    """What of a CIDR is in none of the others, as few CIDRs, in order."""
    met = [other for other in others if other.overlaps(cidr)]
    if not met:
        return [cidr]
    if any(other.holds(cidr) for other in met):
        return []
    half = cidr._replace(length=cidr.length + 1)
    return [*without(half, met), *without(half._replace(base=half.base + half.size), met)]


def service_cidrs(view: View) -> list[ServiceCIDR]:
    """All ServiceCIDRs in the order in which they are tried: `kubernetes`, and then as they were made."""
    found = [msgspec.json.decode(stored.body, type=ServiceCIDR) for stored in view.list(SERVICE_CIDR.name)]
    return sorted(found, key=lambda each: (each.metadata.name != DEFAULT, each.metadata.creation_timestamp))


def ready_ranges(view: View) -> list[ServiceRange]:
    """The ranges that addresses are given out of, in the order in which they are tried."""
    return ranges_of(
        found
        for found in service_cidrs(view)
        if not found.metadata.deletion_timestamp
        and not any(each.type == "Ready" and each.status == "False" for each in found.status.conditions)
    )


def ranges_of(found: Iterable[ServiceCIDR]) -> list[ServiceRange]:
    """The ranges of these ServiceCIDRs."""
    return [service_range(text) for each in found for text in each.spec.cidrs]


def families(view: View) -> tuple[str, ...]:
    """The families that Services can have, the default one first."""
    return tuple(dict.fromkeys(each.family for each in ready_ranges(view)))


def new_service_cidr(name: str, cidrs: Sequence[str], moment: Moment) -> Object:
    """A ServiceCIDR that the server makes."""
    return {
        "apiVersion": SERVICE_CIDR.api_version,
        "kind": SERVICE_CIDR.name,
        "metadata": {
            "name": name,
            "uid": moment.uid,
            "creationTimestamp": moment.time,
            "generation": 1,
            "finalizers": [FINALIZER],
        },
        "spec": {"cidrs": [*cidrs]},
        "status": {"conditions": [condition("True", "", READY, moment.time)]},
    }
