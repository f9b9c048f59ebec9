"""What a cluster has from the start: four Namespaces, the ServiceCIDR `kubernetes`, and a Service on its first address.

A store of before there were IPAddress objects gets those of its Services.
"""

from uuid import UUID, uuid5

import msgspec

from ipamd.json import Object
from ipamd.kube import shapes
from ipamd.kube.cidr_upkeep import make_default
from ipamd.kube.ip_addresses import managed
from ipamd.kube.kinds import IP_ADDRESS, NAMESPACE, SERVICE
from ipamd.kube.metadata import Moment
from ipamd.kube.namespaces import FROM_THE_START
from ipamd.kube.objects import Target, create
from ipamd.kube.service_cidrs import ready_ranges
from ipamd.kube.service_rules import is_address
from ipamd.kube.work import Work
from ipamd.ranges import read_address, show_address

API_PORT = 443


def bootstrap(work: Work) -> None:
    """Make what is missing. The Service is made only where there is a ServiceCIDR."""
    for name in FROM_THE_START:
        make(work, Target(NAMESPACE, "", name), {"metadata": {"name": name}})
    make_default(work.tx)
    if address := first_address(work):
        make(work, Target(SERVICE, "default", "kubernetes"), kubernetes(address))
    make_ip_addresses(work)


def make(work: Work, target: Target, document: Object) -> None:
    """Create an object unless it is there."""
    if work.tx.get(target.kind.name, target.namespace, target.name) is None:
        uid = str(uuid5(UUID(work.moment.uid), f"{target.kind.name} {target.name}"))
        create(work._replace(moment=Moment(work.moment.now, uid)), target, document)


def first_address(work: Work) -> str:
    """The first address of the first ServiceCIDR, which the API server has in every cluster; "" without one."""
    found = next(iter(ready_ranges(work.tx)), None)
    return show_address(found.cidr.family, found.window[0]) if found is not None and found.size else ""


def make_ip_addresses(work: Work) -> None:
    """Make the IPAddress objects that Services lack."""
    for stored in work.tx.list(SERVICE.name):
        service = msgspec.json.decode(stored.body, type=shapes.Service)
        for text in filter(is_address, service.spec.cluster_ips):
            name = str(read_address(text))
            if work.tx.get(IP_ADDRESS.name, "", name) is None:
                meta = service.metadata
                work.tx.put(IP_ADDRESS.name, "", name, managed(name, meta.namespace, meta.name, work.tx.now))


def kubernetes(address: str) -> Object:
    """The Service as the API server makes it."""
    return {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {"clusterIP": address, "ports": [{"name": "https", "port": API_PORT, "targetPort": 6443}]},
    }
