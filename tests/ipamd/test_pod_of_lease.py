"""A lease whose owner is a Pod is that Pod."""

import json
from random import Random
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipamd.errors import Conflict, Invalid
from ipamd.model import Owner, Wish
from ipamd.pod_of_lease import new_uid
from ipamd.service import Service

WEB = Owner("Pod", "web-0", "shop")


def stored(service: Service, kind: str, namespace: str, name: str) -> Any:
    """The object as the store has it, or None."""
    found = service.store.view(lambda view: view.get(kind, namespace, name))
    return None if found is None else json.loads(found.body)


def pod(service: Service) -> Any:
    """The Pod shop/web-0."""
    return stored(service, "Pod", "shop", "web-0")


async def made_by_client(service: Service, **status: object) -> None:
    """A Pod that a Kubernetes client made, without a lease."""
    metadata = {"name": "web-0", "namespace": "shop", "uid": "client-uid"}
    document: Any = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": status}
    await service.store.update(lambda tx: tx.put("Pod", "shop", "web-0", document))


async def test_the_pod_and_its_namespace_exist_from_the_lease_on(service: Service) -> None:
    lease, _ = await service.lease(WEB, Wish(pool="pods", labels={"app": "web"}))

    made = pod(service)
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["metadata"]["uid"] == lease.owner.uid
    assert made["status"]["phase"] == "Running"
    assert made["status"]["podIP"] == "10.244.0.2"
    assert {"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:13:20Z"} in made["status"][
        "conditions"
    ]
    assert stored(service, "Namespace", "", "shop")["status"] == {"phase": "Active"}


async def test_a_second_lease_adds_its_address_and_the_pod_goes_with_the_last(service: Service) -> None:
    first, _ = await service.lease(WEB, Wish(pool="pods"))
    second, _ = await service.lease(WEB, Wish(pool="pods-v6"))
    assert pod(service)["status"]["podIPs"] == [{"ip": "10.244.0.2"}, {"ip": "fd00:10:244::2"}]

    await service.release(first.id)
    assert pod(service)["status"]["podIP"] == "fd00:10:244::2"
    await service.release(second.id)
    assert pod(service) is None


async def test_without_a_namespace_the_default_one_is_meant(service: Service) -> None:
    lease, _ = await service.lease(Owner("Pod", "web-0"), Wish(pool="pods"))
    again, is_new = await service.lease(Owner("Pod", "web-0", "default"), Wish(pool="pods"))

    assert (again.id, is_new) == (lease.id, False)
    assert stored(service, "Pod", "default", "web-0") is not None


async def test_a_pod_that_a_client_made_gets_the_address_and_stays_when_it_goes(service: Service) -> None:
    await made_by_client(service, phase="Running")
    lease, _ = await service.lease(WEB, Wish(pool="pods"))
    assert lease.owner.uid == "client-uid"
    assert pod(service)["status"] == {"phase": "Running", "podIP": "10.244.0.2", "podIPs": [{"ip": "10.244.0.2"}]}

    await service.release(lease.id)
    assert pod(service)["status"] == {"phase": "Running"}


async def test_a_pod_under_another_uid_is_not_the_owner(service: Service) -> None:
    await made_by_client(service)

    with pytest.raises(Conflict, match="has the uid client-uid, not u2"):
        await service.lease(Owner("Pod", "web-0", "shop", "u2"), Wish(pool="pods"))
    assert service.pool("pods").leases == 0


async def test_a_pod_is_not_made_in_a_namespace_that_is_being_deleted(service: Service) -> None:
    going: Any = {"metadata": {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    await service.store.update(lambda tx: tx.put("Namespace", "", "shop", going))

    with pytest.raises(Conflict, match="being deleted"):
        await service.lease(WEB, Wish(pool="pods"))
    assert service.pool("pods").leases == 0


@pytest.mark.parametrize("owner", [Owner("Pod", "Web_0"), Owner("Pod", "web-0", "a.b"), Owner("Pod", "x" * 254)])
async def test_what_is_no_name_of_a_pod_is_refused(service: Service, owner: Owner) -> None:
    with pytest.raises(Invalid, match="no name of a Pod"):
        await service.lease(owner, Wish(pool="pods"))


async def test_an_owner_of_another_kind_has_no_object(service: Service) -> None:
    await service.lease(Owner("Container", "web-0", "shop"), Wish(pool="pods"))

    assert pod(service) is None


async def test_the_pod_may_be_gone_before_its_lease(service: Service) -> None:
    lease, _ = await service.lease(WEB, Wish(pool="pods"))
    await service.store.update(lambda tx: tx.delete("Pod", "shop", "web-0"))
    await service.release(lease.id)

    assert service.pool("pods").leases == 0


@given(st.integers(0, 2**32))
def test_a_new_uid_is_a_random_uuid(seed: int) -> None:
    made = new_uid(Random(seed))

    assert str(UUID(made)) == made
    assert (UUID(made).version, UUID(made).variant) == (4, RFC_4122)
    assert made != new_uid(Random(seed + 1))
