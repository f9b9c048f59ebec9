"""The search path of a pod (`dnsPolicy: ClusterFirst`): its namespace's services, all services, the zone.

The client's address says which namespace that is, if pods are watched. A query that a search path led to carries it
as well: `www.example.org.NS.svc.ZONE` is what a pod in NS asks for first.
"""

from kdns.cluster.entries import Label
from kdns.cluster.names import SVC
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.pods import Pods
from kdns.wire.names import Name


def path(namespace: Label, zone: Name) -> tuple[Name, ...]:
    """The names below which a pod of the namespace looks, in its order."""
    services = SVC + zone
    return namespace + services, services, zone


def of_client(pods: Pods, address: str) -> Label | None:
    """The namespace of the pod at an address: of several on the host's network always the same one."""
    where = min(pods.at(address), default=None)
    return where and where[0]


def of_name(labels: list[Label], namespaces: Namespaces) -> Label | None:
    """The namespace that a name is below, by its labels in front of the zone; None for one that is not exposed."""
    match labels:
        case [_, *_, namespace, branch] if branch == SVC and namespace in namespaces.exposed:
            return namespace
    return None
