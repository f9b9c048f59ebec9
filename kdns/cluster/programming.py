"""How long a change of endpoints took from the cluster to DNS: Kubernetes' DNS programming latency.

The endpoint slice controller writes into a slice when the change happened that made it; what is left is a subtraction.
"""

from datetime import datetime
from typing import NamedTuple

from kdns.cluster.entries import SERVICE_NAME, service_key
from kdns.cluster.index import Index
from kdns.cluster.objects import EndpointSlice

TRIGGERED = "endpoints.kubernetes.io/last-change-trigger-time"


class Latency(NamedTuple):
    """`kind` is cluster_ip or headless_with_selector, as the metric's label has it."""

    kind: str
    seconds: float


def latency(index: Index, slice_: EndpointSlice, now: float) -> Latency | None:
    """How long ago (`now` in Unix seconds) the change happened that a slice tells of.

    None if it does not say or its service is unknown. ValueError if it says so in a wrong way.
    """
    meta = slice_.metadata
    triggered = (meta.annotations or {}).get(TRIGGERED)
    entry = index.entry(service_key(meta.namespace, (meta.labels or {}).get(SERVICE_NAME, "")))
    if not triggered or entry is None:
        return None
    kind = "headless_with_selector" if entry.headless else "cluster_ip"
    changed = datetime.fromisoformat(triggered)
    if changed.tzinfo is None:
        raise ValueError(f"a time without its zone: {triggered}")
    return Latency(kind, now - changed.timestamp())
