"""The search path of a pod (`dnsPolicy: ClusterFirst`): its namespace's services, all services, the zone.

The client's address says which namespace that is, if pods are watched. A query that a search path led to carries it
as well: `www.example.org.NS.svc.ZONE` is what a pod in NS asks for first.
"""

from kdns.cluster.entries import Label
from kdns.cluster.names import SVC
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.pods import Pods
from kdns.wire.names import Name


def path(
    zone: Name,
    labels: list[Label],
    pods: Pods,
    client: str | None,
    namespaces: Namespaces | None,
    own: tuple[Name, ...] = (),
) -> tuple[tuple[Name, ...], tuple[Label, ...] | None]:
    """Where the client looks that asks for a name of a zone (its labels in front of that), then the server's `own`.

    And the index keys that this was made from, None if another client would look elsewhere.
    `client` is its address, where `pods` are watched; `namespaces` tell where a client is that is no known pod.
    """
    namespace = None if client is None else of_client(pods, client)
    named = of_name(labels) if namespaces is not None else None
    if namespace is None and namespaces is not None and named in namespaces.exposed:
        namespace = named
    keys = None if client is not None else () if named is None else (named,)
    return () if namespace is None else (*below(namespace, zone), *own), keys


def below(namespace: Label, zone: Name) -> tuple[Name, ...]:
    """The names below which a pod of the namespace looks, in its order."""
    services = SVC + zone
    return namespace + services, services, zone


def of_client(pods: Pods, address: str) -> Label | None:
    """The namespace of the pod at an address: of several on the host's network always the same one."""
    where = min(pods.at(address), default=None)
    return where and where[0]


def of_name(labels: list[Label]) -> Label | None:
    """The namespace that a name is below, by its labels in front of the zone, whether it exists or not."""
    match labels:
        case [_, *_, namespace, branch] if branch == SVC:
            return namespace
    return None
