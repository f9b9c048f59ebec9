"""What a Service must be: defaults, validation, and which address families it gets. Pure; `services` allocates.

Source: Kubernetes' pkg/apis/core/validation (ValidateService) and pkg/registry/core/service/storage/alloc.go.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from ipamd.json import Json, Object
from ipamd.kube.document import child, peek, text
from ipamd.kube.metadata import LABEL, LABEL_RULE, SUBDOMAIN, SUBDOMAIN_RULE, label_causes
from ipamd.kube.shapes import Service, ServicePort, ServiceSpec
from ipamd.kube.status import Cause, duplicate, forbidden_field, missing, unsupported, wrong_value

NONE = "None"  # the clusterIP of a headless Service
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
FAMILIES = ("IPv4", "IPv6")
PROTOCOLS = ("SCTP", "TCP", "UDP")
PORT_NAME = re.compile(r"(?=.{1,15}$)(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?")
PORT_RANGE = "must be between 1 and 65535, inclusive"
ADDRESS_RULE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def fill_in(document: Object) -> None:
    """Set what the API defaults, in place: type, affinity, policies, protocols and target ports."""
    spec = child(document, "spec")
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", NONE)
    kind = spec["type"]
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    for port in ports_of(document):
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    child(document, "status", "loadBalancer")


def ports_of(document: Object) -> list[Object]:
    """The ports of a Service, to be changed in place."""
    ports = peek(document, "spec", "ports")
    return [port for port in ports if isinstance(port, dict)] if isinstance(ports, list) else []


def carry_over(document: Object, old: Service) -> None:
    """Give a replaced Service the addresses and ports that it had, where the new one leaves them open."""
    spec = child(document, "spec")
    before = old.spec
    if "ExternalName" in (text(spec, "type"), before.type):
        return
    unchanged = spec.get("clusterIPs") == [*before.cluster_ips]
    if not spec.get("clusterIP") and (not spec.get("clusterIPs") or unchanged):
        spec["clusterIP"], spec["clusterIPs"] = before.cluster_ip, [*before.cluster_ips]
    elif spec.get("clusterIP") == before.cluster_ip and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [*before.cluster_ips]
    elif unchanged and isinstance(spec["clusterIP"], str):
        spec["clusterIPs"] = [spec["clusterIP"], *before.cluster_ips[1:]]
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = [*before.ip_families]
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = before.ip_family_policy
    carry_over_ports(document, before)


def carry_over_ports(document: Object, before: ServiceSpec) -> None:
    """Give ports without a nodePort the one that the same port had."""
    if text(document, "spec", "type") not in ("NodePort", "LoadBalancer"):
        return
    had = {(port.protocol, port.port): port.node_port for port in before.ports if port.node_port}
    for port in ports_of(document):
        kept = had.get((text(port, "protocol") or "TCP", number(port.get("port"))))
        if not port.get("nodePort") and kept:
            port["nodePort"] = kept
    if before.health_check_node_port:
        child(document, "spec").setdefault("healthCheckNodePort", before.health_check_node_port)


def number(value: Json) -> int:
    """`value` if it is a number, else 0."""
    return value if isinstance(value, int) else 0


def service_causes(spec: ServiceSpec) -> Iterator[Cause]:
    """What is wrong with a Service, apart from what depends on the pools."""
    if spec.type not in TYPES:
        yield unsupported("spec.type", spec.type, TYPES)
    if spec.type == "ExternalName":
        yield from external_name_causes(spec)
    else:
        yield from address_causes(spec)
        if not spec.ports and spec.cluster_ip != NONE:
            yield missing("spec.ports")
    yield from ports_causes(spec)
    yield from label_causes("spec.selector", spec.selector)
    for place, address in enumerate(spec.external_ips):
        if not is_address(address):
            yield wrong_value(f"spec.externalIPs[{place}]", address, ADDRESS_RULE)


def external_name_causes(spec: ServiceSpec) -> Iterator[Cause]:
    """What is wrong with the fields of an ExternalName."""
    if not spec.external_name:
        yield missing("spec.externalName")
    elif not SUBDOMAIN.fullmatch(spec.external_name.removesuffix(".")):
        yield wrong_value("spec.externalName", spec.external_name, SUBDOMAIN_RULE)
    for field, value in (
        ("clusterIPs", spec.cluster_ips),
        ("ipFamilies", spec.ip_families),
        ("ipFamilyPolicy", spec.ip_family_policy),
    ):
        if value:
            yield forbidden_field(f"spec.{field}", "may not be set for ExternalName services")


def address_causes(spec: ServiceSpec) -> Iterator[Cause]:
    """What is wrong with clusterIPs, families and policy taken together."""
    shown = spec.cluster_ips
    if spec.cluster_ips and not spec.cluster_ip:
        yield wrong_value("spec.clusterIPs", shown, "must be empty when `clusterIP` is not specified")
    elif spec.cluster_ips and spec.cluster_ips[0] != spec.cluster_ip:
        yield wrong_value("spec.clusterIPs[0]", shown, "first value must match `clusterIP`")
    if spec.cluster_ip == NONE and spec.type in ("NodePort", "LoadBalancer"):
        yield wrong_value("spec.clusterIPs[0]", NONE, f"may not be set to 'None' for {spec.type} services")
    if NONE in spec.cluster_ips and len(spec.cluster_ips) > 1:
        yield wrong_value("spec.clusterIPs", shown, "'None' must be the first and only value")
    elif len(spec.cluster_ips) > 2:
        yield wrong_value("spec.clusterIPs", shown, "may only hold up to 2 values")
    for place, address in enumerate(spec.cluster_ips):
        if address != NONE and not is_address(address):
            yield wrong_value(f"spec.clusterIPs[{place}]", address, ADDRESS_RULE)
    if spec.ip_family_policy and spec.ip_family_policy not in POLICIES:
        yield unsupported("spec.ipFamilyPolicy", spec.ip_family_policy, POLICIES)
    yield from family_causes(spec)


def family_causes(spec: ServiceSpec) -> Iterator[Cause]:
    """What is wrong with the families that are asked for, or does not go with the addresses that are."""
    for place, family in enumerate(spec.ip_families):
        if family not in FAMILIES:
            yield unsupported(f"spec.ipFamilies[{place}]", family, FAMILIES)
        elif family in spec.ip_families[:place]:
            yield duplicate(f"spec.ipFamilies[{place}]", family)
    found = [family_of(address) for address in spec.cluster_ips if is_address(address)]
    if len(found) == 2 and found[0] == found[1]:
        rule = "may specify no more than one IP for each IP family"
        yield wrong_value("spec.clusterIPs", spec.cluster_ips, rule)
    for place, (family, wanted) in enumerate(zip(found, spec.ip_families, strict=False)):
        if family != wanted:
            rule = f"expected an {wanted} value as indicated by `ipFamilies[{place}]`"
            yield wrong_value(f"spec.clusterIPs[{place}]", spec.cluster_ips[place], rule)


def ports_causes(spec: ServiceSpec) -> Iterator[Cause]:
    """What is wrong with the ports."""
    for place, port in enumerate(spec.ports):
        field, earlier = f"spec.ports[{place}]", spec.ports[:place]
        yield from port_causes(field, port, named=len(spec.ports) > 1)
        if port.name and any(other.name == port.name for other in earlier):
            yield duplicate(f"{field}.name", port.name)
        if any((other.protocol, other.port) == (port.protocol, port.port) for other in earlier):
            yield duplicate(field, f"{port.port}/{port.protocol}")
        if port.node_port and spec.type in ("ClusterIP", "ExternalName"):
            yield forbidden_field(f"{field}.nodePort", f"may not be used when `type` is '{spec.type}'")


def port_causes(field: str, port: ServicePort, *, named: bool) -> Iterator[Cause]:
    """What is wrong with one port; `named` says that it has to have a name."""
    if named and not port.name:
        yield missing(f"{field}.name")
    elif port.name and not LABEL.fullmatch(port.name):
        yield wrong_value(f"{field}.name", port.name, LABEL_RULE)
    if not 1 <= port.port <= 65535:
        yield wrong_value(f"{field}.port", port.port, PORT_RANGE)
    if port.protocol not in PROTOCOLS:
        yield unsupported(f"{field}.protocol", port.protocol, PROTOCOLS)
    if isinstance(port.target_port, int):
        if not 1 <= port.target_port <= 65535:
            yield wrong_value(f"{field}.targetPort", port.target_port, PORT_RANGE)
    elif not PORT_NAME.fullmatch(port.target_port):
        rule = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and at least one letter"
        yield wrong_value(f"{field}.targetPort", port.target_port, rule)


def change_causes(old: ServiceSpec, new: ServiceSpec) -> Iterator[Cause]:
    """What a change of a Service may not change: its primary address and family, while it has them."""
    if "ExternalName" in (old.type, new.type):
        return
    if old.cluster_ip and new.cluster_ip != old.cluster_ip:
        yield wrong_value("spec.clusterIPs[0]", new.cluster_ips, "may not change once set")
    if old.ip_families and new.ip_families and old.ip_families[0] != new.ip_families[0]:
        yield wrong_value("spec.ipFamilies[0]", new.ip_families[0], "may not change once set")
    if new.ip_family_policy != "SingleStack":
        for what, before, after in (
            ("cluster IP", old.cluster_ips, new.cluster_ips),
            ("IP family", old.ip_families, new.ip_families),
        ):
            if len(after) == 1 < len(before):
                rule = f"must be 'SingleStack' to release the secondary {what}"
                yield wrong_value("spec.ipFamilyPolicy", new.ip_family_policy, rule)


def to_single_stack(document: Object, old: Service) -> None:
    """Drop the second address and family when a dual-stack Service is changed to SingleStack and they were left."""
    spec = child(document, "spec")
    if spec.get("ipFamilyPolicy") != "SingleStack":
        return
    for field, before in (("clusterIPs", old.spec.cluster_ips), ("ipFamilies", old.spec.ip_families)):
        if len(before) > 1 and spec.get(field) == [*before]:
            spec[field] = [before[0]]


def choose_families(spec: ServiceSpec, pools: tuple[str, ...]) -> tuple[str, tuple[str, ...], list[Cause]]:
    """The policy and the families of a Service, and what is wrong with them.

    `pools` are the families that have a pool for services, the default one first.
    """
    headless_alone = spec.cluster_ip == NONE and not spec.selector
    policy = spec.ip_family_policy or ("RequireDualStack" if headless_alone else "SingleStack")
    inferred = [family_of(a) for a in spec.cluster_ips[len(spec.ip_families) :] if a != NONE]
    families = [*spec.ip_families, *inferred] or [*(pools or FAMILIES)[:1]]
    causes = [*policy_causes(spec, policy), *inferred_causes(spec, pools)]
    if not causes and not headless_alone:
        causes += configured_causes(policy, families, pools)
    both = headless_alone or len(pools) > 1
    if policy != "SingleStack" and len(families) == 1 and both:
        families.append("IPv6" if families[0] == "IPv4" else "IPv4")
    return policy, tuple(families), causes


def policy_causes(spec: ServiceSpec, policy: str) -> Iterator[Cause]:
    """What a single-stack Service has too much of."""
    for what, count in (("cluster IPs", len(spec.cluster_ips)), ("IP families", len(spec.ip_families))):
        if count > 1 and policy == "SingleStack":
            rule = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            yield wrong_value("spec.ipFamilyPolicy", policy, rule)


def inferred_causes(spec: ServiceSpec, pools: tuple[str, ...]) -> Iterator[Cause]:
    """Which addresses that are asked for without naming their family are of one that is not there."""
    for place, address in enumerate(spec.cluster_ips):
        family = family_of(address)
        if address != NONE and place >= len(spec.ip_families) and family not in pools:
            rule = f"{family} is not configured on this cluster"
            yield wrong_value(f"spec.clusterIPs[{place}]", spec.cluster_ips, rule)


def configured_causes(policy: str, families: list[str], pools: tuple[str, ...]) -> Iterator[Cause]:
    """What is asked of a cluster that has not got it."""
    if policy == "RequireDualStack" and len(pools) < 2:
        rule = "this cluster is not configured for dual-stack services"
        yield wrong_value("spec.ipFamilyPolicy", policy, rule)
    for place, family in enumerate(families):
        if family not in pools:
            yield wrong_value(f"spec.ipFamilies[{place}]", family, "not configured on this cluster")


def keeps_preferring(old: ServiceSpec, new: ServiceSpec) -> bool:
    """Whether a Service that prefers two families is changed in nothing that concerns them.

    It keeps what it has then, though the cluster may have got a second family, or lost one, since it was made.
    """
    if "ExternalName" in (old.type, new.type):
        return False
    wanted = (old.ip_family_policy, new.ip_family_policy) == ("PreferDualStack", "PreferDualStack")
    return wanted and (old.cluster_ips, old.ip_families) == (new.cluster_ips, new.ip_families)


def is_address(text: str) -> bool:
    """Whether `text` is an IP address, without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def family_of(address: str) -> str:
    """IPv4 or IPv6."""
    return "IPv6" if ":" in address else "IPv4"
