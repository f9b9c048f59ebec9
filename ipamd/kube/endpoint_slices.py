"""EndpointSlices that a client writes: defaults and validation.

Source: Kubernetes' pkg/apis/discovery/validation.
"""

from collections.abc import Iterator

from ipamd.json import Object
from ipamd.kube.document import peek
from ipamd.kube.kinds import ENDPOINT_SLICE
from ipamd.kube.metadata import LABEL, LABEL_RULE, SUBDOMAIN, SUBDOMAIN_RULE, metadata_causes
from ipamd.kube.service_rules import ADDRESS_RULE, PORT_RANGE, PROTOCOLS, is_address
from ipamd.kube.shapes import Endpoint, EndpointPort, EndpointSlice, view
from ipamd.kube.status import Cause, duplicate, missing, unsupported, wrong_value
from ipamd.kube.work import Work, refuse

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MOST_ENDPOINTS, MOST_PORTS, MOST_ADDRESSES = 1000, 20000, 100


def admit_new(_work: Work, document: Object) -> None:
    """Complete a new slice, in place. Raises StatusError 422."""
    ports = peek(document, "ports")
    for port in ports if isinstance(ports, list) else []:
        if isinstance(port, dict):
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")
    found = view(document, EndpointSlice)
    refuse(ENDPOINT_SLICE, found.metadata, [*slice_causes(found)])


def admit_change(work: Work, old: Object, document: Object) -> None:
    """Complete a changed slice, in place. Raises StatusError 422."""
    before, found = view(old, EndpointSlice), view(document, EndpointSlice)
    if before.address_type != found.address_type:
        cause = wrong_value("addressType", found.address_type, "field is immutable")
        refuse(ENDPOINT_SLICE, found.metadata, [cause])
    admit_new(work, document)


def forget(_work: Work, _document: Object) -> None:
    """A slice holds nothing."""


def slice_causes(found: EndpointSlice) -> Iterator[Cause]:
    """What is wrong with a slice."""
    yield from metadata_causes(ENDPOINT_SLICE, found.metadata)
    if not found.address_type:
        yield missing("addressType")
    elif found.address_type not in ADDRESS_TYPES:
        yield unsupported("addressType", found.address_type, ADDRESS_TYPES)
    for field, entries, most in (("endpoints", found.endpoints, MOST_ENDPOINTS), ("ports", found.ports, MOST_PORTS)):
        if len(entries) > most:
            yield Cause(field, "FieldValueTooMany", f"Too many: {len(entries)}: must have at most {most} items")
    for place, endpoint in enumerate(found.endpoints[:MOST_ENDPOINTS]):
        yield from endpoint_causes(f"endpoints[{place}]", endpoint, found.address_type)
    names = [port.name or "" for port in found.ports]
    for place, port in enumerate(found.ports):
        yield from port_causes(f"ports[{place}]", port)
        if names[place] in names[:place]:
            yield duplicate(f"ports[{place}].name", names[place])


def endpoint_causes(field: str, endpoint: Endpoint, address_type: str) -> Iterator[Cause]:
    """What is wrong with one endpoint."""
    if not endpoint.addresses:
        yield missing(f"{field}.addresses", "must contain at least 1 address")
    elif len(endpoint.addresses) > MOST_ADDRESSES:
        yield Cause(f"{field}.addresses", "FieldValueTooMany", f"Too many: must have at most {MOST_ADDRESSES} items")
    for place, address in enumerate(endpoint.addresses):
        rule = address_rule(address, address_type)
        if rule:
            yield wrong_value(f"{field}.addresses[{place}]", address, rule)
    if endpoint.hostname and not LABEL.fullmatch(endpoint.hostname):
        yield wrong_value(f"{field}.hostname", endpoint.hostname, LABEL_RULE)


def address_rule(address: str, address_type: str) -> str:
    """The rule that `address` breaks; "" when it is right."""
    if address_type == "FQDN":
        return "" if SUBDOMAIN.fullmatch(address.removesuffix(".")) else SUBDOMAIN_RULE
    if not is_address(address):
        return ADDRESS_RULE
    return "" if (":" in address) == (address_type == "IPv6") else f"must be a valid {address_type} address"


def port_causes(field: str, port: EndpointPort) -> Iterator[Cause]:
    """What is wrong with one port."""
    if port.name and not LABEL.fullmatch(port.name):
        yield wrong_value(f"{field}.name", port.name, LABEL_RULE)
    if port.port is not None and not 1 <= port.port <= 65535:
        yield wrong_value(f"{field}.port", port.port, PORT_RANGE)
    if port.protocol is not None and port.protocol not in PROTOCOLS:
        yield unsupported(f"{field}.protocol", port.protocol, PROTOCOLS)
