"""What a cluster knows about a query before it is answered, by label: the parts of the name, and the pod that asks.

Labels and their values are CoreDNS's. A part that a name does not have is an empty text.
"""

from kdns.cluster.entries import Label, Labels
from kdns.cluster.names import Asked, Grammar, read
from kdns.cluster.pods import Pods

INVALID = "invalid query name"


def of_name(labels: list[Label], grammar: Grammar) -> dict[str, str]:
    """The parts of a name, by its labels in front of the zone."""
    asked = read(labels, grammar)
    if asked is None:
        return {"kubernetes/parse-error": INVALID}
    found = {
        "port-name": _text(asked.port),
        "protocol": _text(asked.protocol),
        "endpoint": _text(_endpoint(asked, grammar)),
        "service": _text(asked.name),
        "namespace": _text(asked.namespace),
        "kind": _text(asked.branch),
    }
    if grammar.clusterset:
        found["cluster"] = _text(asked.endpoint[len(_endpoint(asked, grammar)) :])
    if grammar.zonal:
        found["zone"] = asked.topology.decode("latin-1")
    return {f"kubernetes/{name}": value for name, value in found.items()}


def of_client(pods: Pods, address: str) -> dict[str, str]:
    """The pod at an address, as far as it is known: of several on the host's network the first by name."""
    where = min(pods.at(address), default=None)
    if where is None:
        return {}
    namespace, name = where
    found = {"kubernetes/client-namespace": _text(namespace), "kubernetes/client-pod-name": name}
    return found | {f"kubernetes/client-label/{label}": value for label, value in pods.labels(where).items()}


def _endpoint(asked: Asked, grammar: Grammar) -> Labels:
    whole = asked.endpoint
    return whole[: 1 + whole[0]] if whole and grammar.clusterset else whole


def _text(label: Labels) -> str:
    return label[1:].decode("latin-1")
