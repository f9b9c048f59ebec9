"""All that is known of one cluster, and what each object that comes or goes changes in it.

One value, so that a configuration that replaces another can go on from what that one knew.
"""

from kdns.cluster import objects
from kdns.cluster.entries import Form
from kdns.cluster.external import Externals
from kdns.cluster.index import Index
from kdns.cluster.namespaces import Namespaces
from kdns.cluster.pods import Pods
from kdns.cluster.publish import Key
from kdns.cluster.settings import Settings


class State:
    """What a configuration wants to know of a cluster; `externals` only from when somebody asks for them."""

    def __init__(self, chosen: Settings) -> None:
        form = Form(chosen.ttl, chosen.pod_names, chosen.zonal)
        self.index = Index(form, ignore_empty=chosen.ignore_empty)
        self.imports = Index(form._replace(zonal=False, clusterset=True), ignore_empty=chosen.ignore_empty)
        self.namespaces = Namespaces(chosen.namespaces)
        self.pods = Pods()
        self.externals: Externals | None = None

    def put_service(self, service: objects.Service) -> tuple[Key, ...]:
        """A Service is new or differs; the keys of what may be answered differently now. WireError: see Index."""
        changed = self.index.put_service(service)
        return (*changed, *(self.externals.put(service) if self.externals is not None else ()))

    def delete_service(self, namespace: str, name: str) -> tuple[Key, ...]:
        """A Service is gone; the keys of what may be answered differently now."""
        changed = self.index.delete_service(namespace, name)
        return (*changed, *(self.externals.delete(namespace, name) if self.externals is not None else ()))
