"""Services in a transaction: their addresses and node ports come from the pools and go back to them."""

from ipamd.json import Object
from ipamd.kube.document import child
from ipamd.kube.kinds import SERVICE
from ipamd.kube.metadata import metadata_causes
from ipamd.kube.nodeports import claim_ports, ports_in_use, release_ports
from ipamd.kube.service_rules import (
    NONE,
    carry_over,
    change_causes,
    choose_families,
    fill_in,
    service_causes,
    to_single_stack,
)
from ipamd.kube.shapes import Meta, Service, view
from ipamd.kube.work import FAMILY_NUMBERS, Work, lease_for, refuse, release_addresses, release_all
from ipamd.model import Wish

ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def admit_new(work: Work, document: Object) -> None:
    """Completes a new Service, in place: defaults, addresses, node ports. Raises StatusError 422."""
    fill_in(document)
    service = view(document, Service)
    refuse(SERVICE, service.metadata, [*metadata_causes(SERVICE, service.metadata), *service_causes(service.spec)])
    give_addresses(work, document, ())
    refuse(SERVICE, service.metadata, claim_ports(work, document))


def admit_change(work: Work, old: Object, document: Object) -> None:
    """Completes a changed Service: it keeps what it had and the change leaves open. Raises StatusError 422."""
    before = view(old, Service)
    fill_in(document)
    carry_over(document, before)
    to_single_stack(document, before)
    turn_to_external_name(document, before)
    service = view(document, Service)
    causes = [*metadata_causes(SERVICE, service.metadata), *service_causes(service.spec)]
    refuse(SERVICE, service.metadata, [*causes, *change_causes(before.spec, service.spec)])
    give_addresses(work, document, before.spec.cluster_ips)
    # A port that moves from one Service to another in one step does not exist: claim first, then give back.
    refuse(SERVICE, service.metadata, claim_ports(work, document))
    release_ports(work, ports_in_use(old) - ports_in_use(document))


def turn_to_external_name(document: Object, before: Service) -> None:
    """Takes the addresses off a Service that becomes an ExternalName and was sent with those that it had."""
    spec = child(document, "spec")
    if spec.get("type") != "ExternalName" or before.spec.type == "ExternalName":
        return
    if spec.get("clusterIP") in (None, "", before.spec.cluster_ip):
        for field in (*ADDRESS_FIELDS, "internalTrafficPolicy", "externalTrafficPolicy"):
            spec.pop(field, None)


def give_addresses(work: Work, document: Object, had: tuple[str, ...]) -> None:
    """Sets families and clusterIPs: leases what is missing, and releases what is left over of `had`."""
    service = view(document, Service)
    asked = service.spec.cluster_ips
    release_addresses(work, SERVICE, service.metadata, {*had} - {*asked, NONE})
    if service.spec.type == "ExternalName":
        return
    pools = tuple(f"IPv{family}" for family in work.families("services"))
    policy, families, causes = choose_families(service.spec, pools)
    refuse(SERVICE, service.metadata, causes)
    if asked[:1] == (NONE,):
        addresses = [NONE]
    else:
        asked_for = [*asked, *[""] * len(families)]
        addresses = [address(work, service.metadata, f, a, had) for f, a in zip(families, asked_for, strict=False)]
    spec = child(document, "spec")
    spec |= {"ipFamilyPolicy": policy, "ipFamilies": [*families]}
    spec |= {"clusterIP": addresses[0], "clusterIPs": [*addresses]}


def address(work: Work, meta: Meta, family: str, asked: str, had: tuple[str, ...]) -> str:
    """The address of one family: the one that it had, the one asked for, or the next free one."""
    if asked and asked in had:
        return asked
    wish = Wish(purpose="services", family=FAMILY_NUMBERS[family], address=asked or None)
    return lease_for(work, SERVICE, meta, wish, "spec.clusterIPs")


def forget(work: Work, document: Object) -> None:
    """Gives back what a deleted Service had."""
    release_all(work, SERVICE, view(document, Service).metadata)
    release_ports(work, ports_in_use(document))
