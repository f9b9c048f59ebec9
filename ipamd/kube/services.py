"""Services in a transaction: their addresses and node ports come from the pools and go back to them."""

from ipamd.json import Object
from ipamd.kube.document import child
from ipamd.kube.kinds import SERVICE
from ipamd.kube.metadata import metadata_causes
from ipamd.kube.nodeports import claim_ports, ports_in_use, release_ports
from ipamd.kube.service_addresses import Claim, give_back, take
from ipamd.kube.service_cidrs import families
from ipamd.kube.service_rules import (
    NONE,
    carry_over,
    change_causes,
    choose_families,
    fill_in,
    keeps_preferring,
    service_causes,
    to_single_stack,
)
from ipamd.kube.shapes import Service, view
from ipamd.kube.work import Work, refuse

ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def admit_new(work: Work, document: Object) -> None:
    """Complete a new Service, in place: defaults, addresses, node ports. Raises StatusError 422."""
    fill_in(document)
    service = view(document, Service)
    refuse(SERVICE, service.metadata, [*metadata_causes(SERVICE, service.metadata), *service_causes(service.spec)])
    give_addresses(work, document, ())
    refuse(SERVICE, service.metadata, claim_ports(work, document))


def admit_change(work: Work, old: Object, document: Object) -> None:
    """Complete a changed Service: it keeps what it had and the change leaves open. Raises StatusError 422."""
    before = view(old, Service)
    fill_in(document)
    carry_over(document, before)
    to_single_stack(document, before)
    turn_to_external_name(document, before)
    service = view(document, Service)
    causes = [*metadata_causes(SERVICE, service.metadata), *service_causes(service.spec)]
    refuse(SERVICE, service.metadata, [*causes, *change_causes(before.spec, service.spec)])
    if not keeps_preferring(before.spec, service.spec):
        give_addresses(work, document, before.spec.cluster_ips)
    # A port that moves from one Service to another in one step does not exist: claim first, then give back.
    refuse(SERVICE, service.metadata, claim_ports(work, document))
    release_ports(work, ports_in_use(old) - ports_in_use(document))


def turn_to_external_name(document: Object, before: Service) -> None:
    """Take the addresses off a Service that becomes an ExternalName and was sent with those that it had."""
    spec = child(document, "spec")
    if spec.get("type") != "ExternalName" or before.spec.type == "ExternalName":
        return
    if spec.get("clusterIP") in (None, "", before.spec.cluster_ip):
        for field in (*ADDRESS_FIELDS, "internalTrafficPolicy", "externalTrafficPolicy"):
            spec.pop(field, None)


def give_addresses(work: Work, document: Object, had: tuple[str, ...]) -> None:
    """Set families and clusterIPs: lease what is missing, and release what is left over of `had`."""
    service = view(document, Service)
    asked = service.spec.cluster_ips
    give_back(work, service.metadata, {*had} - {*asked, NONE})
    if service.spec.type == "ExternalName":
        return
    policy, chosen, causes = choose_families(service.spec, families(work.tx))
    refuse(SERVICE, service.metadata, causes)
    addresses = [NONE] if asked[:1] == (NONE,) else addresses_of(work, service, chosen, had)
    spec = child(document, "spec")
    spec |= {"ipFamilyPolicy": policy, "ipFamilies": [*chosen]}
    spec |= {"clusterIP": addresses[0], "clusterIPs": [*addresses]}


def addresses_of(work: Work, service: Service, chosen: tuple[str, ...], had: tuple[str, ...]) -> list[str]:
    """An address of each family: the one that it had, the one asked for, or the next free one."""
    listed = service.spec.cluster_ips
    asked = [*listed, *[""] * len(chosen)]
    return [
        each if each and each in had else take(work, Claim(service.metadata, family, listed), each)
        for family, each in zip(chosen, asked, strict=False)
    ]


def forget(work: Work, document: Object) -> None:
    """Give back what a deleted Service had."""
    service = view(document, Service)
    give_back(work, service.metadata, {*service.spec.cluster_ips})
    release_ports(work, ports_in_use(document))
