"""What a cluster has from the start: four Namespaces, and the Service `kubernetes` on the first service address."""

from ipaddress import ip_network
from uuid import UUID, uuid5

from ipamd.json import Object
from ipamd.kube.kinds import NAMESPACE, SERVICE
from ipamd.kube.metadata import Moment
from ipamd.kube.namespaces import FROM_THE_START
from ipamd.kube.objects import Target, create
from ipamd.kube.work import Work
from ipamd.model import Wish

API_PORT = 443


def bootstrap(work: Work) -> None:
    """Makes what is missing. The Service is made only where there is a pool for services."""
    for name in FROM_THE_START:
        make(work, Target(NAMESPACE, "", name), {"metadata": {"name": name}})
    if work.families("services"):
        make(work, Target(SERVICE, "default", "kubernetes"), kubernetes(first_address(work)))


def make(work: Work, target: Target, document: Object) -> None:
    """Creates an object unless it is there."""
    if work.tx.get(target.kind.name, target.namespace, target.name) is None:
        uid = str(uuid5(UUID(work.moment.uid), f"{target.kind.name} {target.name}"))
        create(work._replace(moment=Moment(work.moment.now, uid)), target, document)


def first_address(work: Work) -> str:
    """The first address of the first pool for services, which the API server has in every cluster."""
    space = work.pools.matching(Wish(purpose="services", family=work.families("services")[0]))[0]
    return str(ip_network(space.pool.cidrs[0])[1])


def kubernetes(address: str) -> Object:
    """The Service as the API server makes it."""
    return {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {"clusterIP": address, "ports": [{"name": "https", "port": API_PORT, "targetPort": 6443}]},
    }
