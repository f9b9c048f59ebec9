"""Node ports: each belongs to one Service, as the object of kind NodePort under its number says.

The upper part of the range is given out first, the lower part is left to those who ask for a number, as in KEP-3668.
"""

import hashlib
from collections.abc import Iterator
from itertools import chain

from ipamd.json import Object
from ipamd.kube.document import child, decode, peek, text
from ipamd.kube.service_rules import ports_of
from ipamd.kube.status import Cause, wrong_value
from ipamd.kube.work import Work

KIND = "NodePort"
FIRST, LAST = 30000, 32767  # inclusive; the API server's --service-node-port-range
STATIC = 86  # ports at the bottom of the range that are given out last
RANGE_RULE = f"provided port is not in the valid range. The range of valid ports is {FIRST}-{LAST}"


def claim_ports(work: Work, document: Object) -> list[Cause]:
    """Claim the node ports that a Service asks for, and give it those that it leaves open; say what is wrong."""
    causes: list[Cause] = []
    wanted = needs_node_ports(document)
    for place, port in enumerate(ports_of(document)):
        if wanted or port.get("nodePort"):
            field = f"spec.ports[{place}].nodePort"
            causes += settle(work, document, port, "nodePort", field, f"{port.get('port')}/{port.get('protocol')}")
    if needs_health_check_port(document):
        spec = child(document, "spec")
        causes += settle(work, document, spec, "healthCheckNodePort", "spec.healthCheckNodePort", "health")
    return causes


def settle(work: Work, document: Object, at: Object, member: str, field: str, purpose: str) -> Iterator[Cause]:
    """Claim the port in `at[member]`, or put a free one there."""
    asked = at.get(member)
    if isinstance(asked, int) and asked:
        yield from claim(work, document, asked, field)
    elif (free := next_free(work, document, purpose)) is not None:
        record(work, document, free)
        at[member] = free
    else:
        yield wrong_value(field, 0, "failed to allocate a nodePort: range is full")


def needs_node_ports(document: Object) -> bool:
    """Whether every port of the Service is to have a node port."""
    kind = text(document, "spec", "type")
    return kind == "NodePort" or (
        kind == "LoadBalancer" and peek(document, "spec", "allocateLoadBalancerNodePorts") is not False
    )


def needs_health_check_port(document: Object) -> bool:
    """Whether a load balancer is to ask each node if it has endpoints."""
    spec = child(document, "spec")
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def claim(work: Work, document: Object, port: int, field: str) -> Iterator[Cause]:
    """Make `port` the Service's own; the cause when it is another's, or no node port."""
    if not FIRST <= port <= LAST:
        yield wrong_value(field, port, RANGE_RULE)
        return
    holder = work.tx.get(KIND, "", str(port))
    if holder is None:
        record(work, document, port)
    elif text(decode(holder.body), "service") != owner_key(document):
        yield wrong_value(field, port, "provided port is already allocated")


def next_free(work: Work, document: Object, purpose: str) -> int | None:
    """The first free port from a place on that follows from the Service and the purpose; None when all are taken."""
    seed = f"{text(document, 'metadata', 'uid')} {purpose}"
    size = LAST - FIRST - STATIC + 1
    start: int = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % size
    dynamic = (FIRST + STATIC + (start + step) % size for step in range(size))
    for port in chain(dynamic, range(FIRST, FIRST + STATIC)):
        if work.tx.get(KIND, "", str(port)) is None:
            return port
    return None


def record(work: Work, document: Object, port: int) -> None:
    """Write down that the port is the Service's."""
    work.tx.put(KIND, "", str(port), {"service": owner_key(document)})


def owner_key(document: Object) -> str:
    """The Service, as it stands in the record of a port."""
    return f"{text(document, 'metadata', 'namespace')}/{text(document, 'metadata', 'name')}"


def ports_in_use(document: Object) -> set[int]:
    """The node ports that a Service has."""
    found = [port.get("nodePort") for port in ports_of(document)] + [peek(document, "spec", "healthCheckNodePort")]
    return {port for port in found if isinstance(port, int) and port}


def release_ports(work: Work, ports: set[int]) -> None:
    """Give ports back."""
    for port in sorted(ports):
        work.tx.delete(KIND, "", str(port))
